/** Different IPv4 addresses, each a string of its own, as a socket gives it. */
export function addresses(count: number): readonly string[] {
  return Array.from({ length: count }, (_, n) => fresh(`10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`))
}

/**
 * Keys in random order, one for each request, and never the same string object that is kept: a server gets each address anew. As many
 * as the next power of two, and enough that no order is learnt.
 */
export function requestsFrom(keys: readonly string[]): readonly string[] {
  const random = mulberry32(1)
  return Array.from({ length: 2 ** 18 }, () => fresh(keys[Math.floor(random() * keys.length)] ?? ''))
}

/** A flat string that shares nothing with another. */
function fresh(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

// The same order in every run; nothing here is a secret.
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
