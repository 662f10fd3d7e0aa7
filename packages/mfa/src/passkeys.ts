import {
  type AttemptContext,
  type AttemptGuard,
  type Clock,
  type EventContext,
  epochSeconds,
  type KnownDevice,
  type Store,
  systemClock,
} from '@portcullis/core'
import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type PublicKeyCredentialCreationOptionsJSON,
  type PublicKeyCredentialRequestOptionsJSON,
} from '@simplewebauthn/server'
import { attempting } from './attempts.ts'
import { type AttestationPolicy, createAttester } from './attestation.ts'
import { checkRange, MfaError } from './errors.ts'
import { mfaEnrolled, mfaRefused, mfaRemoved, mfaVerified, passkeyCounterBack } from './events.ts'
import { type Bound, createPasskeyChallenges } from './passkey-challenges.ts'
import { type Passkey, type PasskeyRecord, passkeyId, passkeyRecords, toFactor, toPasskey } from './passkey-record.ts'
import type { Factor, Proof } from './proof.ts'
import { change } from './record.ts'
import { type Refused, refused } from './refusal.ts'
import { createRelyingParty, type PasskeyRefusalCode, type VerifiedAssertion } from './relying-party.ts'
import { type ClientData, parseAssertion, parseRegistration } from './webauthn-answer.ts'

export type { AttemptContext, AttemptGuard, KnownDevice } from '@portcullis/core'
export type { AttestationPolicy } from './attestation.ts'
export { MfaError, type MfaErrorCode } from './errors.ts'
export type { Passkey } from './passkey-record.ts'
export type { Factor, Proof } from './proof.ts'
export type { FactorRefusal, FactorRefusalCode, Refused } from './refusal.ts'
export type { PasskeyRefusalCode } from './relying-party.ts'

/** Options of {@link createPasskeys}. */
export interface PasskeysOptions {
  /** Keeps passkeys, user handles and challenges. */
  readonly store: Store
  /** The domain that passkeys belong to: that of the site, or one above it (WebAuthn L3 §5.1.2). It can never change. */
  readonly rpId: string
  /** The site's name, as a browser may show it. */
  readonly rpName: string
  /** Where answers may be made: `https://login.example.com`. */
  readonly origins: readonly string[]
  /** Pages of other origins that may embed one of `origins` in a frame and sign people in there; none by default. `any`: all of them, named or not. */
  readonly topOrigins?: readonly string[] | 'any'
  /** Whether a second factor must verify the person too; `preferred` by default. Signing in without a password always must. */
  readonly secondFactorVerification?: 'required' | 'preferred' | 'discouraged'
  /** Which authenticators may be registered; all by default, and none is asked what it is. */
  readonly attestation?: AttestationPolicy
  /** COSE algorithms, the preferred one first; EdDSA, ES256 and RS256 by default. */
  readonly algorithms?: readonly number[]
  /** Seconds in which an answer must come; 300 by default, 30 to 900. */
  readonly challengeLifetime?: number
  /** How many passkeys an account may have; 20 by default. */
  readonly most?: number
  /** Stands before every check of a signature. There is none by default: signatures cannot be guessed. */
  readonly guard?: AttemptGuard
  readonly clock?: Clock
}

/** What the browser that asks holds: a session's id, or a random value in a cookie. A challenge is of no use in another browser. */
export interface FromBrowser {
  readonly browser: string
}

/** Whom a passkey is made for, as authenticators show it. */
export interface RegistrationSubject extends FromBrowser {
  /** An e-mail address, mostly. */
  readonly userName: string
  readonly displayName?: string
  /** `sign_in`, the default: it is kept so that no user name is needed, and it verifies the person. `second_factor`: any key will do. */
  readonly use?: 'sign_in' | 'second_factor'
}

/** What a browser sent back: the JSON of a `PublicKeyCredential`, unchecked. */
export interface BrowserAnswer extends FromBrowser {
  readonly response: unknown
}

/** As with every factor; but whose device to look for is known only once the answer has named its passkey. */
export interface SignInContext extends EventContext {
  /** The device, where this account has signed in with it before. */
  readonly deviceOf?: (account: string) => KnownDevice | undefined | Promise<KnownDevice | undefined>
}

/** What became of a registration. */
export type PasskeyRegistration = { readonly ok: true; readonly passkey: Passkey } | Refused<PasskeyRefusalCode>

/** What became of a sign-in. `account` is who signed in. */
export type PasskeyResult =
  | { readonly ok: true; readonly account: string; readonly passkey: Passkey; readonly proof: Proof }
  | Refused<PasskeyRefusalCode>

/**
 * Passkeys (WebAuthn Level 3). Each exchange is a pair: begin gives options for the browser, finish takes its answer. Whoever calls
 * {@link Passkeys.finishRegistration} or {@link Passkeys.remove} has made sure of the person first.
 */
export interface Passkeys {
  /** @throws MfaError `mfa.label_invalid` (422) */
  beginRegistration(account: string, subject: RegistrationSubject): Promise<PublicKeyCredentialCreationOptionsJSON>
  /** @param answer.name what the person calls it. @throws MfaError `mfa.label_invalid` (422) */
  finishRegistration(
    account: string,
    answer: BrowserAnswer & { readonly name: string },
    context?: EventContext,
  ): Promise<PasskeyRegistration>
  /** Signing in by passkey alone, without a user name; its own options for conditional mediation too. */
  beginSignIn(from: FromBrowser): Promise<PublicKeyCredentialRequestOptionsJSON>
  /** The authenticator must have verified the person. @throws MfaError `mfa.store_contended` (503) */
  finishSignIn(answer: BrowserAnswer, context?: SignInContext): Promise<PasskeyResult>
  /** For somebody whose account is known, by another factor: the options name his passkeys. */
  beginSecondFactor(account: string, from: FromBrowser): Promise<PublicKeyCredentialRequestOptionsJSON>
  /** @throws MfaError `mfa.store_contended` (503) */
  finishSecondFactor(account: string, answer: BrowserAnswer, context?: AttemptContext): Promise<PasskeyResult>
  /** In the order in which they were made. */
  list(account: string): Promise<readonly Passkey[]>
  /** What they count for, for {@link Assurance.decide}. */
  factors(account: string): Promise<readonly Factor[]>
  /** False: the account has no such passkey. @throws MfaError `mfa.label_invalid` (422) */
  rename(account: string, handle: string, name: string): Promise<boolean>
  /** False: the account has no such passkey. */
  remove(account: string, handle: string, context?: EventContext): Promise<boolean>
}

/** @throws MfaError `mfa.options_invalid` */
export function createPasskeys(options: PasskeysOptions): Passkeys {
  const { store, rpId, rpName, origins, topOrigins = [], secondFactorVerification = 'preferred', attestation } = options
  const { algorithms = [-8, -7, -257], challengeLifetime = 300, most = 20, guard, clock = systemClock } = options
  const site = createRelyingParty({ rpId, origins, topOrigins, algorithms })
  checkRange('challengeLifetime', challengeLifetime, 30, 900)
  checkRange('most', most, 1, 100)
  const attest = createAttester(attestation)
  const models = attestation?.aaguids?.map((aaguid) => aaguid.toLowerCase())
  const challenges = createPasskeyChallenges(store, challengeLifetime, clock)
  const records = passkeyRecords(store)
  const timeout = challengeLifetime * 1000

  /** Takes the challenge, whatever follows, and says whether the answer was made where it may be. */
  const open = async (clientData: ClientData, bound: Bound): Promise<{ required: boolean } | PasskeyRefusalCode> => {
    const taken = await challenges.take(clientData.challenge, bound)
    if (taken === undefined) return 'mfa.challenge_unknown'
    return site.isAtHome(clientData) ? { required: taken.verificationRequired } : 'mfa.origin_foreign'
  }

  /** Compare-and-set, so that of two answers with one counter only one goes forward. */
  const use = (id: string, { counter, userVerified, backedUp, backupEligible }: VerifiedAssertion) =>
    change<PasskeyRecord, { record: PasskeyRecord; back: boolean } | PasskeyRefusalCode>(records.rows, id, (was) => {
      if (was === undefined) return { result: 'mfa.passkey_unknown' }
      const before = was.value
      // WebAuthn L3 §7.2 step 18: it is decided when the passkey is made.
      if (before.backupEligible !== backupEligible) return { result: 'mfa.backup_changed' }
      // §6.1.1: not forward, where either side counts at all. Devices that share a passkey do not share a counter.
      const back = (counter > 0 || before.counter > 0) && counter <= before.counter
      if (back && !backupEligible) return { result: 'mfa.counter_back' }
      const known = before.userVerified || userVerified
      const record: PasskeyRecord = { ...before, counter, backedUp, userVerified: known, lastUsedAt: clock.now() }
      return { record, options: { index: { account: before.account } }, result: { record, back } }
    })

  const begin = async (bound: Bound, verification: 'required' | 'preferred' | 'discouraged') => {
    const { account } = bound
    const challenge = await challenges.make({ ...bound, verificationRequired: verification === 'required' })
    const allowCredentials = account === undefined ? [] : (await records.of(account)).map(({ value }) => descriptor(value))
    return generateAuthenticationOptions({ rpID: rpId, challenge, timeout, userVerification: verification, allowCredentials })
  }

  const finish = async (
    bound: Bound,
    answer: unknown,
    context: EventContext | undefined,
    deviceOf: NonNullable<SignInContext['deviceOf']>,
  ): Promise<PasskeyResult> => {
    const refuse = (code: PasskeyRefusalCode, account: string | undefined = bound.account): Refused<PasskeyRefusalCode> => {
      const whose = account === undefined ? {} : { account }
      mfaRefused.publish({ ...whose, factor: 'passkey', code }, { clock, ...context })
      return refused(code)
    }
    const parsed = parseAssertion(answer)
    if (parsed === undefined) return refuse('mfa.passkey_malformed')
    const { response, clientData } = parsed
    const opened = await open(clientData, bound)
    if (typeof opened === 'string') return refuse(opened)
    const id = passkeyId(response.id)
    const stored = await records.rows.get(id)
    if (stored === undefined || !isTheirs(stored.value, bound.account, response.response.userHandle)) {
      return refuse('mfa.passkey_unknown')
    }
    const { account } = stored.value
    const from: AttemptContext = { ...context, device: await deviceOf(account) }
    return attempting({ guard, account, factor: 'passkey', clock, context: from }, async () => {
      const verified = await site.verifyAssertion(response, clientData, stored.value, opened.required)
      if (typeof verified === 'string') return refuse(verified, account)
      const used = await use(id, verified)
      if (typeof used === 'string') return refuse(used, account)
      const { record, back } = used
      if (back) passkeyCounterBack.publish({ account, handle: id }, { clock, ...context })
      mfaVerified.publish({ account, factor: 'passkey' }, { clock, ...context })
      const proof: Proof = { ...toFactor(record, verified.userVerified), at: epochSeconds(clock) }
      return { ok: true, account, passkey: toPasskey({ id, value: record }), proof }
    })
  }

  return {
    async beginRegistration(account, { browser, userName, displayName = userName, use = 'sign_in' }) {
      for (const text of [userName, displayName]) checkName(text)
      const verificationRequired = use === 'sign_in'
      const challenge = await challenges.make({ purpose: 'register', account, browser, verificationRequired })
      return generateRegistrationOptions({
        rpID: rpId,
        rpName,
        userID: bytes(await records.userOf(account)),
        userName,
        userDisplayName: displayName,
        challenge,
        timeout,
        attestationType: attestation === undefined ? 'none' : 'direct',
        excludeCredentials: (await records.of(account)).map(({ value }) => descriptor(value)),
        authenticatorSelection: {
          residentKey: verificationRequired ? 'required' : 'discouraged',
          userVerification: verificationRequired ? 'required' : 'preferred',
        },
        supportedAlgorithmIDs: [...algorithms],
      })
    },

    async finishRegistration(account, { browser, response: answer, name }, context) {
      checkName(name)
      const result = await register(account, browser, answer, name)
      if (result.ok) mfaEnrolled.publish({ account, factor: 'passkey', replaced: false }, { clock, ...context })
      else mfaRefused.publish({ account, factor: 'passkey', code: result.reason.code }, { clock, ...context })
      return result
    },

    beginSignIn: ({ browser }) => begin({ purpose: 'sign_in', account: undefined, browser }, 'required'),
    finishSignIn: ({ browser, response }, context) =>
      finish({ purpose: 'sign_in', account: undefined, browser }, response, context, context?.deviceOf ?? noDevice),
    beginSecondFactor: (account, { browser }) => begin({ purpose: 'second_factor', account, browser }, secondFactorVerification),
    finishSecondFactor: (account, { browser, response }, context) =>
      finish({ purpose: 'second_factor', account, browser }, response, context, () => context?.device),

    list: async (account) => (await records.of(account)).map(toPasskey),
    factors: async (account) => (await records.of(account)).map(({ value }) => toFactor(value)),

    rename(account, handle, name) {
      checkName(name)
      return change<PasskeyRecord, boolean>(records.rows, handle, (was) => {
        if (was?.value.account !== account) return { result: false }
        return { record: { ...was.value, name }, options: { index: { account } }, result: true }
      })
    },

    async remove(account, handle, context) {
      const stored = await records.rows.get(handle)
      if (stored?.value.account !== account) return false
      const removed = await records.rows.remove(handle)
      if (removed) mfaRemoved.publish({ account, factor: 'passkey' }, { clock, ...context })
      return removed
    },
  }

  async function register(account: string, browser: string, answer: unknown, name: string): Promise<PasskeyRegistration> {
    const parsed = parseRegistration(answer)
    if (parsed === undefined) return refused('mfa.passkey_malformed')
    const { response, clientData } = parsed
    const opened = await open(clientData, { purpose: 'register', account, browser })
    if (typeof opened === 'string') return refused(opened)
    if ((await records.of(account)).length >= most) return refused('mfa.passkeys_full')
    let attestationObject: string | undefined
    try {
      attestationObject = await attest(response.response.attestationObject)
    } catch {
      return refused(attestation === undefined ? 'mfa.passkey_malformed' : 'mfa.attestation_refused')
    }
    if (attestationObject === undefined) return refused('mfa.attestation_refused')
    const verified = await site.verifyRegistration(
      { ...response, response: { ...response.response, attestationObject } },
      clientData,
    )
    if (typeof verified === 'string') return refused(verified)
    if (opened.required && !verified.userVerified) return refused('mfa.user_unverified')
    if (models !== undefined && !models.includes(verified.aaguid)) return refused('mfa.attestation_refused')
    const id = passkeyId(verified.credentialId)
    const user = await records.userOf(account)
    const record: PasskeyRecord = {
      ...verified,
      account,
      user,
      name,
      attested: attestation !== undefined,
      createdAt: clock.now(),
    }
    // WebAuthn L3 §7.1 step 26: an id belongs to one account.
    const created = await records.rows.create(id, record, { index: { account } })
    return created ? { ok: true, passkey: toPasskey({ id, value: record }) } : refused('mfa.passkey_taken')
  }
}

/** WebAuthn L3 §7.2 step 6: with an account that is known the passkey is its own; without one the user handle must say whose. */
function isTheirs({ account, user }: PasskeyRecord, known: string | undefined, userHandle: string | undefined): boolean {
  if (userHandle !== undefined && userHandle !== user) return false
  return known === undefined ? userHandle === user : account === known
}

function noDevice(): undefined {
  return undefined
}

function descriptor({ credentialId, transports }: PasskeyRecord) {
  return { id: credentialId, transports: [...transports] as ('usb' | 'nfc' | 'ble' | 'internal' | 'hybrid')[] }
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(text, 'base64url'))
}

function checkName(text: unknown): void {
  if (typeof text === 'string' && text.length <= 128 && /^[^\p{Cc}\p{Surrogate}]+$/u.test(text) && text.trim() === text) return
  const message = 'a name must be 1 to 128 characters without control characters and outer spaces'
  throw new MfaError('mfa.label_invalid', message, { status: 422 })
}
