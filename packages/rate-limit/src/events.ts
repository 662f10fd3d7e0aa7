import { defineEvent, type EventType } from '@portcullis/core'

/** Data of {@link limitRefused}. */
export interface LimitRefused {
  /** Names of the policies that refused. */
  readonly policies: readonly string[]
  /** The sort of key, `address` for example; never the key. */
  readonly keyKind: string
  /** Whether it was counted in a bucket shared with others. */
  readonly degraded: boolean
}

/** A request was over its limit. */
export const limitRefused: EventType<'rate_limit.refused', LimitRefused> = defineEvent('rate_limit.refused')

/** Data of {@link guessRefused}. */
export interface GuessRefused {
  /** The guard's name. */
  readonly guard: string
  /** Which limits refused: `account:…`, `pair:…`, `device:…`, `devices:…`, `address:…`, `budget:…`; never the account. */
  readonly policies: readonly string[]
  /** Seconds. */
  readonly retryAfter: number
}

/** An attempt at a secret was refused before the secret was checked. */
export const guessRefused: EventType<'rate_limit.guess_refused', GuessRefused> = defineEvent('rate_limit.guess_refused')

/** Data of {@link guessesExhausted}. */
export interface GuessesExhausted {
  /** The guard's name. */
  readonly guard: string
  /** The limit: `budget:hourly`, for example. */
  readonly limit: string
  /** Seconds: it is not said again for the same account, address, pair or device before they are over. */
  readonly window: number
}

/** An attempt took the last unit of a limit. Said once in each of its windows, whichever process notices. */
export const guessesExhausted: EventType<'rate_limit.guesses_exhausted', GuessesExhausted> =
  defineEvent('rate_limit.guesses_exhausted')

/**
 * Why an attempt is suspicious. `failures`: several failed before it. `budget`: so many fail everywhere that somebody must be trying a
 * list. `device`: it came from a known device that has used up its own limit.
 */
export type SuspiciousSign = 'failures' | 'budget' | 'device'

/** Data of {@link suspiciousAttempt}. */
export interface SuspiciousAttempt {
  /** The guard's name. */
  readonly guard: string
  readonly signs: readonly SuspiciousSign[]
  readonly outcome: 'success' | 'failure'
  /** Whether it was counted as a known device's. */
  readonly knownDevice: boolean
}

/** A suspicious attempt was settled (ASVS 5.0, 6.3.5): most of all when it succeeded. */
export const suspiciousAttempt: EventType<'rate_limit.suspicious_attempt', SuspiciousAttempt> =
  defineEvent('rate_limit.suspicious_attempt')

/** Data of {@link concurrencyRefused}. */
export interface ConcurrencyRefused {
  /** The limit's name. */
  readonly limiter: string
  /** The sort of key, `principal` for example; never the key. */
  readonly keyKind: string
  /** `full`: nobody may wait. `queue_full`: too many wait already. `timeout`: it waited, and no seat was free in time. */
  readonly reason: 'full' | 'queue_full' | 'timeout'
}

/** Too much was under way at one time. */
export const concurrencyRefused: EventType<'rate_limit.concurrency_refused', ConcurrencyRefused> =
  defineEvent('rate_limit.concurrency_refused')

/** Data of {@link leaseLost}. */
export interface LeaseLost {
  /** The limit's name. */
  readonly limiter: string
}

/** Work went on longer than its seat was leased, and could not be renewed: more may be under way than the limit says. */
export const leaseLost: EventType<'rate_limit.lease_lost', LeaseLost> = defineEvent('rate_limit.lease_lost')

/** Data of {@link limitWouldRefuse}. */
export interface LimitWouldRefuse {
  /** The limiter's name. */
  readonly limiter: string
  /** Names of the shadow policies that would have refused; empty where the request had no key to count it by. */
  readonly policies: readonly string[]
  readonly keyKind: string
}

/** A request was let through that a policy in shadow mode would have refused. */
export const limitWouldRefuse: EventType<'rate_limit.would_refuse', LimitWouldRefuse> = defineEvent('rate_limit.would_refuse')

/** Data of {@link addressDenied}. */
export interface AddressDenied {
  /** The limiter's name. */
  readonly limiter: string
}

/** A request came from where the deny list says. */
export const addressDenied: EventType<'rate_limit.denied', AddressDenied> = defineEvent('rate_limit.denied')

/** Data of {@link requestShed}. */
export interface RequestShed {
  /** The guard's name. */
  readonly limiter: string
  readonly priority: 'critical' | 'normal' | 'bulk'
  /** How many requests might be under way, and how many were. */
  readonly limit: number
  readonly inFlight: number
}

/** A request was refused since the process has no capacity for it. */
export const requestShed: EventType<'rate_limit.shed', RequestShed> = defineEvent('rate_limit.shed')
