import { decodeBase64url } from './base64url.ts'
import { type JwsHeader, type JwsReasonCode, MALFORMED, MAX_TOKEN_LENGTH, parseJws } from './jws.ts'
import { type Refused, refused } from './refused.ts'
import { type JsonObject, parseJsonSegment } from './strict-json.ts'

/** What somebody wrote into a token. Nobody has checked that it was the issuer. */
export interface UnverifiedToken {
  readonly header: JwsHeader
  /** Not `Claims`, and not assignable to them: no claim is known to be there, or to have its type. */
  readonly claims: JsonObject
}

/** What {@link decodeUnsafe} read. It is under `unverified`, so that nothing takes it for the result of a verifier. */
export type DecodeResult =
  | { readonly ok: true; readonly unverified: UnverifiedToken }
  | Refused<JwsReasonCode | 'tokens.claims_malformed'>

const NO_CLAIMS = refused('tokens.claims_malformed', 'the claims are not a JSON object, or name a member twice')

/**
 * Reads the header and the claims of a JWT **without verifying anything**: neither the signature, nor the time, nor for whom it is.
 * Anybody can write such a token. It is for logs, for debugging, and for a client that wants to know when to ask for a new token;
 * whatever decides what somebody may do takes `createVerifier`.
 *
 * The form is held to what a verifier demands: one spelling, no member named twice, no `crit`. Never throws because of the token.
 *
 * @param maxLength the longest text to look at, in characters
 * @example const decoded = decodeUnsafe(token); if (decoded.ok) console.log(decoded.unverified.claims['exp'])
 */
export function decodeUnsafe(token: string, maxLength: number = MAX_TOKEN_LENGTH): DecodeResult {
  const parsed = parseJws(token, maxLength)
  if (!parsed.ok) return parsed
  const claims = parseJsonSegment(parsed.payload)
  if (claims === 'not base64url' || decodeBase64url(parsed.signature) === undefined) return MALFORMED
  if (claims === 'not an object') return NO_CLAIMS
  return { ok: true, unverified: { header: parsed.header, claims } }
}
