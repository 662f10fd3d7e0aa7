import type { Argon2Parameters } from './parameters.ts'
import type { Work } from './work.ts'

/** One password in two forms. */
export interface Candidate {
  /** After NFC: what our hashes are made of. */
  readonly normalized: string
  /** As received: what other systems hashed. */
  readonly received: string
}

/** A stored hash that was parsed and is within the ceilings. */
export interface StoredHash {
  /** The native calls that one comparison costs. */
  readonly work: readonly Work[]
  /** Whether a password is the one, at the price of `work`. */
  matches(password: Candidate): Promise<boolean>
  /** Whether a new hash, made with `current`, should take its place. */
  isOutdated(current: Argon2Parameters): boolean
}
