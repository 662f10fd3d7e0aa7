import { createSealer, SealerError } from '@portcullis/core'
import { PasswordError } from './errors.ts'

/** Keys that stored hashes are sealed with, kept anywhere but in the database. */
export interface PepperOptions {
  /** The id of the key that seals now. */
  readonly current: string
  /** 32 random bytes each, by id (`A-Z a-z 0-9 _ -`); those that are not current only open. */
  readonly keys: Readonly<Record<string, Uint8Array>>
  /**
   * Refuses hashes that are not sealed, once all have been re-wrapped: whoever can write to the user table but has no key can then
   * put no hash of his own there. Default: false.
   */
  readonly required?: boolean
}

/** Seals and opens stored hashes. Without keys it lets everything through as it is. */
export interface Pepper {
  seal(hash: string): string
  /**
   * The hash behind a seal, or the same hash where there is none.
   * @throws PasswordError `password.pepper_unknown`, `password.seal_broken`, `password.hash_unsealed`
   */
  open(stored: string): string
  /** Whether what is stored should be sealed anew. */
  isStale(stored: string): boolean
}

const scheme = '$sealed$'
const context = 'password.hash'
/** More than any hash, sealed, can have. */
const longest = 2048

/**
 * The pepper is a key that encrypts the finished hash (AES-256-GCM), not a secret that goes into it. A keyed hash can be made anew
 * only when somebody types the password; what is encrypted can be opened and sealed with another key, by a job, for all accounts.
 * Whoever has the database alone gets nothing that a guess could be held against; whoever has the key too is where he would be
 * without a pepper, before argon2id.
 * @throws PasswordError `password.options_invalid`
 */
export function createPepper(options: PepperOptions | undefined): Pepper {
  if (options === undefined) {
    return {
      seal: (hash) => hash,
      open(stored) {
        if (stored.startsWith(scheme)) throw unknown()
        return stored
      },
      isStale: () => false,
    }
  }
  const { current, keys, required = false } = options
  const sealer = sealerOf(current, keys)
  return {
    seal: (hash) => `${scheme}${sealer.seal(Buffer.from(hash), context)}`,
    open(stored) {
      if (!stored.startsWith(scheme)) {
        if (required) throw new PasswordError('password.hash_unsealed', 'a stored hash is not sealed, and all have to be')
        return stored
      }
      if (stored.length > longest) throw broken()
      try {
        return Buffer.from(sealer.open(stored.slice(scheme.length), context)).toString()
      } catch (cause) {
        if (cause instanceof SealerError && cause.code === 'core.sealing_key_unknown') throw unknown(cause)
        throw broken(cause)
      }
    },
    isStale: (stored) => !stored.startsWith(scheme) || sealer.isStale(stored.slice(scheme.length)),
  }
}

function sealerOf(current: string, keys: Readonly<Record<string, Uint8Array>>): ReturnType<typeof createSealer> {
  try {
    return createSealer({ current, keys })
  } catch (cause) {
    throw new PasswordError('password.options_invalid', 'pepper needs keys of 32 bytes, and one that is current', { cause })
  }
}

function unknown(cause?: unknown): PasswordError {
  return new PasswordError('password.pepper_unknown', 'a stored hash is sealed with a key that was not given', { cause })
}

function broken(cause?: unknown): PasswordError {
  return new PasswordError('password.seal_broken', 'a sealed hash was damaged or tampered with', { cause })
}
