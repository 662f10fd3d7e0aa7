import { hash } from 'node:crypto'
import { type Gcra, gcra } from './gcra.ts'
import type { ScopedPolicy } from './policy.ts'

/** Slots looked at for a new key: while there is room, and when there is none. */
const SWEEP = 4
const SWEEP_WHEN_FULL = 256

/** No slot: nothing is known of the key. */
const NONE = -1

/** The slot of all keys that came when the table was full of live ones. */
export const OVERFLOW = -2

/** Keys longer than this are kept as their digest, so that an entry's size has a bound. */
const LONGEST_KEY = 64

/**
 * The buckets of one policy in this process: an index from key to slot, and a number a slot. A bucket whose time has passed is as
 * good as none, so it is dropped as new keys come in, a few at a time: no timers, and no pause to sweep.
 */
export class BucketTable {
  readonly policy: ScopedPolicy
  readonly gcra: Gcra
  readonly #maxKeys: number
  #overflow = 0
  readonly #slots = new Map<string, number>()
  #arrivals = new Float64Array(64)
  #used = 0
  /** The first of the freed slots; each holds the next. */
  #free = NONE
  #hand: MapIterator<[string, number]> | undefined

  constructor(policy: ScopedPolicy, maxKeys: number) {
    this.policy = policy
    this.gcra = gcra(policy)
    this.#maxKeys = maxKeys
  }

  get size(): number {
    return this.#slots.size
  }

  /** The key's slot; {@link NONE} for a new key that can have one, {@link OVERFLOW} for one that can't. */
  locate(key: string, nowTicks: number): number {
    return this.#slots.get(key.length > LONGEST_KEY ? digest(key) : key) ?? (this.#makeRoom(nowTicks) ? NONE : OVERFLOW)
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
    // Before the array is looked at: a new key may have it replaced by a larger one.
    const own = slot === NONE ? this.#add(key) : slot
    this.#arrivals[own] = ticks
  }

  #makeRoom(nowTicks: number): boolean {
    const full = this.#slots.size >= this.#maxKeys
    this.#sweep(full ? SWEEP_WHEN_FULL : SWEEP, nowTicks)
    return this.#slots.size < this.#maxKeys
  }

  #add(key: string): number {
    const slot = this.#takeSlot()
    this.#slots.set(key.length > LONGEST_KEY ? digest(key) : compact(key), slot)
    return slot
  }

  #takeSlot(): number {
    const free = this.#free
    if (free !== NONE) {
      // A number that was read from floating point stays one, and would cost an object a key in the index.
      this.#free = (this.#arrivals[free] ?? NONE) | 0
      return free | 0
    }
    if (this.#used === this.#arrivals.length) {
      const larger = new Float64Array(Math.min(this.#maxKeys, Math.ceil(this.#used * 1.25)))
      larger.set(this.#arrivals)
      this.#arrivals = larger
    }
    return this.#used++ | 0
  }

  #sweep(steps: number, nowTicks: number): void {
    for (let step = 0; step < steps; step++) {
      this.#hand ??= this.#slots.entries()
      const next = this.#hand.next()
      if (next.done === true) {
        this.#hand = undefined
        return
      }
      const [key, slot] = next.value
      if (this.arrival(slot) > nowTicks) continue
      this.#slots.delete(key)
      this.#arrivals[slot] = this.#free
      this.#free = slot
    }
  }
}

/** A copy that holds on to nothing else: a piece cut from a header would keep the whole header alive. */
function compact(key: string): string {
  const copy = Buffer.from(key, 'latin1').toString('latin1')
  return copy === key ? copy : Buffer.from(key, 'utf16le').toString('utf16le')
}

// 65 characters: no key that is kept as it is can be made to equal a digest.
function digest(key: string): string {
  return `#${hash('sha256', Buffer.from(key, 'utf16le'), 'hex')}`
}
