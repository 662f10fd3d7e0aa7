import type { EventContext } from '@portcullis/core'
import type { Claims } from './claims.ts'
import type { Refused } from './refused.ts'

/** Why a token that verifies is refused all the same. */
export type RevocationReasonCode = 'tokens.revoked' | 'tokens.lifetime_too_long'

/** What a verifier asks about every token, also about one that it remembers. */
export interface RevocationCheck {
  /**
   * Synchronous, out of memory.
   * @returns `undefined` when the token stands
   * @throws TokenError `tokens.revocations_unavailable` (503) when too little is known to tell
   */
  check(claims: Claims): Refused<RevocationReasonCode> | undefined
}

/** What is revoked. */
export type Revocation =
  /** One token, by its `jti`. `expiresAt`: its `exp`, in seconds since the epoch; without it the entry is kept as long as any. */
  | { readonly kind: 'token'; readonly id: string; readonly expiresAt?: number }
  /** Every token of a grant (`grant_id`), also those that are issued after this. */
  | { readonly kind: 'grant'; readonly id: string }
  /**
   * The tokens of a session (`sid`), of a subject (`sub`) or of a client (`client_id`) that were issued at `before` or earlier;
   * those that are issued later are good: for somebody who signs in again, and for a grant that outlives its session
   * (`offline_access`). `before`: seconds since the epoch, at most 300 ahead. Default: now; of a session a second later, since what
   * ends here may just have been used at a process whose clock is a little ahead. `iat` has whole seconds: what was issued in that
   * very second counts as issued before it, so whoever signs in again within the second does it once more.
   */
  | { readonly kind: 'session' | 'subject' | 'client'; readonly id: string; readonly before?: number }
  /** Every token that was issued at `before` or earlier, with `before` as above. */
  | { readonly kind: 'all'; readonly before?: number }

/** Calls access tokens back. */
export interface Revoker {
  /**
   * Revokes. In this process it holds from the moment of the call; resolves once the feed has it. When it rejects, it holds here,
   * and may or may not reach others: call again.
   * @throws TokenError `tokens.revocation_invalid`; `tokens.revocations_unavailable`, `tokens.revocations_full` (503, both)
   * @example await revocations.revoke({ kind: 'session', id: sessionId })
   */
  revoke(revocation: Revocation, context?: EventContext): Promise<void>
}

/** By what a token can be revoked. */
export type RevocationKind = Revocation['kind']

/** A revocation that can be kept, and sent. All times are whole seconds since the epoch. */
export interface RevocationEntry {
  readonly kind: RevocationKind
  /** Empty for `all`. */
  readonly id: string
  readonly revokedAt: number
  /** `session`, `subject`, `client`, `all`: the last `iat` that is refused. `token`: its `exp`. */
  readonly time?: number
}

/** The most by which a verifier lets clocks differ, in seconds. */
export const CLOCK_DIFFERENCE = 300
