import {
  type AttemptContext,
  type AttemptGuard,
  type Clock,
  type EventContext,
  type Reason,
  type Store,
  systemClock,
} from '@portcullis/core'
import { afterwards } from './afterwards.ts'
import { asking, type TooManyAttempts, typingIn } from './attempts.ts'
import { PasswordBusyError } from './errors.ts'
import { passwordChanged, type ResetBy, resetRequested } from './events.ts'
import { type AccountTokens, createAccountTokens, type IssuedToken, type TokenRefusal } from './one-time-tokens.ts'
import type { Passwords } from './passwords.ts'
import type { PasswordPolicy, PolicyFlaw } from './policy.ts'

/** An account, as far as a reset has to know it. */
export interface ResetAccount {
  /** As the application names it. */
  readonly account: string
  /** What a token is void without: join what it shall not outlive, the password hash and the e-mail address for example. */
  readonly state: string
  /** Whether a sign-in asks for a second factor: it will after a reset, too (ASVS 6.4.3). */
  readonly secondFactor: boolean
  /** Names and addresses, for the policy. */
  readonly about?: readonly string[]
}

/** What is to be sent to the account's owner, to an address that was known before. */
export interface ResetDelivery extends IssuedToken {
  readonly account: string
  readonly by: ResetBy
}

/** Options of {@link createPasswordReset}. */
export interface PasswordResetOptions {
  readonly store: Store
  readonly passwords: Pick<Passwords, 'hash'>
  readonly policy: PasswordPolicy
  readonly accounts: {
    /** By what a person types. `undefined`: nobody, or an account that may not sign in. */
    byIdentifier(identifier: string): Promise<ResetAccount | undefined>
    byAccount(account: string): Promise<ResetAccount | undefined>
    /** Stores the new hash if the state is still the same. False: it is not. */
    save(account: string, hash: string, state: string): Promise<boolean>
  }
  /** Sends the token. Called after `request` has answered; what it throws becomes the event `password.delivery_failed`. */
  readonly deliver: (delivery: ResetDelivery) => Promise<void>
  /** Ends all of the account's sessions, and whatever else a password gave. */
  readonly endSessions: (account: string) => Promise<void>
  /** How long a token lives, in seconds. Default: 900, a quarter of an hour. */
  readonly lifetime?: number
  /** How many live tokens an account may have: one who asks more often gets no further mail. Default: 3. */
  readonly maxLive?: number
  /**
   * Limits who asks for a reset, by name and by address, and who types codes in, by address: `createBruteForceGuard({ ...presets.reset })`
   * of `@portcullis/rate-limit`. It needs the request: pass `{ request }` with both. Default: none.
   */
  readonly guard?: AttemptGuard
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

/** What {@link PasswordReset.redeem} did. */
export type ResetResult =
  | {
      readonly ok: true
      readonly account: string
      /** Nobody is signed in by a reset; whether the sign-in that follows will ask for more than the password. */
      readonly secondFactorRequired: boolean
    }
  | { readonly ok: false; readonly reason: TokenRefusal }
  | TooManyAttempts
  | { readonly ok: false; readonly reason: Reason & { readonly code: 'password.refused' }; readonly flaws: readonly PolicyFlaw[] }
  | { readonly ok: false; readonly reason: Reason & { readonly code: 'password.busy' }; readonly retryAfter: number }

/** Replaces a password that was forgotten. */
export interface PasswordReset {
  /**
   * The same answer, nothing, after the same calls to the store, whether there is such an account or not: the handler cannot tell, and
   * so cannot tell anybody. Each request stores a token, at most `maxLive` for a name: without a `guard`, limit it by address before this
   * is called. A request over the guard's limit does nothing, and is answered alike.
   * @param identifier as typed in, letter case and such made one where the application takes several for one account
   * @param context where it comes from; on a known `device` the owner can ask although others have used up the account's limit
   */
  request(identifier: string, context?: AttemptContext): Promise<void>
  /**
   * For an administrator, who begins it and sees neither the token nor a password (ASVS 6.4.6).
   * False: there is no such account, or it has enough live tokens.
   */
  start(account: string): Promise<boolean>
  /** Whether a token is good, and leaves it so: for the page with the form. */
  peek(token: string): Promise<boolean>
  /** Uses the token up once everything else is right: a password that the policy refuses costs nobody a second mail. */
  redeem(token: string, password: string, context?: EventContext): Promise<ResetResult>
}

/** @throws PasswordError `password.options_invalid` */
export function createPasswordReset(options: PasswordResetOptions): PasswordReset {
  const { store, passwords, policy, accounts, deliver, endSessions } = options
  const { lifetime = 900, maxLive = 3, guard, clock = systemClock } = options
  const tokens: AccountTokens = createAccountTokens({ store, purpose: 'reset', lifetime, maxLive, clock })
  // For names that nobody has. What is made under them stays until it is out of time, as it does for accounts: removed sooner, a second
  // request would find less to do for nobody than for somebody.
  const nobodys: AccountTokens = createAccountTokens({ store, purpose: 'reset-nobody', lifetime, maxLive, clock })

  const stateOf = async (account: string): Promise<string | undefined> => (await accounts.byAccount(account))?.state

  function send(account: string, issued: IssuedToken, by: ResetBy): void {
    afterwards(account, async () => {
      resetRequested.publish({ account, by }, { clock })
      await deliver({ ...issued, account, by })
    })
  }

  async function replace(token: string, password: string): Promise<Exclude<ResetResult, TooManyAttempts>> {
    const seen = await tokens.peek(token, stateOf)
    if (!seen.ok) return seen
    const found = await accounts.byAccount(seen.account)
    if (found === undefined) return stale
    const { account, state, secondFactor, about = [] } = found
    const verdict = await policy.check(password, { account, secondFactor, about })
    if (!verdict.ok) {
      const reason = { code: 'password.refused', message: 'the new password does not meet the policy' } as const
      return { ok: false, reason, flaws: verdict.flaws }
    }
    let hash: string
    try {
      hash = await passwords.hash(password)
    } catch (error) {
      if (!(error instanceof PasswordBusyError)) throw error
      return { ok: false, reason: { code: 'password.busy', message: error.message }, retryAfter: error.retryAfter }
    }
    // Here, and nowhere before, one of any number of callers wins.
    const taken = await tokens.redeem(token, stateOf)
    if (!taken.ok) return taken
    if (!(await accounts.save(account, hash, state))) return stale
    await endSessions(account)
    passwordChanged.publish({ account, by: 'reset' }, { clock })
    return { ok: true, account, secondFactorRequired: secondFactor }
  }

  return {
    request: (identifier, context) =>
      asking(guard, identifier, context, async () => {
        const found = await accounts.byIdentifier(identifier)
        const issued = await (found === undefined ? nobodys.issue(identifier, '') : tokens.issue(found.account, found.state))
        if (found !== undefined && issued !== undefined) send(found.account, issued, 'owner')
        return issued !== undefined
      }),

    async start(account) {
      const found = await accounts.byAccount(account)
      const issued = found && (await tokens.issue(account, found.state))
      if (issued === undefined) return false
      send(account, issued, 'administrator')
      return true
    },

    peek: async (token) => (await tokens.peek(token, stateOf)).ok,

    redeem: (token, password, context) => typingIn(guard, token, context, () => replace(token, password)),
  }
}

const stale: { readonly ok: false; readonly reason: TokenRefusal } = {
  ok: false,
  reason: { code: 'password.token_stale', message: 'the account has changed since the token was made' },
}
