import { type Clock, type EventContext, type Reason, type Sealer, type Store, type Stored, systemClock } from '@portcullis/core'
import { MfaError } from './errors.ts'
import { mfaEnrolled, mfaRefused, mfaRemoved, mfaVerified } from './events.ts'
import { matchCode, stepAt, type TotpAlgorithm, type TotpParameters } from './hotp.ts'
import { isLabel, keyUri, qrSvg } from './provisioning.ts'
import { generateSecret, parseSecret, toSecret } from './secret.ts'
import { type Factor, sealContext, type TotpRecord, totpRecords } from './totp-record.ts'

export { MfaError, type MfaErrorCode } from './errors.ts'
export type { TotpAlgorithm } from './hotp.ts'

/** Options of {@link createTotp}. */
export interface TotpOptions {
  /** Keeps the records. */
  readonly store: Store
  /** Keeps the secrets in them unreadable. */
  readonly sealer: Sealer
  /** Who the codes are for, as the authenticator app shows it. */
  readonly issuer: string
  /** For new secrets; `SHA1` by default, which every app knows. */
  readonly algorithm?: TotpAlgorithm
  /** For new secrets: 6 to 8; 6 by default. */
  readonly digits?: number
  /** For new secrets: seconds that a code lasts, 15 to 60; 30 by default. */
  readonly period?: number
  /** How many steps a clock may be off, either side: 0 to 2; 1 by default (RFC 6238 §5.2). */
  readonly window?: number
  /** Seconds in which an enrolment must be confirmed; 600 by default. */
  readonly enrolmentLifetime?: number
  readonly clock?: Clock
}

/** Options of {@link Totp.enrol}. */
export interface EnrolOptions {
  /** The account's name, as the authenticator app shows it: an e-mail address, mostly. */
  readonly label: string
  /** A secret in base32 from another system, in place of a new one. */
  readonly secret?: string
  /** The person already uses that `secret` in an authenticator: it is active at once. For imports and seeding. */
  readonly confirmed?: boolean
  /** Takes a `secret` of 80 bits and more; without it, 128 (RFC 4226 §4 R6). */
  readonly allowShortSecret?: boolean
}

/** What the person needs to set up the authenticator. Secret: show it once, over HTTPS, and keep it out of logs and caches. */
export interface TotpEnrolment {
  /** `otpauth://totp/…`. */
  readonly uri: string
  /** Base32, for typing it in. */
  readonly secret: string
  /** The URI as a QR code: an SVG document. */
  readonly qrSvg: string
}

/** Why a code was not accepted: for the log. */
export interface TotpRefusal extends Reason {
  readonly code: 'mfa.code_wrong' | 'mfa.code_used' | 'mfa.code_malformed' | 'mfa.not_enrolled'
}

/** What became of a code. */
export type TotpResult =
  | {
      readonly ok: true
      /** The time step that is now used up. */
      readonly step: number
    }
  | { readonly ok: false; readonly reason: TotpRefusal }

/**
 * One-time codes from an authenticator app (RFC 6238). An account is whatever id the application knows it by. Whoever calls
 * {@link Totp.enrol}, {@link Totp.confirm} or {@link Totp.remove} has made sure of the person first.
 */
export interface Totp {
  /**
   * Begins an enrolment. It counts from {@link Totp.confirm} on; until then a factor that is active stays so.
   * @throws MfaError `mfa.label_invalid` (422), `mfa.secret_malformed`, `mfa.secret_too_short`, `mfa.options_invalid`,
   * `mfa.store_contended` (503)
   */
  enrol(account: string, options: EnrolOptions, context?: EventContext): Promise<TotpEnrolment>
  /**
   * Ends an enrolment with a first code, which is used up by it. `mfa.not_enrolled`: none is pending, or it came too late.
   * @throws SealerError when the secret can't be opened; MfaError `mfa.store_contended` (503)
   */
  confirm(account: string, code: string, context?: EventContext): Promise<TotpResult>
  /**
   * Checks a code against the active factor. Each step is accepted once (RFC 6238 §5.2), and none before the last one that
   * was. It does not count guesses: put a limit before it.
   * @throws SealerError when the secret can't be opened; MfaError `mfa.store_contended` (503)
   * @example
   * const result = await totp.verify(account.id, form.code, { request: req })
   * if (!result.ok) return refuse()
   */
  verify(account: string, code: string, context?: EventContext): Promise<TotpResult>
  /** Whether the account has an active factor. */
  enrolled(account: string): Promise<boolean>
  /** Takes away the factor, and an enrolment that is pending. False: no factor was active. */
  remove(account: string, context?: EventContext): Promise<boolean>
}

const messages: Readonly<Record<TotpRefusal['code'], string>> = {
  'mfa.code_wrong': 'the code fits none of the steps around now',
  'mfa.code_used': 'the code fits a step that was accepted already, or one before it',
  'mfa.code_malformed': 'the code does not have the form of a code',
  'mfa.not_enrolled': 'the account has no such factor, or no enrolment to confirm',
}

// Every round that is lost was won by another caller, so this many in a row mean a store whose replace never succeeds.
const rounds = 64

/** @throws MfaError `mfa.options_invalid` */
export function createTotp(options: TotpOptions): Totp {
  const { store, sealer, issuer, algorithm = 'SHA1', digits = 6, period = 30, window = 1 } = options
  const { enrolmentLifetime = 600, clock = systemClock } = options
  if (!isLabel(issuer)) throw invalid('issuer must be 1 to 256 characters without colon, control characters and outer spaces')
  if (!['SHA1', 'SHA256', 'SHA512'].includes(algorithm)) throw invalid('algorithm must be SHA1, SHA256 or SHA512')
  checkRange('digits', digits, 6, 8)
  checkRange('period', period, 15, 60)
  checkRange('window', window, 0, 2)
  checkRange('enrolmentLifetime', enrolmentLifetime, 1, 86_400)
  const parameters: TotpParameters = { algorithm, digits, period }
  const records = totpRecords(store)

  const seal = (account: string, secret: Uint8Array): string => sealer.seal(secret, sealContext(account))

  const write = (account: string, was: Stored<TotpRecord> | undefined, record: TotpRecord): Promise<boolean> => {
    // An account with no more than an enrolment that nobody confirms leaves no trace.
    const lifetime = record.active ? {} : { expiresAt: record.pending?.expiresAt ?? clock.now() }
    return was ? records.replace(account, was.version, record, lifetime) : records.create(account, record, lifetime)
  }

  /** Evaluates anew on what is stored until the write that follows from it succeeds. */
  const change = async <T>(
    account: string,
    evaluate: (was: Stored<TotpRecord> | undefined) => { readonly record?: TotpRecord; readonly result: T },
  ): Promise<T> => {
    for (let round = 0; round < rounds; round++) {
      const was = await records.get(account)
      const { record, result } = evaluate(was)
      if (record === undefined || (await write(account, was, record))) return result
    }
    throw new MfaError('mfa.store_contended', `a record could not be written in ${rounds} attempts`, { status: 503 })
  }

  const check = (account: string, code: string, factor: Factor, after: number): Checked => {
    if (typeof code !== 'string' || code.length !== factor.digits || !/^[0-9]+$/.test(code)) {
      return { refusal: 'mfa.code_malformed' }
    }
    const secret = sealer.open(factor.secret, sealContext(account))
    const step = stepAt(clock.now(), factor.period)
    const match = matchCode(toSecret(secret), code, factor, { step, window, after })
    if (match.type === 'open') return { step: match.step, secret }
    return { refusal: match.type === 'used' ? 'mfa.code_used' : 'mfa.code_wrong' }
  }

  return {
    async enrol(account, { label, secret: given, confirmed = false, allowShortSecret = false }, context) {
      if (confirmed && given === undefined) throw invalid('confirmed needs the secret that the person uses already')
      const bytes = given === undefined ? generateSecret(algorithm) : parseSecret(given, allowShortSecret)
      const secret = toSecret(bytes)
      const uri = keyUri(issuer, label, secret, parameters)
      const factor: Factor = { ...parameters, secret: seal(account, bytes) }
      const replaced = await change(account, (was) => {
        const active = was?.value.active
        const record: TotpRecord = confirmed
          ? { active: { ...factor, lastStep: -1 } }
          : { ...(active && { active }), pending: { ...factor, expiresAt: clock.now() + enrolmentLifetime * 1000 } }
        return { record, result: active !== undefined }
      })
      if (confirmed) mfaEnrolled.publish({ account, factor: 'totp', replaced }, { clock, ...context })
      return { uri, secret: secret.base32, qrSvg: qrSvg(uri) }
    },

    async confirm(account, code, context) {
      const { result, replaced } = await change<{ result: TotpResult; replaced: boolean }>(account, (was) => {
        const { pending, active } = was?.value ?? {}
        const replaced = active !== undefined
        if (!pending || pending.expiresAt <= clock.now()) return { result: { result: refused('mfa.not_enrolled'), replaced } }
        const { expiresAt: _, ...factor } = pending
        const checked = check(account, code, factor, -1)
        if ('refusal' in checked) return { result: { result: refused(checked.refusal), replaced } }
        const { step } = checked
        return { record: { active: { ...factor, lastStep: step } }, result: { result: { ok: true, step }, replaced } }
      })
      if (result.ok) mfaEnrolled.publish({ account, factor: 'totp', replaced }, { clock, ...context })
      else mfaRefused.publish({ account, factor: 'totp', code: result.reason.code }, { clock, ...context })
      return result
    },

    async verify(account, code, context) {
      const result = await change<TotpResult>(account, (was) => {
        const active = was?.value.active
        if (active === undefined) return { result: refused('mfa.not_enrolled') }
        const checked = check(account, code, active, active.lastStep)
        if ('refusal' in checked) return { result: refused(checked.refusal) }
        const { step } = checked
        // The one moment at which the secret is open and the record is written anyway.
        const secret = sealer.isStale(active.secret) ? seal(account, checked.secret) : active.secret
        return { record: { ...was?.value, active: { ...active, secret, lastStep: step } }, result: { ok: true, step } }
      })
      if (result.ok) mfaVerified.publish({ account, factor: 'totp' }, { clock, ...context })
      else mfaRefused.publish({ account, factor: 'totp', code: result.reason.code }, { clock, ...context })
      return result
    },

    async enrolled(account) {
      return (await records.get(account))?.value.active !== undefined
    },

    async remove(account, context) {
      const removed = (await records.take(account))?.active !== undefined
      if (removed) mfaRemoved.publish({ account, factor: 'totp' }, { clock, ...context })
      return removed
    },
  }
}

type Checked = { readonly refusal: TotpRefusal['code'] } | { readonly step: number; readonly secret: Uint8Array }

function refused(code: TotpRefusal['code']): TotpResult {
  return { ok: false, reason: { code, message: messages[code] } }
}

function checkRange(name: string, value: number, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw invalid(`${name} must be a whole number from ${least} to ${most}`)
  }
}

function invalid(message: string): MfaError {
  return new MfaError('mfa.options_invalid', message)
}
