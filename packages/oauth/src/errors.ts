import { PortcullisError } from '@portcullis/core'

/** The codes of {@link OAuthError}. */
export type OAuthErrorCode =
  | 'oauth.issuer_invalid'
  | 'oauth.options_invalid'
  | 'oauth.resource_invalid'
  | 'oauth.scope_invalid'
  | 'oauth.client_invalid'
  | 'oauth.client_duplicate'
  | 'oauth.client_secret_weak'
  | 'oauth.redirect_uri_invalid'
  | 'oauth.account_invalid'

/** A mistake in how this package is set up. What a client or a person gets wrong is answered, and never thrown. */
export class OAuthError extends PortcullisError<OAuthErrorCode> {}
