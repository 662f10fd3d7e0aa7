import { defineEvent, type EventType } from '@portcullis/core'

/** Who and for whom. */
export interface OAuthEvent {
  readonly clientId: string
  readonly subject: string
}

/** Somebody has signed in for a client, with every factor that the account has. */
export const signedInEvent: EventType<
  'oauth.signed_in',
  OAuthEvent & { readonly acr: string; readonly amr: readonly string[]; readonly sessionId: string }
> = defineEvent('oauth.signed_in')

/** A password was refused. What was typed is not in it: it may have been the password. */
export const signInRefusedEvent: EventType<
  'oauth.sign_in_refused',
  { readonly clientId: string; readonly reason: 'refused' | 'limited' | 'account_unavailable' }
> = defineEvent('oauth.sign_in_refused')

/** A second factor was right. */
export const secondFactorPassedEvent: EventType<'oauth.second_factor_passed', OAuthEvent> =
  defineEvent('oauth.second_factor_passed')

/** A second factor was refused. */
export const secondFactorRefusedEvent: EventType<
  'oauth.second_factor_refused',
  OAuthEvent & { readonly reason: 'refused' | 'limited' | 'too_many' }
> = defineEvent('oauth.second_factor_refused')

/** A person has allowed a client what it asked for. */
export const consentGivenEvent: EventType<'oauth.consent_given', OAuthEvent & { readonly scopes: readonly string[] }> =
  defineEvent('oauth.consent_given')

/** A person has refused. */
export const consentRefusedEvent: EventType<'oauth.consent_refused', OAuthEvent & { readonly scopes: readonly string[] }> =
  defineEvent('oauth.consent_refused')

/** An authorization request was turned down. `clientId` as it was sent, where it names a client. */
export const authorizationRefusedEvent: EventType<
  'oauth.authorization_refused',
  { readonly clientId: string | undefined; readonly error: string; readonly reason: string }
> = defineEvent('oauth.authorization_refused')

/** An authorization code went out. `interactive`: a person was asked. */
export const codeIssuedEvent: EventType<
  'oauth.code_issued',
  OAuthEvent & { readonly scopes: readonly string[]; readonly interactive: boolean }
> = defineEvent('oauth.code_issued')

/** A code that had been redeemed was presented again; the refresh tokens that it led to have ended (RFC 6749 §4.1.2). */
export const codeReplayedEvent: EventType<'oauth.code_replayed', OAuthEvent & { readonly familyId: string | undefined }> =
  defineEvent('oauth.code_replayed')

/** Tokens went out. `jti` is the access token's. */
export const tokenIssuedEvent: EventType<
  'oauth.token_issued',
  OAuthEvent & {
    readonly grantType: string
    readonly scopes: readonly string[]
    readonly audience: string
    readonly jti: string
    readonly refreshToken: boolean
  }
> = defineEvent('oauth.token_issued')

/** A request to the token endpoint was turned down. `clientId` once the client has proven itself. */
export const tokenRefusedEvent: EventType<
  'oauth.token_refused',
  {
    readonly clientId: string | undefined
    readonly grantType: string | undefined
    readonly error: string
    readonly reason: string
  }
> = defineEvent('oauth.token_refused')

/** A client gave a refresh token back. */
export const tokenRevokedEvent: EventType<'oauth.token_revoked', { readonly clientId: string }> =
  defineEvent('oauth.token_revoked')

/** A browser was signed out. `clientId`: the client that asked, where it is known. */
export const signedOutEvent: EventType<'oauth.signed_out', { readonly subject: string; readonly clientId: string | undefined }> =
  defineEvent('oauth.signed_out')
