import { PortcullisError } from '@portcullis/core'

/** The codes of {@link MfaError}. */
export type MfaErrorCode =
  | 'mfa.options_invalid'
  | 'mfa.label_invalid'
  | 'mfa.secret_malformed'
  | 'mfa.secret_too_short'
  | 'mfa.store_contended'

/** An error of this package. Its message never holds a secret or a code. */
export class MfaError extends PortcullisError<MfaErrorCode> {}
