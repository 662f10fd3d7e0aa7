import {
  type AttemptContext,
  type AttemptGuard,
  type Clock,
  type EventContext,
  epochSeconds,
  type Sealer,
  type Store,
  type Stored,
  systemClock,
} from '@portcullis/core'
import { attempting, createAccountGuard } from './attempts.ts'
import { checkRange, invalid } from './errors.ts'
import { mfaEnrolled, mfaRefused, mfaRemoved, mfaVerified } from './events.ts'
import { checkParameters, isCode, matchCode, type OtpAlgorithm, stepAt, type TotpParameters } from './otp.ts'
import type { Proof } from './proof.ts'
import { checkIssuer, qrSvg, totpUri } from './provisioning.ts'
import { type Change, change } from './record.ts'
import { type Refused, refused } from './refusal.ts'
import { generateSecret, isShort, parseSecret, toSecret } from './secret.ts'
import { sealContext, type TotpFactor, type TotpRecord, totpRecords } from './totp-record.ts'

export type { AttemptContext, AttemptGuard, KnownDevice } from '@portcullis/core'
export { MfaError, type MfaErrorCode } from './errors.ts'
export {
  createHotp,
  type Hotp,
  type HotpEnrolment,
  type HotpEnrolOptions,
  type HotpOptions,
  type HotpRefusalCode,
  type HotpResult,
} from './hotp.ts'
export type { OtpAlgorithm } from './otp.ts'
export type { Proof } from './proof.ts'
export type { FactorRefusal, FactorRefusalCode, Refused } from './refusal.ts'

/** Options of {@link createTotp}. */
export interface TotpOptions {
  /** Keeps the records. */
  readonly store: Store
  /** Keeps the secrets in them unreadable. */
  readonly sealer: Sealer
  /** Who the codes are for, as the authenticator app shows it. */
  readonly issuer: string
  /** For new secrets; `SHA1` by default, which every app knows. */
  readonly algorithm?: OtpAlgorithm
  /** For new secrets: 6 to 8; 6 by default. */
  readonly digits?: number
  /** For new secrets: seconds that a code lasts, 15 to 60; 30 by default. */
  readonly period?: number
  /** How many steps a clock may be off, either side: 0 to 2; 1 by default (RFC 6238 §5.2). */
  readonly window?: number
  /** Seconds in which an enrolment must be confirmed; 600 by default. */
  readonly enrolmentLifetime?: number
  /** Takes secrets of 80 bits and more, imported now or kept from before; without it, 128 (RFC 4226 §4 R6). */
  readonly allowShortSecrets?: boolean
  /**
   * Stands before every check of a code. By default each account has ten attempts, and one more every 90 seconds; give one that
   * knows addresses, so that nobody can use up somebody else's.
   */
  readonly guard?: AttemptGuard
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

/** What became of a code. */
export type TotpResult =
  | {
      readonly ok: true
      /** The time step that is now used up. */
      readonly step: number
      readonly proof: Proof
    }
  | Refused<TotpRefusalCode>

/** Why a code was not accepted. */
export type TotpRefusalCode =
  | 'mfa.code_wrong'
  | 'mfa.code_used'
  | 'mfa.code_malformed'
  | 'mfa.not_enrolled'
  | 'mfa.secret_too_short'
  | 'mfa.too_many_attempts'

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
  confirm(account: string, code: string, context?: AttemptContext): Promise<TotpResult>
  /**
   * Checks a code against the active factor. Each step is accepted once (RFC 6238 §5.2), and none before the last one that
   * was.
   * @throws SealerError when the secret can't be opened; MfaError `mfa.store_contended` (503)
   * @example
   * const device = devices.read(req, account.id)
   * const result = await totp.verify(account.id, form.code, { request: req, device })
   * if (!result.ok) return refuse()
   */
  verify(account: string, code: string, context?: AttemptContext): Promise<TotpResult>
  /** Whether the account has an active factor. */
  enrolled(account: string): Promise<boolean>
  /** Takes away the factor, and an enrolment that is pending. False: no factor was active. */
  remove(account: string, context?: EventContext): Promise<boolean>
}

/** @throws MfaError `mfa.options_invalid` */
export function createTotp(options: TotpOptions): Totp {
  const { store, sealer, issuer, algorithm = 'SHA1', digits = 6, period = 30, window = 1 } = options
  const { enrolmentLifetime = 600, allowShortSecrets = false, clock = systemClock } = options
  const guard = options.guard ?? createAccountGuard(store, 'totp', clock)
  const parameters: TotpParameters = { algorithm, digits, period }
  checkIssuer(issuer)
  checkParameters(parameters)
  checkRange('period', period, 15, 60)
  checkRange('window', window, 0, 2)
  checkRange('enrolmentLifetime', enrolmentLifetime, 1, 86_400)
  const records = totpRecords(store)

  const seal = (account: string, secret: Uint8Array): string => sealer.seal(secret, sealContext(account))

  const changeRecord = <T>(
    account: string,
    evaluate: (was: Stored<TotpRecord> | undefined) => Change<TotpRecord, T>,
  ): Promise<T> =>
    change(records, account, (was) => {
      const { record, result } = evaluate(was)
      if (record === undefined) return { result }
      // An account with no more than an enrolment that nobody confirms leaves no trace.
      return { record, result, ...(!record.active && { options: { expiresAt: record.pending?.expiresAt ?? clock.now() } }) }
    })

  const check = (account: string, code: string, factor: TotpFactor, after: number): Checked => {
    if (!isCode(code, factor.digits)) return { refusal: 'mfa.code_malformed' }
    const secret = sealer.open(factor.secret, sealContext(account))
    if (isShort(secret, allowShortSecrets)) return { refusal: 'mfa.secret_too_short' }
    const step = stepAt(clock.now(), factor.period)
    const match = matchCode(toSecret(secret), code, factor, { step, window, after })
    if (match.type === 'open') return { step: match.step, secret }
    return { refusal: match.type === 'used' ? 'mfa.code_used' : 'mfa.code_wrong' }
  }

  const proven = (step: number): TotpResult => ({ ok: true, step, proof: { method: 'totp', at: epochSeconds(clock) } })

  const confirm = (account: string, code: string): Promise<{ result: TotpResult; replaced: boolean }> =>
    changeRecord(account, (was) => {
      const { pending, active } = was?.value ?? {}
      const replaced = active !== undefined
      if (!pending || pending.expiresAt <= clock.now()) return { result: { result: refused('mfa.not_enrolled'), replaced } }
      const { expiresAt: _, ...factor } = pending
      const checked = check(account, code, factor, -1)
      if ('refusal' in checked) return { result: { result: refused(checked.refusal), replaced } }
      const { step } = checked
      return { record: { active: { ...factor, lastStep: step } }, result: { result: proven(step), replaced } }
    })

  const verify = (account: string, code: string): Promise<TotpResult> =>
    changeRecord<TotpResult>(account, (was) => {
      const active = was?.value.active
      if (active === undefined) return { result: refused('mfa.not_enrolled') }
      const checked = check(account, code, active, active.lastStep)
      if ('refusal' in checked) return { result: refused(checked.refusal) }
      const { step } = checked
      // The one moment at which the secret is open and the record is written anyway.
      const secret = sealer.isStale(active.secret) ? seal(account, checked.secret) : active.secret
      return { record: { ...was?.value, active: { ...active, secret, lastStep: step } }, result: proven(step) }
    })

  return {
    async enrol(account, { label, secret: given, confirmed = false }, context) {
      if (confirmed && given === undefined) throw invalid('confirmed needs the secret that the person uses already')
      const bytes = given === undefined ? generateSecret(algorithm) : parseSecret(given, allowShortSecrets)
      const secret = toSecret(bytes)
      const uri = totpUri(issuer, label, secret, parameters)
      const factor: TotpFactor = { ...parameters, secret: seal(account, bytes) }
      const replaced = await changeRecord(account, (was) => {
        const active = was?.value.active
        const record: TotpRecord = confirmed
          ? { active: { ...factor, lastStep: -1 } }
          : { ...(active && { active }), pending: { ...factor, expiresAt: clock.now() + enrolmentLifetime * 1000 } }
        return { record, result: active !== undefined }
      })
      if (confirmed) mfaEnrolled.publish({ account, factor: 'totp', replaced }, { clock, ...context })
      return { uri, secret: secret.base32, qrSvg: qrSvg(uri) }
    },

    confirm: (account, code, context) =>
      attempting({ guard, account, factor: 'totp', clock, context }, async () => {
        const { result, replaced } = await confirm(account, code)
        if (result.ok) mfaEnrolled.publish({ account, factor: 'totp', replaced }, { clock, ...context })
        else mfaRefused.publish({ account, factor: 'totp', code: result.reason.code }, { clock, ...context })
        return result
      }),

    verify: (account, code, context) =>
      attempting({ guard, account, factor: 'totp', clock, context }, async () => {
        const result = await verify(account, code)
        if (result.ok) mfaVerified.publish({ account, factor: 'totp' }, { clock, ...context })
        else mfaRefused.publish({ account, factor: 'totp', code: result.reason.code }, { clock, ...context })
        return result
      }),

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

type Checked = { readonly refusal: TotpRefusalCode } | { readonly step: number; readonly secret: Uint8Array }
