import type { Endpoint } from '@portcullis/core'
import { BASIC_CHALLENGE, readClientRequest, triedBasic } from './client-authentication.ts'
import { tokenRevokedEvent } from './events.ts'
import type { Provider } from './provider.ts'
import { errorReply, refused } from './refusal.ts'

/**
 * The revocation endpoint (RFC 7009). A refresh token ends with its whole family. An access token is a signed statement that
 * nobody here is asked about: it can't be called back, lives for minutes, and is refused with `unsupported_token_type` (§2.2.1)
 * rather than with a success that is none. Unknown tokens are answered 200 (§2.2).
 */
export function revocationEndpoint(provider: Provider): Endpoint {
  return async (req) => {
    const sender = await readClientRequest(provider.clients, req)
    if (sender.type === 'refused') {
      return errorReply(sender, sender.error === 'invalid_client' && triedBasic(req) ? BASIC_CHALLENGE : [])
    }
    const { client, form } = sender
    const token = form['token']
    if (token === undefined) return errorReply(refused('invalid_request', 'oauth.token_missing', 'token is required'))
    if (isJwt(token)) {
      return errorReply(
        refused('unsupported_token_type', 'oauth.token_not_revocable', 'access tokens expire by themselves, within minutes'),
      )
    }
    const context = { request: req, clock: provider.clock }
    // Another client's token is left alone, and its owner's business: the answer does not tell that it exists.
    if (await provider.refreshTokens.revoke(token, { clientId: client.clientId }, context)) {
      tokenRevokedEvent.publish({ clientId: client.clientId }, context)
    }
    return {
      status: 200,
      headers: [
        ['Cache-Control', 'no-store'],
        ['Content-Length', '0'],
      ],
    }
  }
}

function isJwt(token: string): boolean {
  return token.split('.').length === 3
}
