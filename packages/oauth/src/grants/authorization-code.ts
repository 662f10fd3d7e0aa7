import { createHash, timingSafeEqual } from 'node:crypto'
import type { Form } from '@portcullis/core'
import type { RefreshGrant } from '@portcullis/tokens'
import type { Client } from '../client.ts'
import type { CodeGrant } from '../code.ts'
import { codeReplayedEvent } from '../events.ts'
import { type Refused, refused } from '../refusal.ts'
import type { Grant } from '../token.ts'
import { issueUserTokens } from './user-tokens.ts'

/** Exchanges an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.6). */
export const authorizationCodeGrant: Grant = async ({ provider, client, form, jkt, req }) => {
  const code = form['code']
  if (code === undefined) return refused('invalid_request', 'oauth.code_missing', 'code is required')
  const context = { request: req, clock: provider.clock }

  const redemption = await provider.codes.redeem(code, (grant) => flawOf(grant, client, form, jkt))
  if (redemption.type === 'refused') return redemption
  if (redemption.type === 'unknown') return invalid('oauth.code_unknown')
  const { grant } = redemption
  if (redemption.type === 'replayed') {
    // RFC 6749 §4.1.2: two parties had the code, and one of them should not have.
    const { familyId, grantId } = redemption
    await provider.revocations?.revoke({ kind: 'grant', id: grantId }, context)
    if (familyId !== undefined) await provider.refreshTokens.endFamily(familyId, context)
    codeReplayedEvent.publish({ clientId: grant.clientId, subject: grant.subject, familyId }, context)
    return invalid('oauth.code_replayed')
  }

  const resource = provider.catalog.resource(grant.resource)
  const account = await provider.accounts.find(grant.subject)
  if (resource === undefined) return refused('invalid_target', 'oauth.resource_unknown', 'the resource is not known any more')
  if (account === undefined) return invalid('oauth.account_unavailable')
  const refresh = grant.scopes.includes('offline_access') && client.grants.includes('refresh_token')
  const family = refresh
    ? await provider.refreshTokens.issue(familyOf(grant, account.tenant, boundKey(client, jkt)), context)
    : undefined
  // Presented again while we were at it: whoever it was shall not have what comes of it, nor shall we.
  const kept = family !== undefined && (await redemption.attach(family.familyId))
  if (family !== undefined && !kept) await provider.refreshTokens.endFamily(family.familyId, context)

  const grantId = kept ? family.familyId : redemption.grantId
  const tokens = { grant: { ...grant, grantId }, scopes: grant.scopes }
  const answer = await issueUserTokens({ provider, client, account, resource, ...tokens, jkt, req })
  return kept ? { ...answer, refreshToken: family.token } : answer
}

/** Everything that must be right before a code is used up; one answer for all, since only an attacker learns from the difference. */
function flawOf(grant: CodeGrant, client: Client, form: Form, jkt: string | undefined): Refused | undefined {
  if (grant.clientId !== client.clientId) return invalid('oauth.code_client_mismatch')
  const { challenge, redirectUri } = grant
  const verifier = form['code_verifier']
  // RFC 9700 §4.8.2: a verifier without a challenge means that somebody took the challenge out of the request.
  if (challenge === undefined && verifier !== undefined) return invalid('oauth.pkce_downgraded')
  if (challenge !== undefined && (verifier === undefined || !isVerifier(verifier, challenge)))
    return invalid('oauth.pkce_mismatch')

  // RFC 9449 §10: a code that was asked for with a key is for the holder of that key.
  if (grant.dpopJkt !== undefined && grant.dpopJkt !== jkt) return invalid('oauth.dpop_key_mismatch')
  const sent = form['redirect_uri']
  if (sent !== undefined && sent !== redirectUri.value) return invalid('oauth.redirect_uri_mismatch')
  // RFC 6749 §4.1.3 wants it again; OAuth 2.1 lets it go where PKCE does its work.
  if (sent === undefined && redirectUri.sent && challenge === undefined) return invalid('oauth.redirect_uri_missing')
  const resource = form['resource']
  if (resource !== undefined && resource !== grant.resource) {
    return refused('invalid_target', 'oauth.resource_mismatch', 'resource was not part of the authorization')
  }
  return undefined
}

function isVerifier(verifier: string, challenge: string): boolean {
  if (!/^[A-Za-z0-9._~-]{43,128}$/.test(verifier)) return false
  const [given, expected] = [createHash('sha256').update(verifier).digest(), Buffer.from(challenge, 'base64url')]
  return given.length === expected.length && timingSafeEqual(given, expected)
}

/** RFC 9449 §5: the refresh token of a client that can't authenticate is bound to its key; others may change theirs. */
function boundKey(client: Client, jkt: string | undefined): string | undefined {
  return client.kind === 'public' ? jkt : undefined
}

function familyOf(grant: CodeGrant, tenant: string | undefined, jkt: string | undefined): RefreshGrant {
  const { subject, clientId, scopes, sessionId, authTime, acr, amr, resource } = grant
  const optional = { ...(tenant !== undefined && { tenant }), ...(jkt !== undefined && { jkt }) }
  return { subject, clientId, scopes, sessionId, authTime, acr, amr, audience: resource, ...optional }
}

function invalid(reason: string): Refused {
  return refused('invalid_grant', reason, 'the code is not valid for this request')
}
