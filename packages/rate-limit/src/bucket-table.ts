import { KeyIndex, NONE, OVERFLOW, type Slots } from './key-index.ts'
import type { GcraMeter } from './meter.ts'
import type { ScopedPolicy } from './policy.ts'
import type { Bucket, Table } from './table.ts'

/** The buckets of one GCRA policy in this process: a number a slot. Times are ticks since the store's origin. */
export class BucketTable implements Table, Slots {
  readonly policy: ScopedPolicy
  readonly meter: GcraMeter
  readonly #maxKeys: number
  readonly #index: KeyIndex
  #overflow = 0
  #arrivals = new Float64Array(64)

  constructor(policy: ScopedPolicy, meter: GcraMeter, maxKeys: number) {
    this.policy = policy
    this.meter = meter
    this.#maxKeys = maxKeys
    this.#index = new KeyIndex(maxKeys, this)
  }

  get size(): number {
    return this.#index.size
  }

  look(key: string, now: number): Bucket {
    const { policy, meter } = this
    const ticks = now * meter.scale
    const slot = this.locate(key, ticks)
    const lead = Math.max(0, this.arrival(slot) - ticks)
    const write = (after: number): void => this.write(key, slot, ticks + after)
    return {
      found: () => ({ policy, meter, lead }),
      overflow: slot === OVERFLOW,
      charge: (units) => write(lead + units * meter.increment),
      giveBack: (units) => {
        // Where nothing is known of the key, everything has come back already.
        if (slot !== NONE) write(lead - units * meter.increment)
      },
    }
  }

  startOf(): undefined {
    return undefined
  }

  /** The key's slot, for {@link arrival} and {@link write}. */
  locate(key: string, nowTicks: number): number {
    return this.#index.locate(key, nowTicks)
  }

  /** The theoretical arrival time of a slot: ticks. Long past where there is none. */
  arrival(slot: number): number {
    if (slot >= 0) return this.#arrivals[slot] ?? 0
    return slot === OVERFLOW ? this.#overflow : 0
  }

  /** Keeps a key's arrival time, in the slot where {@link locate} said just now. */
  write(key: string, slot: number, ticks: number): void {
    if (slot === OVERFLOW) {
      this.#overflow = ticks
      return
    }
    const own = slot === NONE ? this.#index.add(key) : slot
    if (own >= this.#arrivals.length) this.#grow(own)
    this.#arrivals[own] = ticks
  }

  isOver(slot: number, ticks: number): boolean {
    return this.arrival(slot) <= ticks
  }

  free(slot: number, next: number): void {
    this.#arrivals[slot] = next
  }

  nextFree(slot: number): number {
    return this.#arrivals[slot] ?? NONE
  }

  #grow(slot: number): void {
    const larger = new Float64Array(Math.min(this.#maxKeys, Math.ceil(slot * 1.25) + 1))
    larger.set(this.#arrivals)
    this.#arrivals = larger
  }
}
