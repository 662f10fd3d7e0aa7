/** A set of permissions: permission `n` is bit `n & 31` of word `n >>> 5`. */
export type Bits = Uint32Array

/** The place of one permission in a set. */
export interface Bit {
  /** Which word. */
  readonly word: number
  /** One bit of that word. */
  readonly mask: number
}

/** An empty set with room for `size` permissions. */
export function noBits(size: number): Bits {
  return new Uint32Array((size + 31) >>> 5)
}

/** Where permission number `index` is. */
export function bitAt(index: number): Bit {
  return { word: index >>> 5, mask: 1 << (index & 31) }
}

export function hasBit(set: Bits, bit: Bit): boolean {
  return ((set[bit.word] ?? 0) & bit.mask) !== 0
}

export function addBit(set: Bits, bit: Bit): void {
  set[bit.word] = (set[bit.word] ?? 0) | bit.mask
}

/** Adds all of `from` to `set`. */
export function addBits(set: Bits, from: Bits): void {
  for (let word = 0; word < set.length; word++) set[word] = (set[word] ?? 0) | (from[word] ?? 0)
}

/** Takes all of `from` out of `set`. */
export function removeBits(set: Bits, from: Bits): void {
  for (let word = 0; word < set.length; word++) set[word] = (set[word] ?? 0) & ~(from[word] ?? 0)
}

/** Leaves in `set` only what is also in `other`. */
export function keepBits(set: Bits, other: Bits): void {
  for (let word = 0; word < set.length; word++) set[word] = (set[word] ?? 0) & (other[word] ?? 0)
}
