import type { Reason } from '@portcullis/core'

const messages = {
  'mfa.not_enrolled': 'the account has no such factor, or no enrolment to confirm',
  'mfa.too_many_attempts': 'too many attempts at a factor of this account, or from this address',
  'mfa.too_many_sends': 'too many codes were made for this account and purpose',
  'mfa.code_malformed': 'the code does not have the form of a code',
  'mfa.code_wrong': 'the code is not right',
  'mfa.code_used': 'the code was right once, and is used up',
  'mfa.code_unknown': 'no code is open for this request: it expired, was used, was guessed at too often, or belongs elsewhere',
  'mfa.secret_too_short': 'the stored secret is shorter than 128 bits, which allowShortSecrets would take',
  'mfa.challenge_unknown': 'no challenge is open for this answer: used, expired, or made for another browser, account or purpose',
  'mfa.passkey_malformed': 'the answer does not have the form of a WebAuthn answer',
  'mfa.passkey_invalid': 'the answer does not verify: type, relying party, flags or signature',
  'mfa.passkey_unknown': 'no passkey with this id belongs to this account',
  'mfa.passkey_taken': 'a passkey with this id exists already',
  'mfa.passkeys_full': 'the account has as many passkeys as it may have',
  'mfa.origin_foreign': 'the answer was made on another origin, or inside a page of one',
  'mfa.user_unverified': 'the authenticator did not verify the person, and the policy asks for it',
  'mfa.counter_back': 'the signature counter of a device-bound passkey did not go forward: it may be a copy',
  'mfa.backup_changed': 'the passkey says otherwise than at registration whether it can be backed up',
  'mfa.attestation_refused': 'the attestation does not lead to a pinned anchor, or names an authenticator that is not allowed',
  'mfa.device_unknown': 'no remembered device of this account has this token, or its credentials have changed since',
} as const

/** Why a factor was not accepted: for the log. A client hears one text for all of them. */
export type FactorRefusalCode = keyof typeof messages

/** A refusal with its reason. */
export interface FactorRefusal<Code extends FactorRefusalCode = FactorRefusalCode> extends Reason {
  readonly code: Code
}

/** What a factor answers when it does not accept. */
export interface Refused<Code extends FactorRefusalCode = FactorRefusalCode> {
  readonly ok: false
  readonly reason: FactorRefusal<Code>
  /** Whole seconds after which another attempt may be let through; with `mfa.too_many_attempts` and `mfa.too_many_sends`. */
  readonly retryAfter?: number
}

/** @param retryAfter whole seconds */
export function refused<Code extends FactorRefusalCode>(code: Code, retryAfter?: number): Refused<Code> {
  const reason = { code, message: messages[code] }
  return retryAfter === undefined ? { ok: false, reason } : { ok: false, reason, retryAfter }
}
