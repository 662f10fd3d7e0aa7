import { RateLimitError } from './errors.ts'
import { ceilToMs } from './gcra.ts'
import type { GcraMeter, LogMeter, Meter } from './meter.ts'
import type { ScopedPolicy } from './policy.ts'
import type { RateLimitResult, RateLimitVerdict } from './store.ts'
import { type LogFound, usedOf } from './window-log.ts'

/** A bucket by GCRA as a check found it. */
export interface GcraFound {
  readonly policy: ScopedPolicy
  readonly meter: GcraMeter
  /** Ticks by which its theoretical arrival time was ahead of the time of the check; 0 when everything had come back. */
  readonly lead: number
}

/** A bucket that is a log as a check found it. */
export interface FoundLog {
  readonly policy: ScopedPolicy
  readonly meter: LogMeter
  readonly log: LogFound
  /** For a calendar: the start of the period that it was, by the clock of whoever asked. Milliseconds since the epoch. */
  readonly from?: number | undefined
}

export type Found = GcraFound | FoundLog

/** Whether a bucket lets a cost pass. @param at milliseconds since the epoch, by the store's clock */
export function lets(found: Found, at: number, cost: number): boolean {
  if (!isLog(found)) return found.lead + cost * found.meter.increment <= found.meter.tolerance
  return usedOf(found.meter, found.log, timeOf(found, at)) + cost <= found.meter.quota
}

/**
 * What a check comes to: of all policies or of none is the cost charged. Every store answers by this, so that all say the same.
 * @param at milliseconds since the epoch, by the store's clock
 */
export function verdictOf(found: readonly Found[], at: number, cost: number, degraded = false): RateLimitVerdict {
  const allowed = found.every((bucket) => lets(bucket, at, cost))
  const charged = allowed ? cost : 0
  return { allowed, at, results: found.map((bucket) => resultOf(bucket, at, cost, charged)), degraded }
}

/** A bucket of which nothing is known. */
export function untouched(policy: ScopedPolicy, meter: Meter): Found {
  if (meter.kind === 'gcra') return { policy, meter, lead: 0 }
  return { policy, meter, log: { last: 0, units: 0, faded: 0, freed: 0 } }
}

/** The start of the entry that a reservation was charged to, as its verdict tells. Milliseconds since the epoch. */
export function reservedStart({ calendar, life }: LogMeter, { resetAt }: RateLimitResult): number {
  return calendar === undefined ? resetAt - life : calendar.at(resetAt - 1).from
}

/** What one bucket says. @param charged what was charged of the cost: all or nothing */
export function resultOf(found: Found, at: number, cost: number, charged: number): RateLimitResult {
  if (isLog(found)) return logResult(found, at, cost, charged)
  const { policy, meter, lead } = found
  const { scale, increment, tolerance } = meter
  const after = lead + charged * increment
  const wait = after + cost * increment - tolerance
  return {
    policy: policy.name,
    allowed: lets(found, at, cost),
    remaining: Math.max(0, Math.floor((tolerance - after) / increment)),
    retryAt: cost > policy.burst ? Number.POSITIVE_INFINITY : Math.ceil(at) + Math.max(0, ceilToMs(wait, scale)),
    resetAt: Math.ceil(at) + ceilToMs(after, scale),
  }
}

function logResult(found: FoundLog, at: number, cost: number, charged: number): RateLimitResult {
  const { policy, meter } = found
  const time = timeOf(found, at)
  const after = charged === 0 ? found.log : chargedLog(found, time, charged)
  const used = usedOf(meter, after, time)
  return {
    policy: policy.name,
    allowed: lets(found, at, cost),
    remaining: Math.max(0, Math.floor(meter.quota - used)),
    retryAt: cost > meter.quota ? Number.POSITIVE_INFINITY : used + cost <= meter.quota ? at : passesAt(meter, after, time, cost),
    resetAt: after.units + after.faded === 0 ? at : endOf(meter, after.last),
  }
}

function chargedLog({ meter, log, from }: FoundLog, time: number, units: number): LogFound {
  return { ...log, last: startAt(meter, log.last, time, from), units: log.units + units }
}

function startAt(meter: LogMeter, last: number, time: number, from: number | undefined): number {
  if (from !== undefined) return Math.max(from, last)
  return last > 0 && time - last < meter.grain ? last : time - (time % meter.align)
}

/** When an entry has gone. */
function endOf({ calendar, life }: LogMeter, start: number): number {
  return calendar === undefined ? start + life : calendar.at(start).until
}

/** When a cost passes that does not pass now, and is not more than the quota. */
function passesAt(meter: LogMeter, log: LogFound, time: number, cost: number): number {
  if (meter.fades) return fadesAt(meter, log, time, cost)
  return endOf(meter, log.freed > 0 ? log.freed : log.last)
}

function fadesAt({ quota, window }: LogMeter, { last, units, faded }: LogFound, time: number, cost: number): number {
  // In this window, while what fades is the window before; or in the next, where what fades is this one.
  const here = units + cost <= quota
  const [fading, kept] = here ? [faded, units] : [units, 0]
  const gone = (units > 0 ? last : time - (time % window)) + (here ? window : 2 * window)
  const passes = (at: number): boolean => kept + (fading * (gone - at)) / window + cost <= quota
  const first = here ? time : gone - window
  let at = Math.max(first, Math.ceil(gone - ((quota - cost - kept) * window) / fading))
  // The quotient is rounded; what is asked of it is not.
  while (at > first && passes(at - 1)) at -= 1
  while (!passes(at)) at += 1
  return at
}

/** A clock that went back stands still for a bucket that has seen a later time. */
function timeOf({ log }: FoundLog, at: number): number {
  return Math.max(at, log.last)
}

function isLog(found: Found): found is FoundLog {
  return found.meter.kind === 'log'
}

/** The key of a policy. @throws RateLimitError `rate_limit.key_missing` */
export function keyOf(keys: readonly string[], i: number): string {
  const key = keys[i]
  if (key === undefined) throw new RateLimitError('rate_limit.key_missing', 'a check needs one key for each policy')
  return key
}
