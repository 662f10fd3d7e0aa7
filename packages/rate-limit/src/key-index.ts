import { LONGEST_KEY, shortKey } from './short-key.ts'

/** Slots looked at for a new key: while there is room, and when there is none. */
const SWEEP = 4
const SWEEP_WHEN_FULL = 256

/** No slot: nothing is known of the key. */
export const NONE = -1

/** The slot of all keys that came when the table was full of live ones. */
export const OVERFLOW = -2

/** What a slot of a {@link KeyIndex} holds, kept by whoever has the index. */
export interface Slots {
  /** Whether a slot holds nothing any more. */
  isOver(slot: number, time: number): boolean
  /** A slot is free, or freed. @param next the free slot after it */
  free(slot: number, next: number): void
  /** Of a free slot: the one after it. */
  nextFree(slot: number): number
}

/**
 * From key to slot, bounded. A bucket whose time has passed is as good as none, so it is dropped as new keys come in, a few at a time: no
 * timers, and no pause to sweep.
 */
export class KeyIndex {
  readonly #maxKeys: number
  readonly #slots = new Map<string, number>()
  readonly #held: Slots
  #used = 0
  /** The first of the freed slots; each holds the next. */
  #free = NONE
  #hand: MapIterator<[string, number]> | undefined

  constructor(maxKeys: number, held: Slots) {
    this.#maxKeys = maxKeys
    this.#held = held
  }

  get size(): number {
    return this.#slots.size
  }

  /** The key's slot; {@link NONE} for a new key that can have one, {@link OVERFLOW} for one that can't. */
  locate(key: string, time: number): number {
    return this.#slots.get(shortKey(key)) ?? (this.#makeRoom(time) ? NONE : OVERFLOW)
  }

  /** A slot for a key that has none. */
  add(key: string): number {
    const slot = this.#takeSlot()
    this.#slots.set(key.length > LONGEST_KEY ? shortKey(key) : compact(key), slot)
    return slot
  }

  #takeSlot(): number {
    const free = this.#free
    if (free === NONE) return this.#used++ | 0
    // A number that was read from floating point stays one, and would cost an object a key in the index.
    this.#free = this.#held.nextFree(free) | 0
    return free | 0
  }

  #makeRoom(time: number): boolean {
    const full = this.#slots.size >= this.#maxKeys
    this.#sweep(full ? SWEEP_WHEN_FULL : SWEEP, time)
    return this.#slots.size < this.#maxKeys
  }

  #sweep(steps: number, time: number): void {
    for (let step = 0; step < steps; step++) {
      this.#hand ??= this.#slots.entries()
      const next = this.#hand.next()
      if (next.done === true) {
        this.#hand = undefined
        return
      }
      const [key, slot] = next.value
      if (!this.#held.isOver(slot, time)) continue
      this.#slots.delete(key)
      this.#held.free(slot, this.#free)
      this.#free = slot
    }
  }
}

/** A copy that holds on to nothing else: a piece cut from a header would keep the whole header alive. */
function compact(key: string): string {
  const copy = Buffer.from(key, 'latin1').toString('latin1')
  return copy === key ? copy : Buffer.from(key, 'utf16le').toString('utf16le')
}
