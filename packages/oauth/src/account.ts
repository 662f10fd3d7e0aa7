import type { RequestView } from '@portcullis/core'

/** A person, as the application knows them. */
export interface Account {
  /** Never reassigned to somebody else: it becomes `sub`. */
  readonly subject: string
  readonly tenant?: string
  /** Role names; they go into access tokens as they are when a token is issued or refreshed. */
  readonly roles: readonly string[]
  /** Whether a second factor is enrolled. If it is, it is asked for on every way in. */
  readonly secondFactor: boolean
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

/** What a check of a password or a code came to. The refusal does not say why: whoever asks learns nothing about accounts. */
export type CheckResult<Ok extends object = object> =
  | ({
      readonly type: 'ok' /** Methods used (RFC 8176); `['pwd']` and `['otp']` by default. */
      readonly amr?: readonly string[]
    } & Ok)
  | { readonly type: 'refused' }
  /** Too many attempts. `retryAfter` in seconds. */
  | { readonly type: 'limited'; readonly retryAfter: number }

/** What the application brings: who people are, and how they prove it. */
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
  /** Checks a one-time code. Counts attempts before it checks, and takes a code once. */
  secondFactor(attempt: { readonly subject: string; readonly code: string; readonly request: RequestView }): Promise<CheckResult>
  /** `undefined`: gone or disabled; every way in is then shut, refresh tokens included. */
  find(subject: string): Promise<Account | undefined>
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
