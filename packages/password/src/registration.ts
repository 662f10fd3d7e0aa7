import { type AttemptContext, type AttemptGuard, type Clock, type EventContext, type Store, systemClock } from '@portcullis/core'
import { afterwards } from './afterwards.ts'
import { asking, type TooManyAttempts, typingIn } from './attempts.ts'
import { createAccountTokens, type IssuedToken, type TokenRefusal } from './one-time-tokens.ts'

/** What is to be sent to an address: a link that confirms it, or the notice that it has an account already. */
export type RegistrationDelivery =
  | ({ readonly kind: 'confirm'; readonly email: string } & IssuedToken)
  | { readonly kind: 'exists'; readonly email: string }

/** Options of {@link createRegistration}. */
export interface RegistrationOptions {
  readonly store: Store
  /** Whether an account has this address. */
  readonly exists: (email: string) => Promise<boolean>
  /** Sends it. Called after `request` has answered; what it throws becomes the event `password.delivery_failed`. */
  readonly deliver: (delivery: RegistrationDelivery) => Promise<void>
  /** How long a token lives, in seconds. Default: 86400, a day. */
  readonly lifetime?: number
  /** How many live tokens an address may have. Default: 3. */
  readonly maxLive?: number
  /** As that of a reset; of a name of its own, so that each has its own limits. Default: none. */
  readonly guard?: AttemptGuard
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

/** What {@link Registration.confirm} found. */
export type RegistrationConfirmation =
  | { readonly ok: true; readonly email: string }
  | { readonly ok: false; readonly reason: TokenRefusal }
  | TooManyAttempts

/** Registers people by their address, and tells nobody who has registered. */
export interface Registration {
  /** The same answer, nothing, after the same calls to the store, whether the address has an account or not (ASVS 6.3.8). */
  request(email: string, context?: AttemptContext): Promise<void>
  /** Uses the token up: whoever has it reads the mail of this address, which has no account yet. */
  confirm(token: string, context?: EventContext): Promise<RegistrationConfirmation>
}

/** @throws PasswordError `password.options_invalid` */
export function createRegistration(options: RegistrationOptions): Registration {
  const { store, exists, deliver, lifetime = 86_400, maxLive = 3, guard, clock = systemClock } = options
  const tokens = createAccountTokens({ store, purpose: 'verification', lifetime, maxLive, clock })
  return {
    request: (email, context) =>
      asking(guard, email, context, async () => {
        const taken = await exists(email)
        const issued = await tokens.issue(email, email)
        if (issued === undefined) return false
        afterwards(undefined, async () => {
          // The token for an address that has an account goes nowhere, and `confirm` would refuse it.
          await deliver(taken ? { kind: 'exists', email } : { kind: 'confirm', email, ...issued })
        })
        return true
      }),
    confirm: (token, context) =>
      typingIn(guard, token, context, async () => {
        // Void when the address got an account in the meantime, by another token.
        const redeemed = await tokens.redeem(token, async (email) => ((await exists(email)) ? undefined : email))
        return redeemed.ok ? { ok: true, email: redeemed.account } : redeemed
      }),
  }
}
