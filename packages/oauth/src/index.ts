export type {
  Account,
  AccountClaims,
  AccountPasskeys,
  Accounts,
  AssuranceDecision,
  AssuranceLevel,
  AssuranceQuestion,
  CheckResult,
  Proof,
} from './account.ts'
export {
  type Client,
  type ClientAuthenticationMethod,
  type ClientDirectory,
  checkClient,
  clientsFrom,
  type GrantType,
  generateClientSecret,
  hashClientSecret,
} from './client.ts'
export type { Consent, Consents } from './consent.ts'
export { type AuthorizationServer, type AuthorizationServerOptions, createAuthorizationServer } from './endpoints.ts'
export { OAuthError, type OAuthErrorCode } from './errors.ts'
export {
  authorizationRefusedEvent,
  codeIssuedEvent,
  codeReplayedEvent,
  consentGivenEvent,
  consentRefusedEvent,
  type OAuthEvent,
  secondFactorPassedEvent,
  secondFactorRefusedEvent,
  signedInEvent,
  signedOutEvent,
  signInRefusedEvent,
  tokenIssuedEvent,
  tokenRefusedEvent,
  tokenRevokedEvent,
} from './events.ts'
export type { Metadata } from './metadata.ts'
export type { Lifetimes, Paths, SignIn } from './provider.ts'
export type { ProtocolError } from './refusal.ts'
export type { Resource } from './scope.ts'
