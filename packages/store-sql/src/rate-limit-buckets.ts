import type { LogFound, Meter, Period, ScopedPolicy } from '@portcullis/rate-limit/store'

/** One bucket that a check is about. */
export interface Bucket {
  readonly scope: string
  /** A digest. */
  readonly key: string
  readonly meter: Meter
  /** Ticks by which it may be ahead, or units that its log may hold; `Infinity` where it is not asked. */
  readonly limit: number
  /** Nothing is written when that moment, in milliseconds since the epoch, has come; `Infinity`: always. */
  readonly reset: number
  /** Of a log: the entry from which is given back, by its start; `undefined`: the newest ones. */
  readonly from: number | undefined
  /** The period of a calendar that it is, by this process. */
  readonly period: Period | undefined
}

/** What a charge found of a bucket: ticks by which it was ahead, or what its log had. */
export type BucketFound = number | LogFound

/** What a charge found. */
export interface Charged {
  /** Milliseconds since the epoch, by the clock that was used. */
  readonly at: number
  /** For each bucket, in their order. */
  readonly found: readonly BucketFound[]
}

/** Milliseconds for which a calendar's count is kept beyond the end of its period: for those whose clock is behind. */
export const PERIOD_GRACE = 300_000

/** Where buckets are kept. */
export interface Buckets {
  /**
   * Charges all of them, or none when one would get further ahead than it may.
   * @param buckets in the order of their scopes, which is the order of locking
   */
  charge(buckets: readonly Bucket[], units: number): Charged | Promise<Charged>
  /** Looks at some more buckets, and deletes those that have nothing to tell any more. @returns whether it has come round */
  sweep(): Promise<boolean>
}

/** In which order a check's policies are locked: the same for every process, whatever their order in the check. */
export function lockingOrder(policies: readonly ScopedPolicy[]): readonly number[] {
  return policies.map((_, i) => i).sort((a, b) => compare(policies[a]?.scope ?? '', policies[b]?.scope ?? ''))
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
