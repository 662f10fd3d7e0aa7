/*
 * Thomas Mueller Graf and Daniel Lemire, "Binary Fuse Filters: Fast and Smaller Than Xor Filters", ACM Journal of Experimental
 * Algorithmics 27 (2022): three positions to a key, fingerprints of eight bits, some nine bits to a key, wrong for one stranger in 256.
 */

/** A filter as it is kept. */
export interface BinaryFuse {
  /** Two words of 32 bits. */
  readonly seed: readonly [number, number]
  /** A power of two. */
  readonly segmentLength: number
  /** How many positions a key's first one is drawn from. */
  readonly segmentCountLength: number
  readonly fingerprints: Uint8Array
}

/** The longest segment: three of them stay in a processor's cache. */
const longestSegment = 262_144
/** Each attempt fails for some seeds; so many in a row never do, unless a key is there twice. */
const mostAttempts = 100

/** Where a key belongs, for one seed and size. Reused, so that building makes no garbage. */
class Positions {
  readonly at: Uint32Array = new Uint32Array(3)
  fingerprint = 0
  readonly #seed: readonly [number, number]
  readonly #mask: number
  readonly #segmentLength: number
  readonly #segmentCountLength: number

  constructor(filter: Omit<BinaryFuse, 'fingerprints'>) {
    this.#seed = filter.seed
    this.#mask = filter.segmentLength - 1
    this.#segmentLength = filter.segmentLength
    this.#segmentCountLength = filter.segmentCountLength
  }

  /** Sets the positions and the fingerprint of a key of 64 bits. */
  set(high: number, low: number): void {
    const [seedHigh, seedLow] = this.#seed
    const sum = low + seedLow
    let lo = sum >>> 0
    let hi = (high + seedHigh + (sum > 0xffffffff ? 1 : 0)) >>> 0
    // The finaliser of MurmurHash3 (Austin Appleby): h ^= h >>> 33, times a constant, twice, and once more without.
    lo = (lo ^ (hi >>> 1)) >>> 0
    ;[hi, lo] = [timesHigh(hi, lo, 0xff51afd7, 0xed558ccd), timesLow(lo, 0xed558ccd)]
    lo = (lo ^ (hi >>> 1)) >>> 0
    ;[hi, lo] = [timesHigh(hi, lo, 0xc4ceb9fe, 0x1a85ec53), timesLow(lo, 0x1a85ec53)]
    lo = (lo ^ (hi >>> 1)) >>> 0

    // The share of the range that the upper half is of 2^32: exact enough, and the same on every machine.
    const first = Math.floor((hi / 2 ** 32) * this.#segmentCountLength)
    this.at[0] = first
    this.at[1] = (first + this.#segmentLength) ^ (((hi << 14) | (lo >>> 18)) & this.#mask)
    this.at[2] = (first + 2 * this.#segmentLength) ^ (lo & this.#mask)
    this.fingerprint = (hi ^ lo) & 0xff
  }
}

/** Whether a key is in a filter: never wrong when it is, once in 256 times when it is not. */
export function fuseContains(filter: BinaryFuse, high: number, low: number): boolean {
  const positions = new Positions(filter)
  positions.set(high, low)
  const [a = 0, b = 0, c = 0] = positions.at
  const { fingerprints } = filter
  return positions.fingerprint === ((fingerprints[a] ?? 0) ^ (fingerprints[b] ?? 0) ^ (fingerprints[c] ?? 0))
}

/**
 * Builds a filter, in some 35 bytes of memory for each key.
 * @param words each key as two words, the lower one first; no key twice
 * @param seeds where seeds come from: any will do
 * @returns `undefined` when no seed worked: a key is there twice
 */
export function buildFuse(words: Uint32Array, seeds: () => number): BinaryFuse | undefined {
  const shape = shapeFor(words.length / 2)
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const filter = { ...shape, seed: [seeds() >>> 0, seeds() >>> 0] as const }
    const fingerprints = peel(words, filter)
    if (fingerprints !== undefined) return { ...filter, fingerprints }
  }
  return undefined
}

/** The number of positions. */
export function arrayLength({ segmentLength, segmentCountLength }: Omit<BinaryFuse, 'fingerprints' | 'seed'>): number {
  return segmentCountLength + 2 * segmentLength
}

/** Sizes as the paper's authors chose them. */
function shapeFor(size: number): Pick<BinaryFuse, 'segmentLength' | 'segmentCountLength'> {
  const exponent = Math.floor(Math.log(Math.max(size, 2)) / Math.log(3.33) + 2.25)
  const segmentLength = Math.min(2 ** exponent, longestSegment)
  const factor = size <= 1 ? 1.125 : Math.max(1.125, 0.875 + (0.25 * Math.log(1_000_000)) / Math.log(size))
  const segments = Math.max(1, Math.ceil(Math.round(size * factor) / segmentLength) - 2)
  return { segmentLength, segmentCountLength: segments * segmentLength }
}

/** Takes away, one after the other, keys that have a position to themselves; in reverse that order gives each its fingerprint. */
function peel(words: Uint32Array, filter: Omit<BinaryFuse, 'fingerprints'>): Uint8Array | undefined {
  const size = words.length / 2
  const length = arrayLength(filter)
  const positions = new Positions(filter)
  // For each position: how many keys (times four, and the exclusive or of which of their three positions it is), and which (numbers).
  const counts = new Uint8Array(length)
  const owners = new Uint32Array(length)
  for (let key = 0; key < size; key++) {
    positions.set(words[2 * key + 1] ?? 0, words[2 * key] ?? 0)
    for (let which = 0; which < 3; which++) {
      const at = positions.at[which] ?? 0
      const count = ((counts[at] ?? 0) + 4) ^ which
      // Sixty-four keys in one place: this seed will not do.
      if (count > 0xff) return undefined
      counts[at] = count
      owners[at] = (owners[at] ?? 0) ^ key
    }
  }

  const alone: number[] = []
  for (let at = 0; at < length; at++) if ((counts[at] ?? 0) >>> 2 === 1) alone.push(at)
  const order = new Uint32Array(size)
  const places = new Uint8Array(size)
  let taken = 0
  for (let at = alone.pop(); at !== undefined; at = alone.pop()) {
    const count = counts[at] ?? 0
    if (count >>> 2 !== 1) continue
    const key = owners[at] ?? 0
    order[taken] = key
    places[taken] = count & 3
    taken += 1
    positions.set(words[2 * key + 1] ?? 0, words[2 * key] ?? 0)
    for (let which = 0; which < 3; which++) {
      const place = positions.at[which] ?? 0
      const left = ((counts[place] ?? 0) - 4) ^ which
      counts[place] = left
      owners[place] = (owners[place] ?? 0) ^ key
      if (left >>> 2 === 1) alone.push(place)
    }
  }
  return taken === size ? assign(words, positions, order, places, length) : undefined
}

function assign(words: Uint32Array, positions: Positions, order: Uint32Array, places: Uint8Array, length: number): Uint8Array {
  const fingerprints = new Uint8Array(length)
  for (let i = order.length - 1; i >= 0; i--) {
    const key = order[i] ?? 0
    positions.set(words[2 * key + 1] ?? 0, words[2 * key] ?? 0)
    const at = positions.at[places[i] ?? 0] ?? 0
    // What is there already is 0: no key that was taken later has this position.
    let fingerprint = positions.fingerprint
    for (const place of positions.at) fingerprint ^= fingerprints[place] ?? 0
    fingerprints[at] = fingerprint
  }
  return fingerprints
}

/** The lower 32 bits of a product. */
function timesLow(a: number, b: number): number {
  return Math.imul(a, b) >>> 0
}

/** Bits 32 to 63 of the product of two 64-bit numbers, in halves of which none leaves 2^53. */
function timesHigh(aHigh: number, aLow: number, bHigh: number, bLow: number): number {
  const a0 = aLow & 0xffff
  const a1 = aLow >>> 16
  const b0 = bLow & 0xffff
  const b1 = bLow >>> 16
  const middle = a1 * b0 + Math.floor((a0 * b0) / 65_536)
  const carried = a0 * b1 + (middle % 65_536)
  const high = a1 * b1 + Math.floor(middle / 65_536) + Math.floor(carried / 65_536)
  return (high + Math.imul(aHigh, bLow) + Math.imul(aLow, bHigh)) >>> 0
}
