import {
  type AttemptContext,
  type AttemptGuard,
  type Clock,
  type EventContext,
  epochSeconds,
  type Sealer,
  type Store,
  systemClock,
} from '@portcullis/core'
import { attempting, createAccountGuard } from './attempts.ts'
import { checkRange } from './errors.ts'
import { mfaEnrolled, mfaRefused, mfaRemoved, mfaVerified } from './events.ts'
import { checkParameters, fits, type HotpParameters, isCode, type OtpAlgorithm } from './otp.ts'
import type { Proof } from './proof.ts'
import { checkIssuer, hotpUri, qrSvg } from './provisioning.ts'
import { change } from './record.ts'
import { type Refused, refused } from './refusal.ts'
import { generateSecret, isShort, parseSecret, toSecret } from './secret.ts'

/** Options of {@link createHotp}. */
export interface HotpOptions {
  /** Keeps the records. */
  readonly store: Store
  /** Keeps the secrets in them unreadable. */
  readonly sealer: Sealer
  /** Who the codes are for. */
  readonly issuer: string
  /** For new secrets; `SHA1` by default, which every token knows. */
  readonly algorithm?: OtpAlgorithm
  /** For new secrets: 6 to 8; 6 by default. */
  readonly digits?: number
  /** How many codes a token may be ahead (RFC 4226 §7.4): 1 to 20; 5 by default. Each of them is one more that a guess may hit. */
  readonly lookAhead?: number
  /** Seconds in which an enrolment must be confirmed; 600 by default. */
  readonly enrolmentLifetime?: number
  /** The same as `lookAhead` for {@link Hotp.resynchronize}, which takes two codes: 1 to 1000; 100 by default. */
  readonly resyncAhead?: number
  /** Takes secrets of 80 bits and more, imported now or kept from before; without it, 128 (RFC 4226 §4 R6). */
  readonly allowShortSecrets?: boolean
  /** As with `createTotp`. */
  readonly guard?: AttemptGuard
  readonly clock?: Clock
}

/** Options of {@link Hotp.enrol}. */
export interface HotpEnrolOptions {
  /** The account's name, as an authenticator shows it. */
  readonly label: string
  /** The secret of a token, in base32; without it a new one is made, for an authenticator app. */
  readonly secret?: string
  /** The counter of the token's next code; 0 by default. */
  readonly counter?: number
}

/** What the person needs to set up an authenticator. Secret: show it once, over HTTPS. */
export interface HotpEnrolment {
  /** `otpauth://hotp/…`. */
  readonly uri: string
  /** Base32. */
  readonly secret: string
  /** The URI as a QR code: an SVG document. */
  readonly qrSvg: string
}

/** Why a code was not accepted. */
export type HotpRefusalCode =
  | 'mfa.code_wrong'
  | 'mfa.code_malformed'
  | 'mfa.not_enrolled'
  | 'mfa.secret_too_short'
  | 'mfa.too_many_attempts'

/** What became of a code. */
export type HotpResult =
  | {
      readonly ok: true
      /** The counter that is now used up. */
      readonly counter: number
      readonly proof: Proof
    }
  | Refused<HotpRefusalCode>

/**
 * One-time codes by a counter (RFC 4226): tokens with a button. Whoever calls {@link Hotp.enrol} or {@link Hotp.remove} has made
 * sure of the person first.
 */
export interface Hotp {
  /**
   * Begins an enrolment, which counts from {@link Hotp.confirm} on; until then a factor that is active stays so.
   * @throws MfaError `mfa.label_invalid` (422), `mfa.secret_malformed`, `mfa.secret_too_short`, `mfa.options_invalid`
   */
  enrol(account: string, options: HotpEnrolOptions): Promise<HotpEnrolment>
  /** Ends an enrolment with a first code, which is used up by it. @throws SealerError; MfaError `mfa.store_contended` (503) */
  confirm(account: string, code: string, context?: AttemptContext): Promise<HotpResult>
  /**
   * Checks a code against the next ones of the active factor. It and all before it are used up by compare-and-set.
   * @throws SealerError when the secret can't be opened; MfaError `mfa.store_contended` (503)
   */
  verify(account: string, code: string, context?: AttemptContext): Promise<HotpResult>
  /**
   * For a token that is further ahead: two codes in a row, looked for in the wider window (RFC 4226 §7.4).
   * @throws SealerError when the secret can't be opened; MfaError `mfa.store_contended` (503)
   */
  resynchronize(account: string, codes: readonly [first: string, second: string], context?: AttemptContext): Promise<HotpResult>
  /** Whether the account has an active factor. */
  enrolled(account: string): Promise<boolean>
  /** False: no factor was active. */
  remove(account: string, context?: EventContext): Promise<boolean>
}

type Token = HotpParameters & {
  /** Sealed for the account. */
  readonly secret: string
  /** Of the next code. */
  readonly counter: number
}

type Place = 'active' | 'pending'
type HotpRecord = {
  readonly active?: Token
  readonly pending?: Token
  /** Milliseconds since the epoch. */
  readonly pendingUntil?: number
}

/** @throws MfaError `mfa.options_invalid` */
export function createHotp(options: HotpOptions): Hotp {
  const { store, sealer, issuer, algorithm = 'SHA1', digits = 6, lookAhead = 5, resyncAhead = 100 } = options
  const { enrolmentLifetime = 600, allowShortSecrets = false, clock = systemClock } = options
  const guard = options.guard ?? createAccountGuard(store, 'hotp', clock)
  const parameters: HotpParameters = { algorithm, digits }
  checkIssuer(issuer)
  checkParameters(parameters)
  checkRange('enrolmentLifetime', enrolmentLifetime, 1, 86_400)
  checkRange('lookAhead', lookAhead, 1, 20)
  checkRange('resyncAhead', resyncAhead, lookAhead, 1000)
  const records = store.collection<HotpRecord>({ name: 'mfa.hotp' })

  const seal = (account: string, secret: Uint8Array): string => sealer.seal(secret, contextOf(account))

  /** Looks for codes in a row, and makes the token whose counter stands behind them. */
  const search = (account: string, token: Token, codes: readonly string[], ahead: number): Found | HotpRefusalCode => {
    if (!codes.every((code) => isCode(code, token.digits))) return 'mfa.code_malformed'
    const bytes = sealer.open(token.secret, contextOf(account))
    if (isShort(bytes, allowShortSecrets)) return 'mfa.secret_too_short'
    const secret = toSecret(bytes)
    let counter: number | undefined
    for (let at = token.counter; at < token.counter + ahead; at++) {
      const fit = codes.map((code, i) => fits(secret, code, at + i, token)).every(Boolean)
      if (fit && counter === undefined) counter = at + codes.length - 1
    }
    if (counter === undefined) return 'mfa.code_wrong'
    const kept = sealer.isStale(token.secret) ? seal(account, bytes) : token.secret
    return { counter, token: { ...token, secret: kept, counter: counter + 1 } }
  }

  const use = (account: string, place: Place, codes: readonly string[], ahead: number): Promise<HotpResult> =>
    change<HotpRecord, HotpResult>(records, account, (was) => {
      const token = was?.value[place]
      const late = place === 'pending' && (was?.value.pendingUntil ?? 0) <= clock.now()
      if (token === undefined || late) return { result: refused('mfa.not_enrolled') }
      const found = search(account, token, codes, ahead)
      if (typeof found === 'string') return { result: refused(found) }
      const rest = place === 'active' ? was?.value : {}
      const proof: Proof = { method: 'hotp', at: epochSeconds(clock) }
      return { record: { ...rest, active: found.token }, result: { ok: true, counter: found.counter, proof } }
    })

  const tried = (account: string, context: AttemptContext | undefined, work: () => Promise<HotpResult>): Promise<HotpResult> =>
    attempting({ guard, account, factor: 'hotp', clock, context }, async () => {
      const result = await work()
      if (!result.ok) mfaRefused.publish({ account, factor: 'hotp', code: result.reason.code }, { clock, ...context })
      return result
    })

  const verified = async (account: string, context: AttemptContext | undefined, codes: readonly string[], ahead: number) => {
    const result = await tried(account, context, () => use(account, 'active', codes, ahead))
    if (result.ok) mfaVerified.publish({ account, factor: 'hotp' }, { clock, ...context })
    return result
  }

  return {
    async enrol(account, { label, secret: given, counter = 0 }) {
      checkRange('counter', counter, 0, 2 ** 48)
      const bytes = given === undefined ? generateSecret(algorithm) : parseSecret(given, allowShortSecrets)
      const secret = toSecret(bytes)
      const uri = hotpUri(issuer, label, secret, parameters, counter)
      const pending: Token = { ...parameters, secret: seal(account, bytes), counter }
      const pendingUntil = clock.now() + enrolmentLifetime * 1000
      await change<HotpRecord, undefined>(records, account, (was) => {
        const active = was?.value.active
        if (active !== undefined) return { record: { active, pending, pendingUntil }, result: undefined }
        return { record: { pending, pendingUntil }, options: { expiresAt: pendingUntil }, result: undefined }
      })
      return { uri, secret: secret.base32, qrSvg: qrSvg(uri) }
    },

    async confirm(account, code, context) {
      const replaced = (await records.get(account))?.value.active !== undefined
      const result = await tried(account, context, () => use(account, 'pending', [code], lookAhead))
      if (result.ok) mfaEnrolled.publish({ account, factor: 'hotp', replaced }, { clock, ...context })
      return result
    },

    verify: (account, code, context) => verified(account, context, [code], lookAhead),
    // Exactly two, whatever a caller without types hands in: one alone must not have the wider window.
    resynchronize: (account, codes, context) => verified(account, context, [codes[0], codes[1]], resyncAhead),

    async enrolled(account) {
      return (await records.get(account))?.value.active !== undefined
    },

    async remove(account, context) {
      const removed = (await records.take(account))?.active !== undefined
      if (removed) mfaRemoved.publish({ account, factor: 'hotp' }, { clock, ...context })
      return removed
    },
  }
}

interface Found {
  readonly counter: number
  readonly token: Token
}

// Bound to its account: copied into somebody else's record a secret does not open.
function contextOf(account: string): string {
  return `mfa.hotp:${account}`
}
