export type { BreachCheck, BreachVerdict } from './breach-check.ts'
export {
  createPasswordChange,
  type PasswordChange,
  type PasswordChangeOptions,
  type PasswordChangeRequest,
  type PasswordChangeResult,
} from './change.ts'
export { PasswordBusyError, PasswordError, type PasswordErrorCode } from './errors.ts'
export {
  type AccountEvent,
  breachCheckSkipped,
  deliveryFailed,
  type GateRefusing,
  gateRefusing,
  type MixGrown,
  mixGrown,
  type PasswordChangeBy,
  type PasswordRefusedEvent,
  passwordChanged,
  passwordRefused,
  type ResetBy,
  resetRequested,
  tokenRefused,
} from './events.ts'
export { createPasswordGate, type GateLoad, type Passage, type PasswordGate, type PasswordGateOptions } from './gate.ts'
export type { HashLimits } from './limits.ts'
export { type Argon2Parameters, allowWeakParameters } from './parameters.ts'
export {
  createPasswords,
  type PasswordBusy,
  type PasswordRefusal,
  type Passwords,
  type PasswordsOptions,
  type PasswordVerification,
} from './passwords.ts'
export type { PepperOptions } from './pepper.ts'
export {
  createPasswordPolicy,
  type PasswordPolicy,
  type PasswordPolicyOptions,
  type PolicyFlaw,
  type PolicyFlawCode,
  type PolicySubject,
  type PolicyVerdict,
} from './policy.ts'
export type { PasswordFlaw } from './profile.ts'
export type { Strength, StrengthEstimator } from './strength.ts'
export type { Argon2Work, BcryptWork, Pbkdf2Work, ScryptWork, Work } from './work.ts'
export type { OldDigest } from './wrapped.ts'
