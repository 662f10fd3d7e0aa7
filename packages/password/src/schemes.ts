import { parseArgon2 } from './argon2.ts'
import { parseBcrypt } from './bcrypt.ts'
import { PasswordError } from './errors.ts'
import type { HashLimits } from './limits.ts'
import { parsePbkdf2 } from './pbkdf2.ts'
import { parseScrypt } from './scrypt.ts'
import type { StoredHash } from './stored-hash.ts'
import { parseWrapped } from './wrapped.ts'

const schemes = [parseArgon2, parseBcrypt, parseScrypt, parsePbkdf2, parseWrapped]

/** Longer than anything that one of the schemes accepts. */
const longest = 1024

/**
 * Parses a stored hash, of any scheme, and holds its cost against the ceilings.
 * @throws PasswordError `password.hash_malformed`, `password.hash_unsupported` (a scheme that nobody here knows),
 * `password.hash_out_of_bounds`
 */
export function parseHash(stored: string, limits: HashLimits): StoredHash {
  if (stored.length <= longest) {
    // Django names the scheme once more before an argon2 hash.
    const text = stored.startsWith('argon2$argon2') ? stored.slice('argon2'.length) : stored
    for (const parse of schemes) {
      const hash = parse(text, limits)
      if (hash !== undefined) return hash
    }
    if (/^\$?(?!argon2|2[abxy]\$|scrypt|pbkdf2|bcrypt|wrapped|sealed)[a-z0-9_-]{1,32}\$/.test(stored)) {
      throw new PasswordError('password.hash_unsupported', 'a stored hash is of a scheme that is not known here')
    }
  }
  throw new PasswordError('password.hash_malformed', 'a stored hash is not in the form of its scheme')
}
