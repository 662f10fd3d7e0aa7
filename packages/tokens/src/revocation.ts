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

/** What is called back: one token, or all that have something in common. */
export type Revocation =
  /** One token, by its `jti`. */
  | { readonly kind: 'token'; readonly id: string /** Its `exp`: seconds since the epoch. */; readonly expiresAt: number }
  /** All tokens of a grant, by `grant_id`, whenever they were issued. */
  | { readonly kind: 'grant'; readonly id: string }
  /**
   * All tokens of a session (`sid`), of a subject (`sub`) or of a client (`client_id`) that were issued in the second `before`
   * (seconds since the epoch) or earlier. Later ones are good: somebody who has changed his password signs in again.
   */
  | { readonly kind: 'session' | 'subject' | 'client'; readonly id: string; readonly before: number }
  /** All tokens that were issued in the second `before` or earlier. */
  | { readonly kind: 'all'; readonly before: number }

/** A revocation that is to be made; where `before` is left out, it is this second. */
export type NewRevocation =
  | Extract<Revocation, { readonly kind: 'token' | 'grant' }>
  | { readonly kind: 'session' | 'subject' | 'client'; readonly id: string; readonly before?: number }
  | { readonly kind: 'all'; readonly before?: number }

/** Calls access tokens back. */
export interface Revoker {
  /**
   * Takes effect in this process before it returns, and everywhere once it resolves and the feed has come around.
   * @throws TokenError `tokens.revocations_unavailable` (503) when the feed did not take it: call again; here it holds already
   */
  revoke(revocation: NewRevocation, context?: EventContext): Promise<void>
}

/** A revocation as a feed carries it. */
export interface PublishedRevocation {
  readonly revocation: Revocation
  /** Milliseconds since the epoch, by the publisher's clock: what the delay is measured from. */
  readonly publishedAt: number
}

/** Who follows a feed. */
export interface RevocationFollower {
  /** One revocation; the same one may come more than once, and in any order. */
  revoked(published: PublishedRevocation): void
  /** Everything that was published before this moment has been delivered: milliseconds since the epoch, by the follower's clock. */
  synced(at: number): void
  /** The feed could not be read; it goes on trying. */
  failed(error: unknown): void
}

/** Carries revocations from the process that makes them to all that verify. Backends implement it; `conformance` has its suite. */
export interface RevocationFeed {
  /**
   * Resolves once the revocation will reach every follower, also one that begins later.
   * @param keepUntil milliseconds since the epoch: until then no follower may miss it
   */
  publish(published: PublishedRevocation, keepUntil: number): Promise<void>
  /** Delivers everything that is kept, then all that is new, until closed. Returns at once; `synced` says when it is up to date. */
  follow(follower: RevocationFollower): RevocationSubscription
}

/** A feed that is being followed. */
export interface RevocationSubscription {
  /** Reads what is new now, without waiting for the next time. Resolves when followed up to date, or after `failed`. */
  poll(): Promise<void>
  close(): Promise<void>
}
