import { defineEvent, type EventType } from '@portcullis/core'

/** Which factor of which account an event is about. */
export interface FactorEvent {
  readonly account: string
  readonly factor: 'totp'
}

/** A factor became active; `replaced`: another one stopped counting with it. */
export const mfaEnrolled: EventType<'mfa.enrolled', FactorEvent & { readonly replaced: boolean }> = defineEvent('mfa.enrolled')

/** A factor was proven. */
export const mfaVerified: EventType<'mfa.verified', FactorEvent> = defineEvent('mfa.verified')

/** A factor was tried in vain; `code` says why. */
export const mfaRefused: EventType<'mfa.refused', FactorEvent & { readonly code: string }> = defineEvent('mfa.refused')

/** An active factor was taken away. */
export const mfaRemoved: EventType<'mfa.removed', FactorEvent> = defineEvent('mfa.removed')
