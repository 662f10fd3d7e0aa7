import type { ScopedPolicy } from './policy.ts'
import type { RateLimitResult } from './store.ts'
import type { Found } from './verdict.ts'

/** A bucket of this process, as a check finds it: to be charged, or given something back, at most once. */
export interface Bucket {
  /** What it is to a check. @param charged what is charged of the cost: all of it or nothing */
  found(cost: number, charged: number): Found
  /** Whether its key shares it with others, since the table was full. */
  readonly overflow: boolean
  charge(units: number): void
  /** @param from the start of the entry that it was charged to, of a log; milliseconds since the epoch */
  giveBack(units: number, from: number | undefined): void
}

/** The buckets of one policy in this process. */
export interface Table {
  readonly policy: ScopedPolicy
  /** Keys held. */
  readonly size: number
  /** @param now milliseconds since the store's origin */
  look(key: string, now: number): Bucket
  /** The start of the entry that a reservation went to, as its result tells; `undefined` where there are none. Milliseconds since the epoch. */
  startOf(reserved: RateLimitResult): number | undefined
}
