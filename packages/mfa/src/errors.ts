import { PortcullisError } from '@portcullis/core'

/** The codes of {@link MfaError}. */
export type MfaErrorCode =
  | 'mfa.options_invalid'
  | 'mfa.label_invalid'
  | 'mfa.secret_malformed'
  | 'mfa.secret_too_short'
  | 'mfa.proof_invalid'
  | 'mfa.store_contended'

/** An error of this package. Its message never holds a secret or a code. */
export class MfaError extends PortcullisError<MfaErrorCode> {}

/** An option that cannot be meant so. */
export function invalid(message: string): MfaError {
  return new MfaError('mfa.options_invalid', message)
}

/** @throws MfaError `mfa.options_invalid` */
export function checkRange(name: string, value: number, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw invalid(`${name} must be a whole number from ${least} to ${most}`)
  }
}
