import type { Clock } from '@portcullis/core'
import type { Sessions } from '@portcullis/sessions'
import type { DpopVerifier, KeyRing, RefreshTokens, RevocationCheck, Revoker, TokenIssuer } from '@portcullis/tokens'
import type { Accounts, Proof } from './account.ts'
import type { ClientDirectory } from './client.ts'
import type { Codes } from './code.ts'
import type { StoredConsents } from './consent.ts'
import type { SignOuts } from './end-session.ts'
import type { Interactions } from './interaction.ts'
import type { ScopeCatalog } from './scope.ts'

/** What a session holds of how somebody signed in: what was proven. Nothing in an anonymous one. */
export type SignIn = {
  readonly proofs?: readonly Proof[]
}

/** Where the endpoints are, below the issuer's own path. */
export interface Paths {
  readonly authorize: string
  readonly interaction: string
  readonly signIn: string
  readonly secondFactor: string
  readonly passkey: string
  readonly passkeyOptions: string
  readonly passkeyScript: string
  readonly consent: string
  readonly token: string
  readonly revocation: string
  readonly userinfo: string
  readonly jwks: string
  readonly endSession: string
  readonly signOut: string
}

/** Seconds, all of them. */
export interface Lifetimes {
  /** An authorization code. Default: 60; at most 600 (RFC 6749 §4.1.2). */
  readonly code: number
  /** From the authorization request to the consent. Default: 900. */
  readonly interaction: number
  /** Default: 300. */
  readonly accessToken: number
  /** Default: 300. */
  readonly idToken: number
}

/** What the endpoints share: the server's configuration, checked, and its state. */
export interface Provider {
  readonly issuer: string
  readonly brand: string
  readonly passwordResetPath: string | undefined
  readonly clock: Clock
  /** Paths on this host, the issuer's own included. */
  readonly paths: Paths
  readonly lifetimes: Lifetimes
  readonly clients: ClientDirectory
  readonly accounts: Accounts
  readonly catalog: ScopeCatalog
  readonly sessions: Sessions<SignIn>
  readonly ring: KeyRing
  readonly tokens: TokenIssuer
  readonly refreshTokens: RefreshTokens
  readonly dpop: DpopVerifier | undefined
  readonly revocations: (RevocationCheck & Revoker) | undefined
  readonly codes: Codes
  readonly interactions: Interactions
  readonly consents: StoredConsents
  readonly signOuts: SignOuts
}
