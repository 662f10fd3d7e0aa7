import type { ScopedPolicy } from '@portcullis/rate-limit/store'

/** One bucket that a check is about. Numbers are those of its policy, see `gcra`. */
export interface Bucket {
  readonly scope: string
  /** A digest. */
  readonly key: string
  readonly scale: number
  readonly increment: number
  /** Ticks by which it may be ahead; `Infinity` where it is not asked. */
  readonly tolerance: number
  /** Nothing is written when that moment, in milliseconds since the epoch, has come; `Infinity`: always. */
  readonly reset: number
}

/** What a charge found. */
export interface Charged {
  /** Milliseconds since the epoch, by the clock that was used. */
  readonly at: number
  /** For each bucket, in their order: ticks by which it was ahead before the charge. */
  readonly leads: readonly number[]
}

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
