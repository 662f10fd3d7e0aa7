import { randomBytes } from 'node:crypto'

/** Options of {@link FingerprintTable}. */
export interface FingerprintTableOptions {
  /** How long an entry is kept beyond its number, in seconds. */
  readonly keptFor: number
}

const SMALLEST = 64

/**
 * Ids, and a number of seconds with each, in three typed arrays: two 32-bit fingerprints and the number, so 12 bytes a slot. Between
 * a quarter and three quarters of the slots are taken: 16 to 48 bytes an entry, and 16 to 32 while nothing expires. Nothing is
 * allocated before the first entry, and then 768 bytes at least.
 *
 * An id that is not in the table is taken for one that is with a probability of n · 2⁻⁶⁴: 5 · 10⁻¹⁴ with a million entries. Then a
 * good token is refused; a revoked one is never let through, because equal ids have equal fingerprints. The seeds are random for
 * each table, so that colliding ids can't be prepared.
 */
export class FingerprintTable {
  readonly #keptFor: number
  readonly #seedA: number
  readonly #seedB: number
  #first = new Uint32Array(0)
  #second = new Uint32Array(0)
  /** 0: the slot is free. */
  #seconds = new Uint32Array(0)
  #used = 0
  #latest = 0

  constructor({ keptFor }: FingerprintTableOptions) {
    this.#keptFor = keptFor
    const random = randomBytes(8)
    this.#seedA = random.readInt32LE(0)
    this.#seedB = random.readInt32LE(4)
  }

  /** Entries, including those whose time is over and that have not been dropped yet. */
  get size(): number {
    return this.#used
  }

  /** What the arrays take. */
  get bytes(): number {
    return this.#seconds.length * 12
  }

  /**
   * The number that goes with an id, or 0.
   * @param now seconds since the epoch
   */
  get(id: string, now: number): number {
    // Most kinds of revocation are empty most of the time: they must cost nothing.
    if (this.#used === 0) return 0
    if (this.isOver(this.#latest, now)) {
      this.#allocate(0)
      return 0
    }
    const seconds = this.#seconds[this.#slotOf(id, false)] as number
    return this.isOver(seconds, now) ? 0 : seconds
  }

  /**
   * Adds an id, or raises its number: of two revocations of one id, the one that refuses more holds.
   * @param seconds a whole number, 1 or more
   * @param now seconds since the epoch
   * @returns whether anything changed
   */
  raise(id: string, seconds: number, now: number): boolean {
    if (this.isOver(seconds, now)) return false
    if (4 * (this.#used + 1) > 3 * this.#seconds.length) this.compact(now)
    const slot = this.#slotOf(id, true)
    const before = this.#seconds[slot] as number
    if (before >= seconds) return false
    if (before === 0) this.#used += 1
    this.#seconds[slot] = seconds
    this.#latest = Math.max(this.#latest, seconds)
    return true
  }

  /**
   * Drops what is over, and makes room.
   * @param now seconds since the epoch
   */
  compact(now: number): void {
    const [first, second, seconds] = [this.#first, this.#second, this.#seconds]
    let live = 0
    for (const one of seconds) if (!this.isOver(one, now)) live += 1
    this.#allocate(slotsFor(live, seconds.length))
    for (let from = 0; from < seconds.length; from++) {
      const one = seconds[from] as number
      if (this.isOver(one, now)) continue
      this.#seconds[this.#probe(first[from] as number, second[from] as number, true)] = one
      this.#latest = Math.max(this.#latest, one)
    }
    this.#used = live
  }

  #slotOf(id: string, claim: boolean): number {
    let a = this.#seedA
    let b = this.#seedB
    // Two lanes over UTF-16 code units. Each step is a bijection of its lane, and the shifts carry high bits back to low ones.
    for (let i = 0; i < id.length; i++) {
      const unit = id.charCodeAt(i)
      a = Math.imul(a ^ unit, 0x9e3779b1)
      a ^= a >>> 15
      b = Math.imul(b + unit, 0x85ebca6b)
      b ^= b >>> 13
    }
    return this.#probe(mix(a ^ Math.imul(b, 0xc2b2ae35)), mix(b ^ Math.imul(a, 0x27d4eb2f)), claim)
  }

  /** The slot that has these fingerprints, or else the free one where they would go. */
  #probe(first: number, second: number, claim: boolean): number {
    const mask = this.#seconds.length - 1
    let slot = first & mask
    while (this.#seconds[slot] !== 0) {
      if (this.#first[slot] === first && this.#second[slot] === second) return slot
      slot = (slot + 1) & mask
    }
    if (claim) {
      this.#first[slot] = first
      this.#second[slot] = second
    }
    return slot
  }

  /** Whether an entry with this number would not be kept any more; both in seconds since the epoch. */
  isOver(seconds: number, now: number): boolean {
    return seconds === 0 || seconds + this.#keptFor <= now
  }

  #allocate(slots: number): void {
    this.#first = new Uint32Array(slots)
    this.#second = new Uint32Array(slots)
    this.#seconds = new Uint32Array(slots)
    this.#used = 0
    this.#latest = 0
  }
}

function slotsFor(live: number, slots: number): number {
  if (2 * live > slots) return 2 * slots
  // After a wave of revocations its memory is given back.
  let fewer = Math.max(SMALLEST, slots)
  while (fewer > SMALLEST && 4 * live < fewer) fewer /= 2
  return fewer
}

/** MurmurHash3's finalizer. */
function mix(lane: number): number {
  let h = Math.imul(lane ^ (lane >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
