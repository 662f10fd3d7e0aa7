/**
 * Remembers what a function made of at least the last `most` different words, and at most twice as many: when one half is full, the
 * other is dropped. Words that are longer than 64 are not kept.
 */
export function remembering(most: number, make: (word: string) => string): (word: string) => string {
  let young = new Map<string, Made>()
  let old = new Map<string, Made>()
  return (word) => {
    const known = young.get(word)
    if (known !== undefined) return known.made
    let found = old.get(word)
    if (found === undefined) {
      const made = make(word)
      if (word.length > 64) return made
      // A copy: a piece cut from a header would keep the whole header alive.
      found = { word: Buffer.from(word, 'utf16le').toString('utf16le'), made }
    }
    if (young.size >= most) {
      old = young
      young = new Map()
    }
    young.set(found.word, found)
    return found.made
  }
}

interface Made {
  readonly word: string
  readonly made: string
}
