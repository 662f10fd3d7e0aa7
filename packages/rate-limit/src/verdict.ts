import { RateLimitError } from './errors.ts'
import { ceilToMs, type Gcra } from './gcra.ts'
import type { ScopedPolicy } from './policy.ts'
import type { RateLimitResult, RateLimitVerdict } from './store.ts'

/** A bucket as a check found it. */
export interface Found {
  readonly policy: ScopedPolicy
  readonly gcra: Gcra
  /** Ticks by which its theoretical arrival time was ahead of the time of the check; 0 when everything had come back. */
  readonly lead: number
}

/** Whether a bucket lets a cost pass. */
export function lets({ gcra, lead }: Omit<Found, 'policy'>, cost: number): boolean {
  return lead + cost * gcra.increment <= gcra.tolerance
}

/**
 * What a check comes to: of all policies or of none is the cost charged. Every store answers by this, so that all say the same.
 * @param at milliseconds since the epoch, by the store's clock
 */
export function verdictOf(found: readonly Found[], at: number, cost: number, degraded = false): RateLimitVerdict {
  const allowed = found.every((bucket) => lets(bucket, cost))
  return { allowed, at, results: found.map((bucket) => resultOf(bucket, at, cost, allowed ? cost : 0)), degraded }
}

/** @param charged what was charged of the cost: all or nothing */
function resultOf(found: Found, at: number, cost: number, charged: number): RateLimitResult {
  const { policy, gcra, lead } = found
  const { scale, increment, tolerance } = gcra
  const after = lead + charged * increment
  const wait = after + cost * increment - tolerance
  return {
    policy: policy.name,
    allowed: lets(found, cost),
    remaining: Math.max(0, Math.floor((tolerance - after) / increment)),
    retryAt: cost > policy.burst ? Number.POSITIVE_INFINITY : Math.ceil(at) + Math.max(0, ceilToMs(wait, scale)),
    resetAt: Math.ceil(at) + ceilToMs(after, scale),
  }
}

/** The key of a policy. @throws RateLimitError `rate_limit.key_missing` */
export function keyOf(keys: readonly string[], i: number): string {
  const key = keys[i]
  if (key === undefined) throw new RateLimitError('rate_limit.key_missing', 'a check needs one key for each policy')
  return key
}
