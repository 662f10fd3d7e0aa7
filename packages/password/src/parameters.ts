import { PasswordError } from './errors.ts'

/** What an argon2id hash costs (RFC 9106 §3.1). */
export interface Argon2Parameters {
  /** KiB. */
  readonly memory: number
  /** Passes over the memory. */
  readonly iterations: number
  /** Lanes. */
  readonly parallelism: number
}

/**
 * Permits parameters below the floor of {@link checkParameters}. A symbol, so that no configuration file can say it:
 * it is for tests.
 */
export const allowWeakParameters: unique symbol = Symbol('portcullis.password.allowWeakParameters')

// The weakest memory, and the least memory × passes, among the equivalent settings of OWASP's Password Storage Cheat Sheet.
const leastMemory = 7168
const leastWork = 7168 * 5

/** @throws PasswordError `password.options_invalid` when the parameters are impossible, or weak without leave to be */
export function checkParameters(parameters: Argon2Parameters, weakAllowed: boolean): void {
  const { memory, iterations, parallelism } = parameters
  for (const [name, value] of Object.entries(parameters)) {
    if (!Number.isSafeInteger(value) || value < 1) throw invalid(`${name} must be a whole number of at least 1`)
  }
  if (!isPossible(parameters)) throw invalid(`memory must be at least 8 KiB per lane (RFC 9106 §3.1); ${parallelism} lanes`)
  if (!weakAllowed && (memory < leastMemory || work(parameters) < leastWork)) {
    throw invalid(`${memory} KiB and ${iterations} iterations are below OWASP's weakest setting (7168 KiB, 5 iterations)`)
  }
}

/** RFC 9106 §3.1: lanes from 1 to 2^24−1 (the binding takes 255), at least 8 blocks of memory to each, at least one pass. */
export function isPossible({ memory, iterations, parallelism }: Argon2Parameters): boolean {
  return iterations >= 1 && parallelism >= 1 && parallelism <= 255 && memory >= 8 * parallelism
}

/** Whether every parameter is at or below its ceiling. */
export function isWithin(parameters: Argon2Parameters, limits: Argon2Parameters): boolean {
  return (
    parameters.memory <= limits.memory &&
    parameters.iterations <= limits.iterations &&
    parameters.parallelism <= limits.parallelism
  )
}

/** Whether a hash made with `stored` should be made anew. More lanes are not more strength, so they don't count. */
export function isWeaker(stored: Argon2Parameters, current: Argon2Parameters): boolean {
  return stored.memory < current.memory || stored.iterations < current.iterations
}

function work({ memory, iterations }: Argon2Parameters): number {
  return memory * iterations
}

function invalid(message: string): PasswordError {
  return new PasswordError('password.options_invalid', message)
}
