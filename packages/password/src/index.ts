export { PasswordError, type PasswordErrorCode } from './errors.ts'
export { type Argon2Parameters, allowWeakParameters } from './parameters.ts'
export {
  createPasswords,
  type PasswordRefusal,
  type Passwords,
  type PasswordsOptions,
  type PasswordVerification,
} from './passwords.ts'
export type { PasswordFlaw } from './profile.ts'
