/** Whom a request speaks for, as an authenticating guard (`bearer`, `session`) found out. Plain data, safe to log. */
export interface Principal {
  /** Stable identifier, unique within its issuer: the `sub` of a token, the user id of a session. */
  readonly subject: string
  /** A person, or a program acting for itself (client credentials). */
  readonly kind: 'user' | 'client'
  /** The tenant the principal acts in. Never taken from a body or a header. */
  readonly tenant?: string
  /** Role names held in that tenant. */
  readonly roles: readonly string[]
  /** What the credential was limited to; `undefined` where it has no such limit (a first-party session). */
  readonly scopes?: readonly string[]
  /** The OAuth client that acts, where there is one. */
  readonly clientId?: string
  /** Authentication methods that were used (RFC 8176), for example `['pwd', 'otp']`. */
  readonly amr?: readonly string[]
  /** The assurance reached, for example `aal2` (RFC 9470 §6). */
  readonly acr?: string
  /** When the person last proved who he is: seconds since the epoch. */
  readonly authTime?: number
  /** How to ask this caller for more: the scheme that `WWW-Authenticate` names, and parameters common to all challenges. */
  readonly challenge?: { readonly scheme: string; readonly params?: Readonly<Record<string, string>> }
}
