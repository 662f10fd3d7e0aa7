import { Calendar } from './calendar.ts'
import { type Gcra, gcra } from './gcra.ts'
import type { ScopedPolicy } from './policy.ts'

/** The numbers of a bucket that is one number: see {@link Gcra}. */
export interface GcraMeter extends Gcra {
  readonly kind: 'gcra'
}

/**
 * The numbers of a bucket that is a log: entries of a start, in milliseconds since the epoch, and units charged since. Of a strict
 * limit each millisecond is an entry; of the others a window is, and a bucket has one or two.
 */
export interface LogMeter {
  readonly kind: 'log'
  readonly quota: number
  /** Milliseconds. */
  readonly window: number
  /** Milliseconds after its start in which charges go to an entry. */
  readonly grain: number
  /** Starts of entries are multiples of so many milliseconds since the epoch. */
  readonly align: number
  /** Milliseconds after its start for which an entry counts. */
  readonly life: number
  /** Whether an entry older than `window` counts less and less until it has gone. */
  readonly fades: boolean
  /** Whose periods are the entries, and by the caller's clock; `grain`, `align` and `life` say nothing then. */
  readonly calendar?: Calendar
}

export type Meter = GcraMeter | LogMeter

/** The numbers of a policy's buckets. @throws RateLimitError `rate_limit.policy_invalid` */
export function meterOf(policy: ScopedPolicy): Meter {
  const { quota, algorithm } = policy
  const window = Math.round(policy.window * 1000)
  switch (algorithm) {
    case 'strict':
      return { kind: 'log', quota, window, grain: 1, align: 1, life: window, fades: false }
    case 'fixed':
      return { kind: 'log', quota, window, grain: window, align: 1, life: window, fades: false }
    case 'sliding':
      return { kind: 'log', quota, window, grain: window, align: window, life: 2 * window, fades: true }
    case 'calendar': {
      const calendar = new Calendar(policy.period ?? 'day', policy.timeZone ?? 'UTC')
      return { kind: 'log', quota, window, grain: window, align: 1, life: window, fades: false, calendar }
    }
    default:
      return { kind: 'gcra', ...gcra(policy) }
  }
}
