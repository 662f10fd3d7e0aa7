import type { ScopedPolicy } from './policy.ts'

/**
 * The generic cell rate algorithm (ITU-T I.371, virtual scheduling): a bucket is one number, its theoretical arrival time, the
 * moment at which everything charged so far has been earned back. A charge moves it on by `increment` a unit; a charge is refused
 * when that would carry it further ahead of now than `tolerance`.
 *
 * Times are counted in ticks of 1/`scale` ms, chosen so that one unit is a whole number of them: 7 requests a second are 1000/7 ms
 * apart, which no floating-point number is, and whose error a busy bucket would add up.
 */
export interface Gcra {
  /** Ticks in a millisecond. */
  readonly scale: number
  /** Ticks that one unit takes to come back. */
  readonly increment: number
  /** Ticks that a bucket may be ahead: a whole burst. */
  readonly tolerance: number
}

/** Ticks stay exact integers for this long after a store's beginning: a hundred billion milliseconds, three years. */
const HORIZON = 1e11

/** The numbers of a policy's buckets. */
export function gcra(policy: ScopedPolicy): Gcra {
  const window = Math.round(policy.window * 1000)
  const divisor = gcd(window, policy.quota)
  const scale = policy.quota / divisor
  const increment = window / divisor
  const tolerance = increment * policy.burst
  if ((HORIZON + tolerance / scale) * scale <= Number.MAX_SAFE_INTEGER) return { scale, increment, tolerance }
  // More than some 90,000 units that share no factor with the window: plain milliseconds, right to one part in 2^53.
  return { scale: 1, increment: window / policy.quota, tolerance: (window / policy.quota) * policy.burst }
}

/** The first whole millisecond that is not before `ticks`. */
export function ceilToMs(ticks: number, scale: number): number {
  const ms = Math.ceil(ticks / scale)
  // A quotient just above a whole number may have been rounded down to it; the product is exact.
  return ms * scale < ticks ? ms + 1 : ms
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b)
}
