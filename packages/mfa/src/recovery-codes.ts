import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import {
  type AttemptContext,
  type AttemptGuard,
  type Clock,
  type EventContext,
  epochSeconds,
  type Store,
  systemClock,
} from '@portcullis/core'
import { attempting } from './attempts.ts'
import { checkRange } from './errors.ts'
import { mfaEnrolled, mfaRefused, mfaRemoved, mfaVerified, recoveryCodesLow, recoveryCodeUsed } from './events.ts'
import type { Proof } from './proof.ts'
import { change } from './record.ts'
import { type Refused, refused } from './refusal.ts'

export type { AttemptContext, AttemptGuard, KnownDevice } from '@portcullis/core'
export { MfaError, type MfaErrorCode } from './errors.ts'
export type { Proof } from './proof.ts'
export type { FactorRefusal, FactorRefusalCode, Refused } from './refusal.ts'

/** Options of {@link createRecoveryCodes}. */
export interface RecoveryCodesOptions {
  /** Keeps the records. */
  readonly store: Store
  /** How many codes an account gets: 4 to 20; 10 by default. */
  readonly count?: number
  /** Told of when so many are left, or fewer; 3 by default. */
  readonly low?: number
  /** Stands before every check. There is none by default: 140 bits cannot be guessed, with or without one. */
  readonly guard?: AttemptGuard
  readonly clock?: Clock
}

/** What became of a code. */
export type RecoveryResult =
  | { readonly ok: true; readonly remaining: number; readonly proof: Proof }
  | Refused<'mfa.code_wrong' | 'mfa.code_malformed' | 'mfa.not_enrolled' | 'mfa.too_many_attempts'>

/** How many codes an account has. */
export interface RecoveryStatus {
  readonly remaining: number
  /** Milliseconds since the epoch. */
  readonly madeAt: number
}

/**
 * Codes on paper for the day on which every other factor is lost (look-up secrets, NIST SP 800-63B-4 §3.1.2). Whoever calls
 * {@link RecoveryCodes.generate} or {@link RecoveryCodes.remove} has made sure of the person first.
 */
export interface RecoveryCodes {
  /**
   * Makes new codes; every older one is void. Show them once, over HTTPS, and keep them out of logs and caches: they cannot be read
   * again.
   * @throws MfaError `mfa.store_contended` (503)
   */
  generate(account: string, context?: EventContext): Promise<readonly string[]>
  /** Uses a code up. Written in any case, with or without hyphens. @throws MfaError `mfa.store_contended` (503) */
  verify(account: string, code: string, context?: AttemptContext): Promise<RecoveryResult>
  /** `undefined`: the account never had any. */
  status(account: string): Promise<RecoveryStatus | undefined>
  /** False: there were none. */
  remove(account: string, context?: EventContext): Promise<boolean>
}

type Codes = {
  /** SHA-256 of those that are left. */
  readonly left: readonly string[]
  /** Milliseconds since the epoch. */
  readonly madeAt: number
}

// Crockford's: no I, L, O and U, so that nothing is misread from paper.
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** 28 characters of 5 bits: 140. ASVS 6.5.2 wants a slow, salted hash below 112 bits; above, a search is hopeless with any hash. */
const length = 28

/** @throws MfaError `mfa.options_invalid` */
export function createRecoveryCodes(options: RecoveryCodesOptions): RecoveryCodes {
  const { store, count = 10, low = 3, guard, clock = systemClock } = options
  checkRange('count', count, 4, 20)
  checkRange('low', low, 0, count - 1)
  const records = store.collection<Codes>({ name: 'mfa.recovery_codes' })

  const use = (account: string, text: string): Promise<RecoveryResult> =>
    change<Codes, RecoveryResult>(records, account, (was) => {
      if (was === undefined) return { result: refused('mfa.not_enrolled') }
      const digest = digestOf(account, text)
      // All of them, so that the time does not tell which place a code has.
      const left = was.value.left.filter((kept) => !equal(kept, digest))
      if (left.length === was.value.left.length) return { result: refused('mfa.code_wrong') }
      const proof: Proof = { method: 'recovery_code', at: epochSeconds(clock) }
      return { record: { ...was.value, left }, result: { ok: true, remaining: left.length, proof } }
    })

  return {
    async generate(account, context) {
      const codes = Array.from({ length: count }, makeCode)
      const record: Codes = { left: codes.map((code) => digestOf(account, code)), madeAt: clock.now() }
      const replaced = await change<Codes, boolean>(records, account, (was) => ({ record, result: was !== undefined }))
      mfaEnrolled.publish({ account, factor: 'recovery_code', replaced }, { clock, ...context })
      return codes.map((code) => code.replace(/.{4}(?=.)/g, '$&-'))
    },

    verify: (account, code, context) =>
      attempting({ guard, account, factor: 'recovery_code', clock, context }, async () => {
        const text = read(code)
        const result = text === undefined ? refused('mfa.code_malformed') : await use(account, text)
        if (result.ok) tell(account, result.remaining, context)
        else mfaRefused.publish({ account, factor: 'recovery_code', code: result.reason.code }, { clock, ...context })
        return result
      }),

    async status(account) {
      const stored = await records.get(account)
      return stored && { remaining: stored.value.left.length, madeAt: stored.value.madeAt }
    },

    async remove(account, context) {
      const removed = (await records.take(account)) !== undefined
      if (removed) mfaRemoved.publish({ account, factor: 'recovery_code' }, { clock, ...context })
      return removed
    },
  }

  function tell(account: string, remaining: number, context: EventContext | undefined): void {
    mfaVerified.publish({ account, factor: 'recovery_code' }, { clock, ...context })
    recoveryCodeUsed.publish({ account, remaining }, { clock, ...context })
    if (remaining <= low) recoveryCodesLow.publish({ account, remaining }, { clock, ...context })
  }
}

function makeCode(): string {
  return Array.from(randomBytes(length), (byte) => alphabet[byte & 31]).join('')
}

/** What was meant, however it was copied from the paper. */
function read(code: unknown): string | undefined {
  if (typeof code !== 'string' || code.length > 64) return undefined
  const text = code.replace(/[\s-]/g, '').toUpperCase().replaceAll('O', '0').replace(/[IL]/g, '1')
  return text.length === length && [...text].every((character) => alphabet.includes(character)) ? text : undefined
}

// With the account, so that a row copied to another account opens nothing there.
function digestOf(account: string, text: string): string {
  return createHash('sha256').update(`mfa.recovery_code:${text}:${account}`).digest('base64url')
}

function equal(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}
