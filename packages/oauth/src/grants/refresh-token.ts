import type { RefreshGrant } from '@portcullis/tokens'
import { refused } from '../refusal.ts'
import { parseScope } from '../scope.ts'
import type { Grant } from '../token.ts'
import { issueUserTokens } from './user-tokens.ts'

/**
 * Exchanges a refresh token for its successor and a new access token (RFC 6749 §6). Tenant and roles are read anew; a scope that
 * the client or the resource has lost since is gone; an account that is gone ends the family.
 */
export const refreshTokenGrant: Grant = async ({ provider, client, form, jkt, req }) => {
  const token = form['refresh_token']
  if (token === undefined) return refused('invalid_request', 'oauth.refresh_token_missing', 'refresh_token is required')
  const context = { request: req, clock: provider.clock }
  // Before the rotation, which uses the token up: what could never be allowed does not cost the client its token.
  const wanted = form['scope'] === undefined ? undefined : parseScope(form['scope'], client.scopes ?? [])
  if (wanted !== undefined && 'error' in wanted) return wanted

  const rotated = await provider.refreshTokens.rotate(
    token,
    { clientId: client.clientId, ...(jkt !== undefined && { jkt }) },
    context,
  )
  if (!rotated.ok) return refused('invalid_grant', rotated.reason.code, 'the refresh token is not valid')
  const { grant, familyId } = rotated

  const account = await provider.accounts.find(grant.subject)
  if (account === undefined) {
    await provider.refreshTokens.endFamily(familyId, context)
    return refused('invalid_grant', 'oauth.account_unavailable', 'the refresh token is not valid')
  }
  const resource = provider.catalog.resource(resourceOf(grant))
  const named = form['resource']
  if (resource === undefined || (named !== undefined && named !== resource.identifier)) {
    return refused('invalid_target', 'oauth.resource_mismatch', 'resource was not part of the authorization')
  }
  // RFC 6749 §6: never more than was granted. The refresh token itself keeps the whole grant.
  const still = provider.catalog.within(grant.scopes, resource).filter((scope) => client.scopes?.includes(scope))
  if (wanted?.every((scope) => still.includes(scope)) === false) {
    return refused('invalid_scope', 'oauth.scope_escalated', 'a scope was not part of the authorization')
  }
  const { authTime = 0, acr = 'aal1', amr = [], sessionId = '' } = grant
  const signedIn = { authTime, acr, amr, sessionId, grantId: familyId }
  const answer = await issueUserTokens({
    provider,
    client,
    account,
    resource,
    grant: signedIn,
    scopes: wanted ?? still,
    jkt,
    req,
  })
  return { ...answer, refreshToken: rotated.token }
}

function resourceOf({ audience }: RefreshGrant): string | undefined {
  return typeof audience === 'string' ? audience : audience?.[0]
}
