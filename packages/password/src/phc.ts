import { PasswordError } from './errors.ts'
import { type Argon2Parameters, isPossible, isWithin } from './parameters.ts'

/** A stored hash, as far as it has to be understood before the native call. */
export interface StoredHash extends Argon2Parameters {
  readonly saltLength: number
  readonly tagLength: number
}

// The PHC string format: decimal without leading zeros, base64 without padding. Ten digits hold every 32-bit number; the
// bounds on salt and tag keep a crafted string from being long.
const argon2id =
  /^\$argon2id\$v=19\$m=([1-9]\d{0,9}),t=([1-9]\d{0,9}),p=([1-9]\d{0,9})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

/**
 * Parses a stored hash and holds its cost against the ceilings, so that nothing but a hash we are willing to pay for
 * reaches the native code: there a stored `m=4294967295,t=4294967295` never returns.
 * @throws PasswordError `password.hash_malformed`, `password.hash_unsupported` (another algorithm, or argon2 before v=19),
 * `password.hash_out_of_bounds`
 */
export function parseHash(stored: string, limits: Argon2Parameters): StoredHash {
  const [, memory, iterations, parallelism, salt, tag] = argon2id.exec(stored) ?? []
  if (salt === undefined || tag === undefined) {
    if (/^\$(?!argon2id\$v=19\$)[a-z0-9-]{1,32}\$/.test(stored)) {
      throw new PasswordError('password.hash_unsupported', 'a stored hash is not argon2id version 19')
    }
    throw new PasswordError('password.hash_malformed', 'a stored hash is not in the PHC form of argon2id')
  }
  const parameters = { memory: Number(memory), iterations: Number(iterations), parallelism: Number(parallelism) }
  if (!isPossible(parameters) || !isWithin(parameters, limits)) {
    throw new PasswordError(
      'password.hash_out_of_bounds',
      `a stored hash asks for ${memory} KiB, ${iterations} iterations and ${parallelism} lanes; ` +
        `the ceilings are ${limits.memory}, ${limits.iterations} and ${limits.parallelism}`,
    )
  }
  return { ...parameters, saltLength: byteLength(salt), tagLength: byteLength(tag) }
}

/** The PHC form of argon2id version 19. */
export function formatHash(parameters: Argon2Parameters, salt: Uint8Array, tag: Uint8Array): string {
  const { memory, iterations, parallelism } = parameters
  return `$argon2id$v=19$m=${memory},t=${iterations},p=${parallelism}$${base64(salt)}$${base64(tag)}`
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '')
}

function byteLength(unpadded: string): number {
  return Math.floor((unpadded.length * 3) / 4)
}
