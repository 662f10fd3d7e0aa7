/**
 * Remembers what a function made of at least the last `most` different words, and at most twice as many: when one half is full, the
 * other is dropped. Words that are longer than 64 are not kept.
 */
export function remembering(most: number, make: (word: string) => string): (word: string) => string {
  let young = new Map<string, string>()
  let old = new Map<string, string>()
  return (word) => {
    const known = young.get(word)
    if (known !== undefined) return known
    const made = old.get(word) ?? make(word)
    if (word.length > 64) return made
    if (young.size >= most) {
      old = young
      young = new Map()
    }
    // A copy: a piece cut from a header would keep the whole header alive.
    young.set(Buffer.from(word, 'utf16le').toString('utf16le'), made)
    return made
  }
}
