import type { HeaderList, Reply } from '@portcullis/core'
import type { AuthorizationRequest, ResponseTarget } from './authorization-request.ts'
import type { Provider } from './provider.ts'
import { withParameters } from './redirect-uri.ts'
import type { Refused } from './refusal.ts'
import type { SignedIn } from './standing.ts'

/**
 * Sends the browser on. 303, after whatever method: 307 would send what was typed into our form along (RFC 9700 §4.12).
 * @param location a path here, or a URI that was checked
 */
export function seeOther(location: string, headers: HeaderList = []): Reply {
  return {
    status: 303,
    headers: [['Location', location], ['Cache-Control', 'no-store'], ['Referrer-Policy', 'same-origin'], ...headers],
  }
}

/** The response of RFC 6749 §4.1.2.1, with `iss` as RFC 9207 §2 wants it in errors too. */
export function errorResponse(issuer: string, to: ResponseTarget, refusal: Refused): Reply {
  const { error, description } = refusal
  return seeOther(withParameters(to.redirectUri, { error, error_description: description, state: to.state, iss: issuer }))
}

/** Issues a code and sends it to the client (RFC 6749 §4.1.2, RFC 9207). */
export async function codeResponse(
  provider: Pick<Provider, 'codes' | 'issuer'>,
  request: AuthorizationRequest,
  who: SignedIn,
): Promise<Reply> {
  const { clientId, redirectUri, scopes, resource, nonce, challenge, dpopJkt, state } = request
  const code = await provider.codes.issue({
    clientId,
    redirectUri,
    subject: who.account.subject,
    scopes,
    resource,
    ...(nonce !== undefined && { nonce }),
    ...(challenge !== undefined && { challenge }),
    ...(dpopJkt !== undefined && { dpopJkt }),
    sessionId: who.sessionId,
    authTime: who.authTime,
    acr: who.acr,
    amr: who.amr,
  })
  return seeOther(withParameters(redirectUri.value, { code, state, iss: provider.issuer }))
}

/** Where the response to a request goes. */
export function targetOf(request: AuthorizationRequest): ResponseTarget {
  return { redirectUri: request.redirectUri.value, state: request.state }
}
