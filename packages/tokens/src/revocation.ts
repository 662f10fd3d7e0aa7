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
