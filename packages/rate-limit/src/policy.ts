import { Calendar, type CalendarPeriod, LONGEST_PERIOD } from './calendar.ts'
import { RateLimitError } from './errors.ts'

/** What every limit says, whatever its algorithm. */
interface Named {
  /** Shown to clients in `RateLimit` and `violated-policies`: 1 to 64 of `A-Z a-z 0-9 . _ -`. */
  readonly name: string
  /** Units that one window grants: a whole number from 1 to 1,000,000,000; of `strict` at most 1,000. */
  readonly quota: number
}

interface Windowed extends Named {
  /** Seconds, in whole milliseconds: from 0.001 to 366 days. */
  readonly window: number
}

/** A limit by GCRA: on average `quota` units in every `window`, and at most `burst` of them at once. */
export interface GcraPolicy extends Windowed {
  readonly algorithm?: 'gcra'
  /** Units that may be used at once after a pause: a whole number, by default the quota. Smaller is smoother. */
  readonly burst?: number
}

/**
 * A limit by windows. `strict`: never more than the quota in any window, wherever it begins; each unit is remembered. `fixed`: a window
 * begins with the first unit charged, and with its end all are free again. `sliding`: of the window before, the part counts that the last
 * `window` seconds overlap, as if its units had been spread over it evenly.
 */
export interface WindowPolicy extends Windowed {
  readonly algorithm: 'strict' | 'fixed' | 'sliding'
}

/** A quota of a day, a month or another period of the calendar. */
export interface CalendarPolicy extends Named {
  readonly algorithm: 'calendar'
  readonly period: CalendarPeriod
  /** A name of the IANA database, as `Europe/Berlin`. Default: `UTC`. */
  readonly timeZone?: string
}

/** A limit. README: which algorithm to choose. */
export type Policy = GcraPolicy | WindowPolicy | CalendarPolicy

export type Algorithm = NonNullable<Policy['algorithm']>

/** A policy as a store gets it: checked, complete, and named apart from the policies of other limiters. */
export interface ScopedPolicy extends Named {
  /**
   * The limiter and the policy, `limiter:policy`. Keys of one scope share nothing with those of another; two limiters whose scopes
   * are alike share their counts.
   */
  readonly scope: string
  readonly algorithm: Algorithm
  /** Seconds, in whole milliseconds; of a calendar's period the most that it can have. */
  readonly window: number
  /** The most units that can pass at once: but for GCRA the quota. */
  readonly burst: number
  /** Of a calendar. */
  readonly period?: CalendarPeriod
  /** Of a calendar. */
  readonly timeZone?: string
  /**
   * Set where one check has several keys: all buckets of policies with the same word are kept in one place, a slot of a Redis Cluster,
   * so that a check of them can be all or nothing. Without it, a bucket is kept where its key says.
   */
  readonly together?: string
}

const NAME = /^[A-Za-z0-9._-]{1,64}$/
const MOST_UNITS = 1_000_000_000
const LONGEST_WINDOW = 366 * 86_400
/** Each unit is an entry. */
const MOST_STRICT_UNITS = 1000
const ALGORITHMS: ReadonlySet<string> = new Set<Algorithm>(['gcra', 'strict', 'fixed', 'sliding', 'calendar'])

/**
 * Checks policies and names them apart from those of other limiters. The result is what a store is called with: keep it, and
 * give the same array every time; a store may hang what it prepared on the array's identity.
 * @param limiter the limiter's name, `A-Z a-z 0-9 . _ -`; colons separate its parts
 * @param together see {@link ScopedPolicy}
 * @throws RateLimitError `rate_limit.policy_invalid`, `rate_limit.options_invalid` for a malformed limiter name
 */
export function scopePolicies(limiter: string, policies: readonly Policy[], together?: string): readonly ScopedPolicy[] {
  checkLimiterName(limiter)
  if (policies.length === 0) throw invalid('(none)', 'a limiter needs at least one policy')
  const names = new Set<string>()
  return Object.freeze(
    policies.map((policy) => {
      const { name } = policy
      if (typeof name !== 'string' || !NAME.test(name)) throw invalid('(unnamed)', 'a name is 1 to 64 of A-Z a-z 0-9 . _ -')
      if (names.has(name)) throw invalid(name, 'the name occurs twice in one limiter')
      names.add(name)
      return Object.freeze({
        scope: `${limiter}:${name}`,
        name,
        ...numbersOf(policy),
        ...(together !== undefined && { together }),
      })
    }),
  )
}

type Numbers = Omit<ScopedPolicy, 'scope' | 'name' | 'together'>

function numbersOf(policy: Policy): Numbers {
  const { name, quota, algorithm = 'gcra' } = policy
  if (!ALGORITHMS.has(algorithm)) throw invalid(name, 'algorithm is gcra, strict, fixed, sliding or calendar')
  const most = algorithm === 'strict' ? MOST_STRICT_UNITS : MOST_UNITS
  if (!isUnits(quota, most)) throw invalid(name, `quota is a whole number from 1 to ${most}`)
  if (algorithm !== 'gcra' && 'burst' in policy) throw invalid(name, `burst is of gcra: ${algorithm} grants its quota`)
  if (policy.algorithm === 'calendar') return { quota, algorithm, burst: quota, ...calendarOf(policy) }
  const burst = 'burst' in policy ? (policy.burst ?? quota) : quota
  if (!isUnits(burst, MOST_UNITS)) throw invalid(name, `burst is a whole number from 1 to ${MOST_UNITS}`)
  if (!isWindow(policy.window)) throw invalid(name, 'window is in seconds, whole milliseconds, from 0.001 to 366 days')
  return { quota, algorithm, window: policy.window, burst }
}

function calendarOf({
  name,
  period,
  timeZone = 'UTC',
  ...rest
}: CalendarPolicy): Pick<Numbers, 'period' | 'timeZone' | 'window'> {
  if ('window' in rest) throw invalid(name, 'a calendar has a period, not a window')
  try {
    new Calendar(period, timeZone)
  } catch (error) {
    throw invalid(name, (error as Error).message)
  }
  return { period, timeZone, window: LONGEST_PERIOD[period] }
}

/** @throws RateLimitError `rate_limit.options_invalid` */
export function checkLimiterName(limiter: string): string {
  if (typeof limiter === 'string' && limiter.split(':').every((part) => NAME.test(part))) return limiter
  throw new RateLimitError('rate_limit.options_invalid', 'a limiter name is 1 to 64 of A-Z a-z 0-9 . _ -')
}

function isUnits(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= most
}

function isWindow(seconds: number): boolean {
  if (!(seconds >= 0.001 && seconds <= LONGEST_WINDOW)) return false
  // 0.3 * 1000 is 299.99999999999994: what counts is that a whole number of milliseconds was meant.
  return Math.abs(seconds * 1000 - Math.round(seconds * 1000)) < 1e-4
}

function invalid(name: string, why: string): RateLimitError {
  return new RateLimitError('rate_limit.policy_invalid', `policy ${name}: ${why}`)
}

const NUMBERS = ['algorithm', 'quota', 'window', 'burst', 'period', 'timeZone'] as const satisfies (keyof ScopedPolicy)[]

/**
 * Two limiters that are named alike must count alike.
 * @throws RateLimitError `rate_limit.policy_conflict`
 */
export function requireSameNumbers(before: ScopedPolicy, policy: ScopedPolicy): void {
  if (NUMBERS.every((number) => before[number] === policy[number])) return
  throw new RateLimitError(
    'rate_limit.policy_conflict',
    `${policy.scope} is counted in this store with other numbers: give one of the limiters another name`,
  )
}

/** @throws RateLimitError `rate_limit.cost_invalid` unless the cost is a whole number from 0 to 1,000,000,000 */
export function checkCost(cost: number): void {
  if (!Number.isInteger(cost) || cost < 0 || cost > MOST_UNITS) {
    throw new RateLimitError('rate_limit.cost_invalid', `a cost is a whole number from 0 to ${MOST_UNITS}`)
  }
}
