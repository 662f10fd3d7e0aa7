import { refused } from '../refusal.ts'
import { parseScope } from '../scope.ts'
import type { Grant } from '../token.ts'

/** A token for the client itself (RFC 6749 §4.4): no person, no refresh token, no role. */
export const clientCredentialsGrant: Grant = async ({ provider, client, form, jkt, req }) => {
  const { clientId } = client
  // Checked where clients are made, and here again: a directory of the application's own may not have asked.
  if (client.kind !== 'confidential') {
    return refused('unauthorized_client', 'oauth.client_public', 'a public client has nothing to act for itself with')
  }
  const resource = provider.catalog.resource(form['resource'])
  if (resource === undefined) return refused('invalid_target', 'oauth.resource_unknown', 'resource is not known here')
  const allowed = provider.catalog.within(client.clientCredentialsScopes ?? [], resource)
  const scopes = form['scope'] === undefined ? allowed : parseScope(form['scope'], allowed)
  if ('error' in scopes) return scopes
  const access = await provider.tokens.accessToken(
    {
      subject: clientId,
      audience: resource.identifier,
      clientId,
      scopes,
      lifetime: provider.lifetimes.accessToken,
      ...(jkt !== undefined && { confirmation: { jkt } }),
    },
    { request: req },
  )
  return {
    type: 'tokens',
    accessToken: access.token,
    jti: access.jti,
    expiresIn: access.expiresIn,
    subject: clientId,
    scopes,
    audience: resource.identifier,
  }
}
