import { codePoints, foldSubstitutions } from './folding.ts'

/** Shorter words are in too many pass phrases by chance. */
const shortestWord = 3
/** Bounds what a person with a long name can make us do. */
const mostWords = 64

/** The parts of names and e-mail addresses, each once: words that a guesser would try for this person at this service. */
export function wordsIn(texts: readonly string[]): readonly string[] {
  const words = new Set<string>()
  for (const text of texts.slice(0, mostWords)) {
    for (const part of text.slice(0, 256).split(/[^\p{L}\p{N}]+/u)) {
      if (words.size < mostWords && codePoints(part) >= shortestWord) words.add(part)
    }
  }
  return [...words]
}

/** The same, folded; the longest first, so that nothing of `lovelace` is left when `love` is a word too. */
export function contextWords(texts: readonly string[]): readonly string[] {
  return [...new Set(wordsIn(texts).map(foldSubstitutions))].sort((a, b) => b.length - a.length)
}

/**
 * How many code points of a password are left when the words are taken out. A name in a pass phrase does no harm; a password that is
 * long enough only through what everybody knows of its owner is not long enough (ASVS 6.2.11).
 */
export function lengthWithout(password: string, words: readonly string[]): number {
  let rest = foldSubstitutions(password)
  for (const word of words) rest = rest.replaceAll(word, '')
  return codePoints(rest)
}
