import { PasswordError } from './errors.ts'
import { type Argon2Parameters, checkParameters, isWithin } from './parameters.ts'

/** What an attacker who can write to the user table, or an import, may make us spend, at most, on one stored hash. */
export interface HashLimits extends Argon2Parameters {
  /** The highest bcrypt cost. */
  readonly bcryptCost: number
  /** scrypt: the most of N·r·p; its memory, 128·N·r bytes, is held against `memory`. */
  readonly scryptWork: number
  /** PBKDF2: the most iterations, for all blocks of the key together. */
  readonly pbkdf2Iterations: number
}

/** The default ceilings: each some three times the highest setting that OWASP's Password Storage Cheat Sheet recommends. */
const defaultLimits: HashLimits = {
  memory: 131_072,
  iterations: 10,
  parallelism: 8,
  bcryptCost: 14,
  scryptWork: 2 ** 22,
  pbkdf2Iterations: 4_000_000,
}

/**
 * The ceilings, lifted to the parameters of new hashes where nobody says otherwise.
 * @throws PasswordError `password.options_invalid`
 */
export function hashLimits(current: Argon2Parameters, given: Partial<HashLimits> = {}): HashLimits {
  const limits = {
    memory: given.memory ?? Math.max(defaultLimits.memory, current.memory),
    iterations: given.iterations ?? Math.max(defaultLimits.iterations, current.iterations),
    parallelism: given.parallelism ?? Math.max(defaultLimits.parallelism, current.parallelism),
    bcryptCost: given.bcryptCost ?? defaultLimits.bcryptCost,
    scryptWork: given.scryptWork ?? defaultLimits.scryptWork,
    pbkdf2Iterations: given.pbkdf2Iterations ?? defaultLimits.pbkdf2Iterations,
  }
  const { bcryptCost, scryptWork, pbkdf2Iterations, ...argon2 } = limits
  checkParameters(argon2, true)
  for (const [name, value] of Object.entries({ bcryptCost, scryptWork, pbkdf2Iterations })) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new PasswordError('password.options_invalid', `limits.${name} must be a whole number of at least 0`)
    }
  }
  if (!isWithin(current, limits)) {
    throw new PasswordError('password.options_invalid', 'limits are below the parameters that new hashes are made with')
  }
  return limits
}

/** A stored hash is over a ceiling. The message says which, and nothing of the hash but its numbers. */
export function outOfBounds(asked: string, ceilings: string): PasswordError {
  return new PasswordError('password.hash_out_of_bounds', `a stored hash asks for ${asked}; the ceilings are ${ceilings}`)
}
