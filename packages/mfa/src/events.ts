import { defineEvent, type EventType } from '@portcullis/core'

/** The factors that this package keeps. */
export type FactorName = 'totp' | 'hotp' | 'passkey' | 'recovery_code' | 'one_time_code' | 'remembered_device'

/** Which factor of which account an event is about. */
export interface FactorEvent {
  readonly account: string
  readonly factor: FactorName
}

/** A factor became active; `replaced`: another one stopped counting with it. */
export const mfaEnrolled: EventType<'mfa.enrolled', FactorEvent & { readonly replaced: boolean }> = defineEvent('mfa.enrolled')

/** A factor was proven. */
export const mfaVerified: EventType<'mfa.verified', FactorEvent> = defineEvent('mfa.verified')

/** A factor was tried in vain; `code` says why. No account: nobody can tell whose it was meant to be. */
export const mfaRefused: EventType<
  'mfa.refused',
  Omit<FactorEvent, 'account'> & { readonly account?: string; readonly code: string }
> = defineEvent('mfa.refused')

/** An active factor was taken away. */
export const mfaRemoved: EventType<'mfa.removed', FactorEvent> = defineEvent('mfa.removed')

/** A recovery code was used; the person should hear of it. `remaining`: how many are left. */
export const recoveryCodeUsed: EventType<'mfa.recovery_code_used', { readonly account: string; readonly remaining: number }> =
  defineEvent('mfa.recovery_code_used')

/** Few recovery codes are left, or none: the person should make new ones. */
export const recoveryCodesLow: EventType<'mfa.recovery_codes_low', { readonly account: string; readonly remaining: number }> =
  defineEvent('mfa.recovery_codes_low')

/** A one-time code was made, to be sent by the application. */
export const oneTimeCodeMade: EventType<
  'mfa.one_time_code_made',
  { readonly account: string; readonly purpose: string; readonly channel: string }
> = defineEvent('mfa.one_time_code_made')

/**
 * The signature counter of a synced passkey went back: mostly one of its devices that does not count. A signal, not a refusal.
 * `handle` names the passkey.
 */
export const passkeyCounterBack: EventType<'mfa.passkey_counter_back', { readonly account: string; readonly handle: string }> =
  defineEvent('mfa.passkey_counter_back')
