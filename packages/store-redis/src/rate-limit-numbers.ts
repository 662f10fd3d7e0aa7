import { type Clock, systemClock } from '@portcullis/core'
import { type Found, type Meter, meterOf, type ScopedPolicy } from '@portcullis/rate-limit/store'

/** The numbers of a check's buckets, made ready for the script: the same object as long as they are the same. */
export interface Numbers {
  readonly count: number
  /** A list for each bucket, without what would be around them. */
  readonly json: string
  /** How many numbers the script answers. */
  readonly places: number
  readonly logs: boolean
  /** Where that is one bucket by GCRA. Its tolerance and its scale are arguments of their own. */
  readonly single: { readonly scale: string; readonly increment: number; readonly tolerance: string } | undefined
  /** Of a calendar's bucket: the beginning of its period, by this process's clock. Milliseconds since the epoch. */
  readonly periods: readonly (number | undefined)[]
}

/** A bucket of GCRA answers one number, a log four. */
const LOG_PLACES = 4

/** The policies of one check. */
export class Metered {
  readonly policies: readonly ScopedPolicy[]
  readonly meters: readonly Meter[]
  readonly #clock: Clock
  readonly #hasCalendar: boolean
  #numbers: Numbers

  /** @param clock by which periods of a calendar begin and end; no store knows time zones */
  constructor(policies: readonly ScopedPolicy[], clock: Clock = systemClock) {
    this.policies = policies
    this.meters = policies.map(meterOf)
    this.#clock = clock
    this.#hasCalendar = this.meters.some((meter) => meter.kind === 'log' && meter.calendar !== undefined)
    this.#numbers = numbersOf(this.meters, clock)
  }

  /** As of now. */
  get numbers(): Numbers {
    if (!this.#hasCalendar) return this.#numbers
    const now = this.#clock.now()
    const known = this.#numbers.periods
    if (this.meters.some((meter, n) => periodOf(meter, now)?.from !== known[n]))
      this.#numbers = numbersOf(this.meters, this.#clock)
    return this.#numbers
  }

  /** What the script found, from a place of its answer on; `undefined` where that are no numbers. */
  found(numbers: Numbers, answer: readonly unknown[], place: number): readonly Found[] | undefined {
    const found: Found[] = []
    let at = place
    for (const [n, policy] of this.policies.entries()) {
      const meter = this.meters[n]
      const first = Number(answer[at])
      if (meter === undefined || !Number.isFinite(first)) return undefined
      if (meter.kind === 'gcra') {
        found.push({ policy, meter, lead: first })
        at += 1
        continue
      }
      const log = { last: first, units: Number(answer[at + 1]), faded: Number(answer[at + 2]), freed: Number(answer[at + 3]) }
      if (!(Number.isFinite(log.units) && Number.isFinite(log.faded) && Number.isFinite(log.freed))) return undefined
      found.push({ policy, meter, log, from: numbers.periods[n] })
      at += LOG_PLACES
    }
    return found
  }
}

function numbersOf(meters: readonly Meter[], clock: Clock): Numbers {
  const now = clock.now()
  const json = meters.map((meter) => JSON.stringify(listOf(meter, now))).join()
  const logs = meters.filter(({ kind }) => kind === 'log').length
  const places = meters.length + (LOG_PLACES - 1) * logs
  const periods = meters.map((meter) => periodOf(meter, now)?.from)
  return { count: meters.length, json, places, logs: logs > 0, single: singleOf(meters), periods }
}

function singleOf([only, ...others]: readonly Meter[]): Numbers['single'] {
  if (only?.kind !== 'gcra' || others.length > 0) return undefined
  return { scale: String(only.scale), increment: only.increment, tolerance: String(only.tolerance) }
}

/** As the script has it. */
function listOf(meter: Meter, now: number): readonly number[] {
  if (meter.kind === 'gcra') return [0, meter.scale, meter.increment, meter.tolerance]
  const period = periodOf(meter, now)
  if (period !== undefined) return [3, meter.quota, period.from, period.until]
  return [meter.fades ? 2 : 1, meter.quota, meter.window, meter.grain, meter.align, meter.life]
}

function periodOf(meter: Meter, now: number): { readonly from: number; readonly until: number } | undefined {
  return meter.kind === 'log' ? meter.calendar?.at(now) : undefined
}
