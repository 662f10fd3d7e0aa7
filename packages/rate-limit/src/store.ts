import type { ScopedPolicy } from './policy.ts'

/** What one policy said of one check. Times are milliseconds since the epoch, by the store's clock. */
export interface RateLimitResult {
  /** The policy's name. */
  readonly policy: string
  /** Whether this policy alone would have let the request pass. */
  readonly allowed: boolean
  /** Whole units left, after this check. */
  readonly remaining: number
  /**
   * When the same cost passes this policy, if nothing else is charged before: refused a millisecond earlier, accepted then. Not after
   * `at` when it would pass at once; `Infinity` when the cost is more than the policy's burst and never passes.
   */
  readonly retryAt: number
  /** When everything charged so far has come back. */
  readonly resetAt: number
}

/** What all policies of one check said together. */
export interface RateLimitVerdict {
  /** Whether every policy allowed it. Only then was anything charged. */
  readonly allowed: boolean
  /** The store's time of the check: milliseconds since the epoch. */
  readonly at: number
  /** One for each policy, in their order. */
  readonly results: readonly RateLimitResult[]
  /** Whether some key had no bucket of its own: the store was full, or could not be asked. */
  readonly degraded: boolean
}

/**
 * Where limits are counted. The arithmetic happens where the data is, so that it is one step for everybody: one call in memory,
 * one script in Redis, one statement in SQL. Each answers with a verdict at once where it can; whoever calls awaits only a promise.
 *
 * `policies` come from `scopePolicies`. A store tells buckets apart by `policies[i].scope` and `keys[i]`. It keeps no key longer
 * than the bucket has something to tell, and never sends one out of the process in the clear.
 */
export interface RateLimitStore {
  /**
   * Called when a limiter is declared, so that what would fail at the first request fails at start-up.
   * @throws RateLimitError `rate_limit.policy_conflict` when a scope is declared already with other numbers
   */
  declare?(policies: readonly ScopedPolicy[]): void

  /**
   * Charges `cost` units to `keys[i]` under `policies[i]`, for all of them or, when one refuses, for none.
   * Time that goes backwards adds nothing.
   * @param cost whole units; 0 asks without charging
   * @throws RateLimitError `rate_limit.cost_invalid`, `rate_limit.key_missing`
   */
  consume(keys: readonly string[], policies: readonly ScopedPolicy[], cost: number): RateLimitVerdict | Promise<RateLimitVerdict>

  /**
   * Settles what was charged with what it turned out to be, without asking: a positive `units` is charged even where it goes beyond
   * the limit (the next check pays for it), a negative one is given back.
   *
   * @param reserved the verdict whose charge is given back. What time has given back since is not given a second time: nothing
   *   happens where `reserved.results[i].resetAt` has passed.
   */
  adjust(
    keys: readonly string[],
    policies: readonly ScopedPolicy[],
    units: number,
    reserved?: RateLimitVerdict,
  ): void | Promise<void>
}
