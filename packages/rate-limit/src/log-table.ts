import { KeyIndex, NONE, OVERFLOW, type Slots } from './key-index.ts'
import type { LogMeter } from './meter.ts'
import type { ScopedPolicy } from './policy.ts'
import type { RateLimitResult } from './store.ts'
import type { Bucket, Table } from './table.ts'
import { reservedStart } from './verdict.ts'
import { charge, type Entry, giveBack, type LogMoment, liveLog, logFound } from './window-log.ts'

/** Entries for each key that the table may have, on average. */
const ENTRIES_A_KEY = 4

/**
 * The buckets of one policy by windows in this process: a log a slot. Entries are bounded as keys are: where a strict limit has too many,
 * a key's newest takes in what is charged, and stays as long as that: too much is refused then, never too little.
 */
export class LogTable implements Table, Slots {
  readonly policy: ScopedPolicy
  readonly #meter: LogMeter
  readonly #origin: number
  readonly #mostEntries: number
  readonly #index: KeyIndex
  readonly #logs: (readonly Entry[])[] = []
  readonly #nextFree: number[] = []
  #overflow: readonly Entry[] = []
  #entries = 0

  /** @param origin of the store's time: milliseconds since the epoch */
  constructor(policy: ScopedPolicy, meter: LogMeter, maxKeys: number, origin: number) {
    this.policy = policy
    this.#meter = meter
    this.#origin = origin
    this.#mostEntries = ENTRIES_A_KEY * maxKeys
    this.#index = new KeyIndex(maxKeys, this)
  }

  get size(): number {
    return this.#index.size
  }

  look(key: string, now: number): Bucket {
    const { policy } = this
    const meter = this.#meter
    const moment = this.#moment(now)
    const slot = this.#index.locate(key, now)
    const live = liveLog(meter, this.#read(slot), moment)
    return {
      found: (cost, charged) => ({ policy, meter, log: logFound(meter, live, cost, charged), from: moment.period?.from }),
      overflow: slot === OVERFLOW,
      charge: (units) => this.#write(key, slot, this.#bounded(charge(live, units), live.entries.length)),
      giveBack: (units, from) => {
        if (slot !== NONE) this.#write(key, slot, giveBack(live, units, from))
      },
    }
  }

  startOf(reserved: RateLimitResult): number {
    return reservedStart(this.#meter, reserved)
  }

  #moment(now: number): LogMoment {
    const at = this.#origin + now
    return { now: at, period: this.#meter.calendar?.at(at) }
  }

  isOver(slot: number, now: number): boolean {
    const last = this.#logs[slot]?.at(-1)
    if (last === undefined) return true
    const { now: at, period } = this.#moment(now)
    return period === undefined ? last.start + this.#meter.life <= at : last.start < period.from
  }

  free(slot: number, next: number): void {
    this.#put(slot, [])
    this.#nextFree[slot] = next
  }

  nextFree(slot: number): number {
    return this.#nextFree[slot] ?? NONE
  }

  #bounded(log: readonly Entry[], before: number): readonly Entry[] {
    if (log.length <= before || this.#entries < this.#mostEntries || log.length < 2) return log
    const [last, added] = log.slice(-2)
    if (last === undefined || added === undefined || this.#meter.grain !== 1) return log
    return [...log.slice(0, -2), { start: added.start, units: last.units + added.units }]
  }

  #read(slot: number): readonly Entry[] {
    if (slot >= 0) return this.#logs[slot] ?? []
    return slot === OVERFLOW ? this.#overflow : []
  }

  #write(key: string, slot: number, log: readonly Entry[]): void {
    if (slot === OVERFLOW) this.#overflow = log
    else this.#put(slot === NONE ? this.#index.add(key) : slot, log)
  }

  #put(slot: number, log: readonly Entry[]): void {
    this.#entries += log.length - (this.#logs[slot]?.length ?? 0)
    this.#logs[slot] = log
  }
}
