import type { Reason } from '@portcullis/core'

/** What the client is told: an OAuth error and a text that is the same whatever was wrong (RFC 6750 §3.1, RFC 6749 §5.2). */
export interface ClientAnswer {
  readonly error: 'invalid_token' | 'invalid_grant' | 'invalid_dpop_proof' | 'use_dpop_nonce'
  readonly description: string
}

/** A refusal as a value: `reason` is for the log, `answer` for the client, and neither holds anything of the token. */
export interface Refused<Code extends string> {
  readonly ok: false
  readonly reason: Reason & { readonly code: Code }
  readonly answer: ClientAnswer
  /** Whole seconds after which the same may be tried again; only where it was not looked at, because there were too many attempts. */
  readonly retryAfter?: number
}

/** The answer to every access token, API key or other credential that is not taken. */
export const INVALID_TOKEN: ClientAnswer = Object.freeze({
  error: 'invalid_token',
  description: 'The access token is expired, revoked or not valid here',
})

/** The answer to every refresh token that is not taken. */
export const INVALID_GRANT: ClientAnswer = Object.freeze({
  error: 'invalid_grant',
  description: 'The refresh token is expired, revoked or not valid here',
})

/** A refusal that is made once and given out many times. */
export function refused<Code extends string>(code: Code, message: string, answer: ClientAnswer = INVALID_TOKEN): Refused<Code> {
  return Object.freeze({ ok: false, reason: Object.freeze({ code, message }), answer })
}
