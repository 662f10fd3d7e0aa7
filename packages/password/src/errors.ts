import { PortcullisError } from '@portcullis/core'

/** The codes of {@link PasswordError}. */
export type PasswordErrorCode =
  | 'password.options_invalid'
  | 'password.too_long'
  | 'password.malformed'
  | 'password.hash_malformed'
  | 'password.hash_unsupported'
  | 'password.hash_out_of_bounds'

/** An error of this package. Its message never holds a password or a hash. */
export class PasswordError extends PortcullisError<PasswordErrorCode> {}
