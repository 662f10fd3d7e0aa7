import type { Endpoint, EventContext } from '@portcullis/core'
import { createVerifier, type Revoker } from '@portcullis/tokens'
import type { Client } from './client.ts'
import { BASIC_CHALLENGE, readClientRequest, triedBasic } from './client-authentication.ts'
import { tokenRevokedEvent } from './events.ts'
import type { Provider } from './provider.ts'
import { errorReply, refused } from './refusal.ts'

/**
 * The revocation endpoint (RFC 7009). A refresh token ends with its whole family. An access token is called back where the server
 * has `revocations`; where it has none, it is a signed statement that nobody is asked about, and is refused with
 * `unsupported_token_type` (§2.2.1) rather than with a success that is none. Unknown tokens are answered 200 (§2.2).
 */
export function revocationEndpoint(provider: Provider): Endpoint {
  const revokeAccessToken = provider.revocations && accessTokenRevocation(provider, provider.revocations)
  return async (req) => {
    const sender = await readClientRequest(provider.clients, req)
    if (sender.type === 'refused') {
      return errorReply(sender, sender.error === 'invalid_client' && triedBasic(req) ? BASIC_CHALLENGE : [])
    }
    const { client, form } = sender
    const token = form['token']
    if (token === undefined) return errorReply(refused('invalid_request', 'oauth.token_missing', 'token is required'))
    const isAccessToken = isJwt(token)
    if (isAccessToken && revokeAccessToken === undefined) {
      return errorReply(
        refused('unsupported_token_type', 'oauth.token_not_revocable', 'access tokens expire by themselves, within minutes'),
      )
    }
    const context = { request: req, clock: provider.clock }
    // Another client's token is left alone, and its owner's business: the answer does not tell that it exists.
    const revoked =
      isAccessToken && revokeAccessToken !== undefined
        ? await revokeAccessToken(token, client, context)
        : await provider.refreshTokens.revoke(token, { clientId: client.clientId }, context)
    if (revoked) tokenRevokedEvent.publish({ clientId: client.clientId }, context)
    return {
      status: 200,
      headers: [
        ['Cache-Control', 'no-store'],
        ['Content-Length', '0'],
      ],
    }
  }
}

/** Whether a token was one of the client's, and good: it is not any more. */
function accessTokenRevocation(
  { issuer, catalog, ring, clock }: Provider,
  revocations: Revoker,
): (token: string, client: Client, context: EventContext) => Promise<boolean> {
  const audience = catalog.resources.map((resource) => resource.identifier)
  const verifier = createVerifier({ issuer, audience, keys: ring.keys, cache: false, clock })
  return async (token, { clientId }, context) => {
    const result = await verifier.verify(token)
    if (!result.ok) return false
    const { client_id: owner, jti, exp } = result.claims
    if (owner !== clientId || jti === undefined) return false
    await revocations.revoke({ kind: 'token', id: jti, expiresAt: exp }, context)
    return true
  }
}

function isJwt(token: string): boolean {
  return token.split('.').length === 3
}
