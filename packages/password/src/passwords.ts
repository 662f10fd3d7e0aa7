import { randomBytes } from 'node:crypto'
import { hashRaw, verify as nativeVerify } from '@node-rs/argon2'
import type { Reason } from '@portcullis/core'
import { PasswordError } from './errors.ts'
import { processGate } from './gate.ts'
import {
  type Argon2Parameters,
  allowWeakParameters,
  checkParameters,
  defaultLimits,
  isWeaker,
  isWithin,
  missingWork,
} from './parameters.ts'
import { formatHash, parseHash, type StoredHash } from './phc.ts'
import { type PasswordFlaw, prepare } from './profile.ts'

/** Options of {@link createPasswords}. */
export interface PasswordsOptions {
  /** KiB of memory for one hash; 19456 by default. */
  readonly memory?: number
  /** Passes over that memory; 2 by default. */
  readonly iterations?: number
  /** Lanes; 1 by default. */
  readonly parallelism?: number
  /** The longest password, in code points after NFC; 256 by default, never below 64 (ASVS 6.2.9). */
  readonly maxLength?: number
  /**
   * The most that a stored hash may ask for; 131072 KiB, 10 iterations, 8 lanes by default, or the parameters above where
   * they are higher.
   */
  readonly limits?: Partial<Argon2Parameters>
  /** For tests: parameters below OWASP's weakest setting. */
  readonly [allowWeakParameters]?: true
}

/** Why a password was not accepted: for the log, never for the client, who is told one text for all of them. */
export interface PasswordRefusal extends Reason {
  readonly code: 'password.wrong' | 'password.account_unknown' | PasswordFlaw
}

/** What {@link Passwords.verify} found. */
export type PasswordVerification =
  | {
      readonly ok: true
      /** A new hash to store in place of the old one, where that was made with weaker parameters than today's. */
      readonly rehash?: string
    }
  | { readonly ok: false; readonly reason: PasswordRefusal }

/** Hashes passwords and compares them with what is stored. */
export interface Passwords {
  /**
   * An argon2id hash in PHC form (RFC 9106) with a random 128-bit salt.
   * @throws PasswordError `password.too_long`, `password.malformed`, both with status 422
   */
  hash(password: string): Promise<string>
  /**
   * Costs the same argon2id work whether the account exists, the password is right, or the password is unusable.
   * @param password as received
   * @param stored the account's hash; `undefined` when there is no such account
   * @throws PasswordError `password.hash_malformed`, `password.hash_unsupported`, `password.hash_out_of_bounds`: what is
   * stored was damaged or tampered with, and no work was done for it
   * @example
   * const result = await passwords.verify(form.password, account?.passwordHash)
   * if (!result.ok) return refuse()
   * if (result.rehash) await accounts.setPasswordHash(account.id, result.rehash)
   */
  verify(password: string, stored: string | undefined): Promise<PasswordVerification>
}

const saltLength = 16
const tagLength = 32
const argon2id = 2

const messages: Readonly<Record<PasswordRefusal['code'], string>> = {
  'password.wrong': 'the password is not the one stored',
  'password.account_unknown': 'no hash is stored for this account',
  'password.too_long': 'the password has more code points than are accepted',
  'password.malformed': 'the password is not a well-formed Unicode string',
}

/**
 * Passwords under argon2id, at the first setting that OWASP recommends unless told otherwise.
 * @throws PasswordError `password.options_invalid`
 */
export function createPasswords(options: PasswordsOptions = {}): Passwords {
  const { memory = 19_456, iterations = 2, parallelism = 1, maxLength = 256 } = options
  const current: Argon2Parameters = { memory, iterations, parallelism }
  checkParameters(current, options[allowWeakParameters] === true)
  if (!Number.isSafeInteger(maxLength) || maxLength < 64) {
    throw new PasswordError('password.options_invalid', 'maxLength must be a whole number of at least 64 (ASVS 6.2.9)')
  }
  const limits = ceilings(current, options.limits)
  const gate = processGate()

  const tag = (text: string, salt: Uint8Array, { memory, iterations, parallelism }: Argon2Parameters): Promise<Buffer> =>
    gate.run(() =>
      hashRaw(text, {
        algorithm: argon2id,
        memoryCost: memory,
        timeCost: iterations,
        parallelism,
        outputLen: tagLength,
        salt,
      }),
    )
  const make = async (text: string): Promise<string> => {
    const salt = randomBytes(saltLength)
    return formatHash(current, salt, await tag(text, salt, current))
  }
  const compare = (text: string, stored: string): Promise<boolean> => gate.run(() => nativeVerify(stored, text))

  // A tag drawn at random belongs to no password that anybody could find, and costs nothing to make: no first call that
  // takes twice as long as the second.
  const dummy = formatHash(current, randomBytes(saltLength), randomBytes(tagLength))

  return {
    async hash(password) {
      const prepared = prepare(password, maxLength)
      if ('flaw' in prepared) throw new PasswordError(prepared.flaw, messages[prepared.flaw], { status: 422 })
      return make(prepared.text)
    },

    async verify(password, stored) {
      const parsed = stored === undefined ? undefined : parseHash(stored, limits)
      const prepared = prepare(password, maxLength)
      if ('flaw' in prepared) {
        await compare('', dummy)
        return refused(prepared.flaw)
      }
      if (stored === undefined || parsed === undefined) {
        await compare(prepared.text, dummy)
        return refused('password.account_unknown')
      }
      if (await compare(prepared.text, stored)) {
        return needsRehash(parsed, current) ? { ok: true, rehash: await make(prepared.text) } : { ok: true }
      }
      const missing = missingWork(parsed, current)
      if (missing) await tag('', randomBytes(saltLength), missing)
      return refused('password.wrong')
    },
  }
}

function refused(code: PasswordRefusal['code']): PasswordVerification {
  return { ok: false, reason: { code, message: messages[code] } }
}

function needsRehash(stored: StoredHash, current: Argon2Parameters): boolean {
  return isWeaker(stored, current) || stored.saltLength < saltLength || stored.tagLength < tagLength
}

function ceilings(current: Argon2Parameters, given: Partial<Argon2Parameters> = {}): Argon2Parameters {
  const limits = {
    memory: given.memory ?? Math.max(defaultLimits.memory, current.memory),
    iterations: given.iterations ?? Math.max(defaultLimits.iterations, current.iterations),
    parallelism: given.parallelism ?? Math.max(defaultLimits.parallelism, current.parallelism),
  }
  checkParameters(limits, true)
  if (!isWithin(current, limits)) {
    throw new PasswordError('password.options_invalid', 'limits are below the parameters that new hashes are made with')
  }
  return limits
}
