export type { AttemptContext, AttemptGuard, KnownDevice } from '@portcullis/core'
export type { TooManyAttempts } from './attempts.ts'
export {
  type AccountTokens,
  type AccountTokensOptions,
  createAccountTokens,
  type IssuedToken,
  type TokenRefusal,
  type TokenRefusalCode,
} from './one-time-tokens.ts'
export {
  createRegistration,
  type Registration,
  type RegistrationConfirmation,
  type RegistrationDelivery,
  type RegistrationOptions,
} from './registration.ts'
export {
  createPasswordReset,
  type PasswordReset,
  type PasswordResetOptions,
  type ResetAccount,
  type ResetDelivery,
  type ResetResult,
} from './reset.ts'
