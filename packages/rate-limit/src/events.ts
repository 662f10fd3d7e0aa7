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
