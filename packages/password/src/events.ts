import { defineEvent, type EventType } from '@portcullis/core'

/** Data of {@link gateRefusing}. */
export interface GateRefusing {
  /** How many hashes run at once. */
  readonly size: number
  /** How many wait. */
  readonly waiting: number
  /** Seconds, as those who are refused are told. */
  readonly retryAfter: number
}

/** The gate before the hashes has begun to refuse. Published once, until nobody waits any more. */
export const gateRefusing: EventType<'password.gate_refusing', GateRefusing> = defineEvent('password.gate_refusing')

/** Data of {@link mixGrown}. */
export interface MixGrown {
  /** The sort of work, `bcrypt` for example. */
  readonly kind: string
}

/** A stored hash asks for work that `mix` does not name: until now an unknown account cost less. Add it to `mix`. */
export const mixGrown: EventType<'password.mix_grown', MixGrown> = defineEvent('password.mix_grown')

/** Whose password an event is about, as the application names its accounts. */
export interface AccountEvent {
  readonly account: string
}

/** How a password came to be another one. */
export type PasswordChangeBy = 'change' | 'reset'

/** A password was replaced: tell its owner, by another way than the one that led here (ASVS 6.3.7). */
export const passwordChanged: EventType<'password.changed', AccountEvent & { readonly by: PasswordChangeBy }> =
  defineEvent('password.changed')

/** Data of {@link passwordRefused}. */
export interface PasswordRefusedEvent {
  /** Missing where there is no account yet. */
  readonly account?: string
  /** The codes of its flaws, `password.breached` for example. */
  readonly flaws: readonly string[]
}

/** A new password was refused by the policy. */
export const passwordRefused: EventType<'password.refused', PasswordRefusedEvent> = defineEvent('password.refused')

/** The service that knows breached passwords did not answer; `accepted`: the password went through unchecked. */
export const breachCheckSkipped: EventType<'password.breach_unchecked', { readonly accepted: boolean }> =
  defineEvent('password.breach_unchecked')

/** Who began a reset. */
export type ResetBy = 'owner' | 'administrator'

/** A reset was asked for, for an account that exists. Its token is not here: it goes to its owner alone. */
export const resetRequested: EventType<'password.reset_requested', AccountEvent & { readonly by: ResetBy }> =
  defineEvent('password.reset_requested')

/** A token was shown that is not good: guessed, used before, out of time, or made before the account changed. */
export const tokenRefused: EventType<'password.token_refused', { readonly purpose: string; readonly code: string }> =
  defineEvent('password.token_refused')

/** What was to be sent after an answer could not be. */
export const deliveryFailed: EventType<'password.delivery_failed', { readonly account?: string }> =
  defineEvent('password.delivery_failed')
