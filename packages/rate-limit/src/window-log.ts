import type { Period } from './calendar.ts'
import type { LogMeter } from './meter.ts'

/** One entry of a log. */
export interface Entry {
  /** Milliseconds since the epoch, whole. */
  readonly start: number
  /** Whole, above 0. */
  readonly units: number
}

/** What a check finds of a log, before it charges. Milliseconds since the epoch, 0 where there is none. */
export interface LogFound {
  /** The start of the newest entry that counts. */
  readonly last: number
  /** Units that count in full. */
  readonly units: number
  /** Units of the entry that fades, in full. */
  readonly faded: number
  /** Of a strict limit that would not let the same cost pass a second time: the start of the entry with which enough has left. */
  readonly freed: number
}

/** When a log is looked at. */
export interface LogMoment {
  /** Milliseconds since the epoch, whole. */
  readonly now: number
  /** For a calendar: the period that it is, by the clock of whoever asks. */
  readonly period?: Period | undefined
}

/** A log as of a moment: what no longer counts is gone, and a clock that went back stands still. */
export interface LiveLog {
  readonly entries: readonly Entry[]
  /** Milliseconds since the epoch. */
  readonly time: number
  /** Where a charge goes. */
  readonly start: number
}

/** The model of a log, which every store agrees with, step by step. */
export function liveLog(meter: LogMeter, entries: readonly Entry[], { now, period }: LogMoment): LiveLog {
  const newest = entries.at(-1)?.start ?? 0
  const time = Math.max(now, newest)
  if (period !== undefined) {
    // Whoever is behind counts in the period that another has begun.
    const start = Math.max(period.from, newest)
    return { entries: entries.filter((entry) => entry.start >= start), time, start }
  }
  const live = entries.filter(({ start }) => start + meter.life > time)
  const last = live.at(-1)
  const start = last !== undefined && time - last.start < meter.grain ? last.start : time - (time % meter.align)
  return { entries: live, time, start }
}

/** Whether a log lets a cost pass. */
export function logLets(meter: LogMeter, live: LiveLog, cost: number): boolean {
  return usedOf(meter, foundIn(meter, live), live.time) + cost <= meter.quota
}

/** @param time of the log: see {@link LiveLog} */
export function usedOf(meter: LogMeter, { last, units, faded }: Omit<LogFound, 'freed'>, time: number): number {
  if (faded === 0) return units
  // The window that fades is the one before the window of `time`.
  const before = units > 0 ? last - meter.window : last
  return units + (faded * (before + meter.life - time)) / meter.window
}

/** What a check finds. @param charged what is charged to it: the cost, or 0 */
export function logFound(meter: LogMeter, live: LiveLog, cost: number, charged: number): LogFound {
  const found = foundIn(meter, live)
  if (meter.grain !== 1 || cost > meter.quota) return { ...found, freed: 0 }
  const after = charged === 0 ? live.entries : charge(live, charged)
  let need = found.units + charged + cost - meter.quota
  if (need <= 0) return { ...found, freed: 0 }
  for (const { start, units } of after) {
    need -= units
    if (need <= 0) return { ...found, freed: start }
  }
  return { ...found, freed: 0 }
}

/** The entries after a charge, which is not asked whether it may be. */
export function charge({ entries, start }: LiveLog, units: number): readonly Entry[] {
  const last = entries.at(-1)
  if (last?.start === start) return [...entries.slice(0, -1), { start, units: last.units + units }]
  return [...entries, { start, units }]
}

/** The entries after something was given back. @param from the entry that it was charged to; `undefined`: the newest ones */
export function giveBack({ entries }: LiveLog, units: number, from: number | undefined): readonly Entry[] {
  let left = units
  const kept: Entry[] = []
  for (const entry of entries.toReversed()) {
    const taken = from === undefined || entry.start === from ? Math.min(left, entry.units) : 0
    left -= taken
    if (entry.units > taken) kept.unshift({ start: entry.start, units: entry.units - taken })
  }
  return kept
}

function foundIn(meter: LogMeter, { entries, time }: LiveLog): Omit<LogFound, 'freed'> {
  let [units, faded] = [0, 0]
  for (const entry of entries) {
    if (meter.fades && entry.start + meter.window <= time) faded += entry.units
    else units += entry.units
  }
  return { last: entries.at(-1)?.start ?? 0, units, faded }
}
