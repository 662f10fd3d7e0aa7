import type { Reason } from '@portcullis/core'
import { makeArgon2 } from './argon2.ts'
import { PasswordBusyError, PasswordError } from './errors.ts'
import { type GateLoad, type PasswordGate, processGate } from './gate.ts'
import { type HashLimits, hashLimits } from './limits.ts'
import { createMix } from './mix.ts'
import { type Argon2Parameters, allowWeakParameters, checkParameters } from './parameters.ts'
import { createPepper, type PepperOptions } from './pepper.ts'
import { type PasswordFlaw, prepare } from './profile.ts'
import { parseHash } from './schemes.ts'
import { unitsOf, type Work } from './work.ts'
import { type OldDigest, wrapDigest } from './wrapped.ts'

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
   * The most that a stored hash may ask for. By default 131072 KiB, 10 iterations, 8 lanes, or the parameters above where they are
   * higher; bcrypt cost 14; scrypt N·r·p 2^22; 4 million iterations of PBKDF2.
   */
  readonly limits?: Partial<HashLimits>
  /** Keys that hashes are sealed with. Default: none. */
  readonly pepper?: PepperOptions
  /**
   * What old hashes in the user table ask for, as {@link Passwords.workOf} tells of each sort. Every refusal costs that much, so that
   * nobody learns who exists, or who has not signed in since the import. What is missing here is learned when it is first met.
   */
  readonly mix?: readonly Work[]
  /** How many hashes run at once, and how many wait. Default: one gate for the whole process. */
  readonly gate?: PasswordGate
  /** For tests: parameters below OWASP's weakest setting. */
  readonly [allowWeakParameters]?: true
}

/** Why a password was not accepted: for the log, never for the client, who is told one text for all of them. */
export interface PasswordRefusal extends Reason {
  readonly code: 'password.wrong' | 'password.account_unknown' | PasswordFlaw
}

/** Nothing was compared: too many hashes run and wait. To be answered 503, or 429, and not counted as a wrong guess. */
export interface PasswordBusy {
  readonly ok: false
  readonly reason: Reason & { readonly code: 'password.busy' }
  /** Seconds. */
  readonly retryAfter: number
}

/** What {@link Passwords.verify} found. */
export type PasswordVerification =
  | {
      readonly ok: true
      /**
       * What to store in place of the old hash, by compare-and-set: that was made with weaker parameters than today's, by another
       * system, or sealed with an older key.
       */
      readonly rehash?: string
    }
  | { readonly ok: false; readonly reason: PasswordRefusal; readonly retryAfter?: undefined }
  | PasswordBusy

/** Hashes passwords and compares them with what is stored. */
export interface Passwords {
  /** What the gate before the hashes does. */
  readonly load: GateLoad
  /**
   * An argon2id hash in PHC form (RFC 9106) with a random 128-bit salt; sealed, where there is a pepper.
   * @throws PasswordError `password.too_long`, `password.malformed`, both with status 422; PasswordBusyError `password.busy`, 503
   */
  hash(password: string): Promise<string>
  /**
   * Costs the same native work whether the account exists, the password is wrong or unusable, and whichever scheme is stored.
   * @param password as received
   * @param stored the account's hash; `undefined` when there is no such account
   * @throws PasswordError `password.hash_malformed`, `password.hash_unsupported`, `password.hash_out_of_bounds`,
   * `password.hash_unsealed`, `password.pepper_unknown`, `password.seal_broken`: what is stored was damaged or tampered with, or a key
   * is missing, and no work was done for it
   * @example
   * const result = await passwords.verify(form.password, account?.passwordHash)
   * if (!result.ok) return result.retryAfter === undefined ? refuse() : busy(result.retryAfter)
   * if (result.rehash) await accounts.setPasswordHash(account.id, result.rehash)
   */
  verify(password: string, stored: string | undefined): Promise<PasswordVerification>
  /**
   * Seals a stored hash, of any scheme, with the current key of the pepper: for a job that goes through all accounts when the key has
   * changed, or when there was none before. No password is needed and nothing is hashed.
   * @returns what to store, by compare-and-set; `undefined` when it is sealed with the current key, or there is no pepper
   * @throws PasswordError as `verify` does
   */
  rewrap(stored: string): string | undefined
  /**
   * Hashes an old system's unsalted or salted digest, or bcrypt hash, once more with argon2id: for a job that takes weak hashes out of
   * the user table before their owners sign in. Who signs in gets a hash of the password itself.
   * @throws PasswordError `password.digest_malformed`, `password.hash_out_of_bounds`; PasswordBusyError `password.busy`
   */
  wrap(old: OldDigest): Promise<string>
  /** What comparing a password with a stored hash costs: for `mix`. @throws PasswordError as `verify` does */
  workOf(stored: string): readonly Work[]
}

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
  const { memory = 19_456, iterations = 2, parallelism = 1, maxLength = 256, gate = processGate() } = options
  const current: Argon2Parameters = { memory, iterations, parallelism }
  checkParameters(current, options[allowWeakParameters] === true)
  if (!Number.isSafeInteger(maxLength) || maxLength < 64) {
    throw new PasswordError('password.options_invalid', 'maxLength must be a whole number of at least 64 (ASVS 6.2.9)')
  }
  const limits = hashLimits(current, options.limits)
  const pepper = createPepper(options.pepper)
  const mix = createMix([{ kind: 'argon2', ...current }, ...checkedMix(options.mix)])

  const parse = (stored: string) => parseHash(pepper.open(stored), limits)

  /** Holds one place of the gate for all the native calls, so that nobody who was let in is sent away half-way. */
  async function compare(password: string, stored: string | undefined): Promise<PasswordVerification> {
    const hash = stored === undefined ? undefined : parse(stored)
    if (hash !== undefined) mix.meet(hash.work)
    const prepared = prepare(password, maxLength)
    const passage = await gate.run(async (): Promise<PasswordVerification> => {
      if ('flaw' in prepared || stored === undefined || hash === undefined) {
        await mix.top([])
        return refused('flaw' in prepared ? prepared.flaw : 'password.account_unknown')
      }
      if (!(await hash.matches({ normalized: prepared.text, received: password }))) {
        await mix.top(hash.work)
        return refused('password.wrong')
      }
      if (hash.isOutdated(current)) return { ok: true, rehash: pepper.seal(await makeArgon2(prepared.text, current)) }
      return pepper.isStale(stored) ? { ok: true, rehash: pepper.seal(pepper.open(stored)) } : { ok: true }
    })
    return 'ran' in passage ? passage.ran : busy(passage.retryAfter)
  }

  async function gated(make: () => Promise<string>): Promise<string> {
    const passage = await gate.run(make)
    if ('ran' in passage) return pepper.seal(passage.ran)
    throw new PasswordBusyError(passage.retryAfter)
  }

  return {
    get load() {
      return gate.load
    },

    async hash(password) {
      const prepared = prepare(password, maxLength)
      if ('flaw' in prepared) throw new PasswordError(prepared.flaw, messages[prepared.flaw], { status: 422 })
      return gated(() => makeArgon2(prepared.text, current))
    },

    verify: compare,

    rewrap(stored) {
      const hash = pepper.open(stored)
      parseHash(hash, limits)
      return pepper.isStale(stored) ? pepper.seal(hash) : undefined
    },

    wrap: (old) => gated(() => wrapDigest(old, current, limits)),

    workOf: (stored) => parse(stored).work,
  }
}

function refused(code: PasswordRefusal['code']): PasswordVerification {
  return { ok: false, reason: { code, message: messages[code] } }
}

function busy(retryAfter: number): PasswordBusy {
  return { ok: false, reason: { code: 'password.busy', message: 'too many passwords are being hashed' }, retryAfter }
}

function checkedMix(mix: readonly Work[] = []): readonly Work[] {
  for (const work of mix) {
    if (!Number.isSafeInteger(unitsOf(work)) || unitsOf(work) < 1) {
      throw new PasswordError('password.options_invalid', 'mix takes the work of stored hashes, as workOf tells it')
    }
  }
  return mix
}
