import type { HeaderList, Json, RequestView } from '@portcullis/core'

/** A person, as the application knows them. */
export interface Account {
  /** Never reassigned to somebody else: it becomes `sub`. */
  readonly subject: string
  readonly tenant?: string
  /** Role names; they go into access tokens as they are when a token is issued or refreshed. */
  readonly roles: readonly string[]
  /** Standard claims (OpenID Connect Core §5.1) except `sub`, such as `name` and `email`. */
  readonly claims?: AccountClaims
}

/** Standard claims of OpenID Connect Core §5.1. Only those that a granted scope covers leave the server (§5.4). */
export interface AccountClaims {
  readonly name?: string
  readonly given_name?: string
  readonly family_name?: string
  readonly middle_name?: string
  readonly nickname?: string
  readonly preferred_username?: string
  readonly profile?: string
  readonly picture?: string
  readonly website?: string
  readonly gender?: string
  readonly birthdate?: string
  readonly zoneinfo?: string
  readonly locale?: string
  /** Seconds since the epoch. */
  readonly updated_at?: number
  readonly email?: string
  readonly email_verified?: boolean
  readonly phone_number?: string
  readonly phone_number_verified?: boolean
  readonly address?: Readonly<Record<string, string>>
}

/**
 * One thing that somebody has proven, and when: JSON that the session keeps, and that goes back to {@link Accounts.decide} as it
 * came. Nothing here reads it. A `Proof` of `@portcullis/mfa` is one.
 */
export type Proof = { readonly [member: string]: Json | undefined }

/** What a check of a password, a code or a passkey came to. The refusal does not say why: whoever asks learns nothing about accounts. */
export type CheckResult<Ok extends object = object> =
  | ({
      readonly type: 'ok'
      /** What was proven by it: one proof, and more where the browser brought something along, such as a remembered device. */
      readonly proofs: readonly Proof[]
      /** Sent along with the answer: a cookie that says that this browser is known. */
      readonly headers?: HeaderList
    } & Ok)
  | { readonly type: 'refused' }
  /** Too many attempts. `retryAfter` in seconds. */
  | { readonly type: 'limited'; readonly retryAfter: number }

/**
 * What {@link Accounts.decide} is asked: the question of `createAssurance` of `@portcullis/mfa`, but for what the account has.
 * `P`: the proofs of whoever weighs them.
 */
export interface AssuranceQuestion<P extends Proof = Proof> {
  readonly subject: string
  readonly proofs: readonly P[]
  readonly requirement: {
    /** From `acr_values` (RFC 9470 §4). */
    readonly aal?: AssuranceLevel
    /** Seconds; from `max_age`. */
    readonly maxAge?: number
  }
  /** Seconds since the epoch. */
  readonly now: number
}

/** What {@link Accounts.decide} answers: the decision of `createAssurance` of `@portcullis/mfa`, as far as it is read here. */
export type AssuranceDecision =
  | {
      readonly type: 'enough'
      readonly assessment: {
        readonly acr: string | undefined
        readonly amr: readonly string[]
        /** Seconds since the epoch: becomes `auth_time`. */
        readonly authTime: number | undefined
      }
    }
  /** One of these has to be proven too. `password` and `passkey` are what they say; every other name is a code that can be typed in. */
  | { readonly type: 'more'; readonly accept: readonly string[] }
  /** What the account has can't be enough; with `enrol` something could that it may set up elsewhere. */
  | { readonly type: 'enrol' | 'impossible' }

/** Assurance after one factor, and after two (NIST SP 800-63B's names). */
export type AssuranceLevel = 'aal1' | 'aal2'

/** Everything that {@link AssuranceLevel} can be, the lowest first. */
export const ASSURANCE_LEVELS: readonly AssuranceLevel[] = ['aal1', 'aal2']

/** What the application brings: who people are, how they prove it, and how much proof is enough. */
export interface Accounts {
  /**
   * Checks a password. Takes the same time whether the user exists or not, and counts attempts before it checks.
   * @param attempt.username as typed, unchecked
   */
  authenticate(attempt: {
    readonly username: string
    readonly password: string
    readonly request: RequestView
  }): Promise<CheckResult<{ readonly subject: string }>>
  /** Checks a code of whatever kind the account has: counts attempts before it checks, and takes a code once. */
  secondFactor(attempt: { readonly subject: string; readonly code: string; readonly request: RequestView }): Promise<CheckResult>
  /** Signing in by passkey, and passkeys as a second factor; without it the pages offer none. */
  readonly passkeys?: AccountPasskeys
  /** `undefined`: gone or disabled; every way in is then shut, refresh tokens included. */
  find(subject: string): Promise<Account | undefined>
  /**
   * Weighs what was proven. Asked on every way in, and again each time that a session is looked at: nothing goes around it, and what
   * was enough yesterday is not when a second factor has been set up since.
   * @example
   * decide: async (question: AssuranceQuestion<Proof>) => assurance.decide({ ...question, enrolled: await factorsOf(question.subject) })
   */
  decide(question: AssuranceQuestion): Promise<AssuranceDecision>
}

/** Passkeys (WebAuthn), as `createPasskeys` of `@portcullis/mfa/passkeys` makes and checks them. */
export interface AccountPasskeys {
  /** Path on this host of a module with `signInWithPasskey(options)`: that of `@portcullis/mfa/browser`, served as it is. */
  readonly module: string
  /**
   * Options for the browser, with a challenge that is good once, in this browser.
   * @param from.subject who is asked; `undefined`: whoever has a passkey here
   * @param from.browser names the browser's session
   */
  begin(from: { readonly subject: string | undefined; readonly browser: string; readonly request: RequestView }): Promise<object>
  /** Checks the browser's answer. @param answer.response unchecked JSON */
  finish(answer: {
    readonly subject: string | undefined
    readonly browser: string
    readonly response: unknown
    readonly request: RequestView
  }): Promise<CheckResult<{ readonly subject: string }>>
}

const CLAIMS_OF: Readonly<Record<string, readonly (keyof AccountClaims)[]>> = {
  profile: [
    'name',
    'family_name',
    'given_name',
    'middle_name',
    'nickname',
    'preferred_username',
    'profile',
    'picture',
    'website',
    'gender',
    'birthdate',
    'zoneinfo',
    'locale',
    'updated_at',
  ],
  email: ['email', 'email_verified'],
  address: ['address'],
  phone: ['phone_number', 'phone_number_verified'],
}

/** The names of every claim that userinfo may answer with. */
export const CLAIM_NAMES: readonly string[] = ['sub', ...Object.values(CLAIMS_OF).flat()]

/** The claims that these scopes cover (OpenID Connect Core §5.4). */
export function claimsFor(account: Account, scopes: readonly string[]): Record<string, unknown> {
  const claims: Record<string, unknown> = { sub: account.subject }
  for (const name of scopes.flatMap((scope) => CLAIMS_OF[scope] ?? [])) {
    const value = account.claims?.[name]
    if (value !== undefined) claims[name] = value
  }
  return claims
}
