export type { AttemptContext, AttemptGuard, KnownDevice } from '@portcullis/core'
export {
  type Aal,
  type Assessment,
  type Assurance,
  type AssuranceDecision,
  type AssuranceOptions,
  type AssuranceReason,
  type Channel,
  createAssurance,
  createRememberedDevices,
  type DeviceResult,
  type Factor,
  type FactorChange,
  type FactorKind,
  type Method,
  type Proof,
  type Question,
  type Remembered,
  type RememberedDevice,
  type RememberedDevices,
  type RememberedDevicesOptions,
  type Requirement,
} from './assurance.ts'
export { MfaError, type MfaErrorCode } from './errors.ts'
export {
  type FactorEvent,
  type FactorName,
  mfaEnrolled,
  mfaRefused,
  mfaRemoved,
  mfaVerified,
  oneTimeCodeMade,
  passkeyCounterBack,
  recoveryCodesLow,
  recoveryCodeUsed,
} from './events.ts'
export {
  type CodeIssue,
  type CodeResult,
  type CodeSubject,
  createOneTimeCodes,
  type OneTimeCodes,
  type OneTimeCodesOptions,
} from './one-time-codes.ts'
export type { OtpAlgorithm } from './otp.ts'
export {
  createRecoveryCodes,
  type RecoveryCodes,
  type RecoveryCodesOptions,
  type RecoveryResult,
  type RecoveryStatus,
} from './recovery-codes.ts'
export type { FactorRefusal, FactorRefusalCode, Refused } from './refusal.ts'
export {
  createHotp,
  createTotp,
  type EnrolOptions,
  type Hotp,
  type HotpEnrolment,
  type HotpEnrolOptions,
  type HotpOptions,
  type HotpRefusalCode,
  type HotpResult,
  type Totp,
  type TotpEnrolment,
  type TotpOptions,
  type TotpRefusalCode,
  type TotpResult,
} from './totp.ts'
