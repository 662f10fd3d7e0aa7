import {
  type AuthenticationResponseJSON,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server'
import { invalid } from './errors.ts'
import type { PasskeyRecord } from './passkey-record.ts'
import type { FactorRefusalCode } from './refusal.ts'
import type { ClientData } from './webauthn-answer.ts'

/** Why it was not accepted. */
export type PasskeyRefusalCode = Extract<
  FactorRefusalCode,
  | `mfa.passkey${string}`
  | 'mfa.challenge_unknown'
  | 'mfa.origin_foreign'
  | 'mfa.user_unverified'
  | 'mfa.counter_back'
  | 'mfa.backup_changed'
  | 'mfa.attestation_refused'
  | 'mfa.too_many_attempts'
>

/** The site, as SimpleWebAuthn is told of it. */
export interface Site {
  readonly rpId: string
  readonly origins: readonly string[]
  readonly topOrigins: readonly string[] | 'any'
  readonly algorithms: readonly number[]
}

/** What an authenticator said of a passkey that it made, all of it verified. */
export type VerifiedRegistration = Omit<PasskeyRecord, 'account' | 'user' | 'name' | 'attested' | 'createdAt'>

/** What an authenticator said when a passkey was used, all of it verified. */
export interface VerifiedAssertion {
  readonly counter: number
  readonly userVerified: boolean
  readonly backedUp: boolean
  readonly backupEligible: boolean
}

/** Verifies answers through SimpleWebAuthn, whose errors have no codes that one could branch on. */
export interface RelyingParty {
  /** Whether an answer was made where it may be (WebAuthn L3 §7.1 steps 9 to 11, §7.2 steps 12 to 14). */
  isAtHome(clientData: ClientData): boolean
  verifyRegistration(
    response: RegistrationResponseJSON,
    clientData: ClientData,
  ): Promise<VerifiedRegistration | PasskeyRefusalCode>
  /** @param required whether the authenticator must have verified the person */
  verifyAssertion(
    response: AuthenticationResponseJSON,
    clientData: ClientData,
    record: PasskeyRecord,
    required: boolean,
  ): Promise<VerifiedAssertion | PasskeyRefusalCode>
}

// What SimpleWebAuthn can verify: it would register an Ed448 key (-53), and never let it sign in. ML-DSA (-48) needs a Node.js that has it.
const verifiable: readonly number[] = [-7, -8, -35, -36, -48, -257, -258, -259]

/** @throws MfaError `mfa.options_invalid` */
export function createRelyingParty({ rpId, origins, topOrigins, algorithms }: Site): RelyingParty {
  checkSite(rpId, origins)
  if (algorithms.length === 0 || !algorithms.every((algorithm) => verifiable.includes(algorithm))) {
    throw invalid(`algorithms are among ${verifiable.join(', ')}`)
  }
  return {
    isAtHome({ origin, crossOrigin, topOrigin }) {
      if (!origins.includes(origin)) return false
      if (!crossOrigin) return topOrigin === undefined
      return topOrigins === 'any' || (topOrigin !== undefined && topOrigins.includes(topOrigin))
    },
    async verifyRegistration(response, { challenge }) {
      try {
        const { verified, registrationInfo } = await verifyRegistrationResponse({
          response,
          expectedChallenge: challenge,
          expectedOrigin: [...origins],
          expectedRPID: rpId,
          requireUserVerification: false,
          supportedAlgorithmIDs: [...algorithms],
        })
        if (!verified) return 'mfa.passkey_invalid'
        const { credential, aaguid, userVerified, credentialDeviceType, credentialBackedUp: backedUp } = registrationInfo
        return {
          credentialId: credential.id,
          publicKey: Buffer.from(credential.publicKey).toString('base64url'),
          counter: credential.counter,
          transports: credential.transports ?? [],
          aaguid,
          backupEligible: credentialDeviceType === 'multiDevice',
          backedUp,
          userVerified,
        }
      } catch {
        return 'mfa.passkey_invalid'
      }
    },
    async verifyAssertion(response, { challenge, topOrigin }, record, required) {
      try {
        const { verified, authenticationInfo: info } = await verifyAuthenticationResponse({
          response,
          expectedChallenge: challenge,
          expectedOrigin: [...origins],
          expectedRPID: rpId,
          ...(topOrigin === undefined ? {} : { expectedTopOrigin: topOrigin }),
          requireUserVerification: required,
          // The counter is judged elsewhere, where it is known whether the passkey is synced.
          credential: { id: record.credentialId, publicKey: bytes(record.publicKey), counter: 0 },
        })
        if (!verified) return 'mfa.passkey_invalid'
        const { newCounter: counter, userVerified, credentialDeviceType, credentialBackedUp: backedUp } = info
        return { counter, userVerified, backedUp, backupEligible: credentialDeviceType === 'multiDevice' }
      } catch {
        return required && !verifiesUser(response) ? 'mfa.user_unverified' : 'mfa.passkey_invalid'
      }
    },
  }
}

// WebAuthn L3 §6.1: bit 2 of the flags, behind the hash of the RP ID.
function verifiesUser(response: AuthenticationResponseJSON): boolean {
  return ((bytes(response.response.authenticatorData)[32] ?? 0) & 0x04) !== 0
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(text, 'base64url'))
}

function checkSite(rpId: string, origins: readonly string[]): void {
  if (origins.length === 0) throw invalid('passkeys need the origins that they are used on')
  for (const origin of origins) {
    // What an Android app sends in place of an origin: the hash of its signing certificate.
    if (/^android:apk-key-hash:[\w-]{43}$/.test(origin)) continue
    const url = URL.canParse(origin) ? new URL(origin) : undefined
    const secure = url?.protocol === 'https:' || (url?.protocol === 'http:' && url.hostname === 'localhost')
    if (url?.origin !== origin || !secure) throw invalid('an origin is not written as https://host')
    // WebAuthn L3 §5.1.2: a browser refuses any other, much later and saying less.
    if (url.hostname !== rpId && !url.hostname.endsWith(`.${rpId}`)) throw invalid('an origin is not on the domain rpId')
  }
}
