export { MfaError, type MfaErrorCode } from './errors.ts'
export { type FactorEvent, mfaEnrolled, mfaRefused, mfaRemoved, mfaVerified } from './events.ts'
export type { TotpAlgorithm } from './hotp.ts'
export {
  createTotp,
  type EnrolOptions,
  type Totp,
  type TotpEnrolment,
  type TotpOptions,
  type TotpRefusal,
  type TotpResult,
} from './totp.ts'
