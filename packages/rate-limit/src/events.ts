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
  /** Which limits refused: `account:…`, `address:…`, `pair:…`; never the account. */
  readonly policies: readonly string[]
  /** Seconds. */
  readonly retryAfter: number
}

/** An attempt at a secret was refused before the secret was checked. */
export const guessRefused: EventType<'rate_limit.guess_refused', GuessRefused> = defineEvent('rate_limit.guess_refused')
