import { ZxcvbnFactory } from '@zxcvbn-ts/core'
import { adjacencyGraphs, dictionary as common } from '@zxcvbn-ts/language-common'
import { dictionary as english } from '@zxcvbn-ts/language-en'

/** How hard a password is to guess. */
export interface Strength {
  /** 0 (at once) to 4 (very hard), as zxcvbn has it. */
  readonly score: 0 | 1 | 2 | 3 | 4
  /** The decimal logarithm of how many guesses it takes. */
  readonly guessesLog10: number
}

/** Options of {@link createStrengthEstimator}. */
export interface StrengthOptions {
  /** Lists of 200 words or more by name, the commonest first: for another language than English. */
  readonly dictionary?: Readonly<Record<string, readonly string[]>>
}

/** Estimates how hard passwords are to guess. */
export interface StrengthEstimator {
  /** @param words what a guesser knows of the owner and the service */
  estimate(password: string, words?: readonly string[]): Strength
}

/**
 * UTF-16 units that are looked at. zxcvbn takes time by more than the square of the length: 256 crafted characters took seconds. The
 * beginning of a password is no harder to guess than all of it, so the rest is never missed by an attacker's luck.
 */
const analysed = 32
/** Ways in which substitutions (`4` for `a`) are undone: each costs one more pass over all dictionaries, and 100 is zxcvbn's default. */
const substitutions = 2
/** Lists shorter than this are of months and colours, whose words the long lists have too: each list is one more look-up for each piece. */
const shortestList = 200
/** Letters of the longest word that is looked up. */
const longestListed = 20
/** Words of the owner, and their longest. */
const mostWords = 32
const longestWord = 32

/**
 * Strength by zxcvbn within a budget: whatever it is given, it does a bounded number of look-ups, some milliseconds of work. Making
 * one takes half a second and some 70 MB: make it at start-up, once.
 */
export function createStrengthEstimator(options: StrengthOptions = {}): StrengthEstimator {
  const { dictionary = english } = options
  const zxcvbn = new ZxcvbnFactory({
    dictionary: worthwhile({ ...common, ...dictionary }),
    graphs: adjacencyGraphs,
    l33tMaxSubstitutions: substitutions,
    maxLength: analysed,
    useLevenshteinDistance: false,
  })
  return {
    estimate(password, words = []) {
      const known = words.slice(0, mostWords).map((word) => word.slice(0, longestWord))
      const { score, guessesLog10 } = zxcvbn.check(password.slice(0, analysed), known)
      return { score, guessesLog10 }
    },
  }
}

function worthwhile(lists: Readonly<Record<string, readonly string[]>>): Record<string, string[]> {
  const long = Object.entries(lists).filter(([, list]) => list.length >= shortestList)
  return Object.fromEntries(long.map(([name, list]) => [name, list.filter((word) => word.length <= longestListed)]))
}
