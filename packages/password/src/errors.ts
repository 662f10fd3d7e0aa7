import { PortcullisError } from '@portcullis/core'

/** The codes of {@link PasswordError}. */
export type PasswordErrorCode =
  | 'password.options_invalid'
  | 'password.too_long'
  | 'password.malformed'
  | 'password.busy'
  | 'password.hash_malformed'
  | 'password.hash_unsupported'
  | 'password.hash_out_of_bounds'
  | 'password.hash_unsealed'
  | 'password.pepper_unknown'
  | 'password.seal_broken'
  | 'password.digest_malformed'
  | 'password.filter_malformed'
  | 'password.filter_unbuildable'

/** An error of this package. Its message never holds a password, a hash or a token. */
export class PasswordError extends PortcullisError<PasswordErrorCode> {}

/** Too much is being hashed already: `password.busy`, status 503. */
export class PasswordBusyError extends PasswordError {
  /** Seconds after which another try makes sense. */
  readonly retryAfter: number

  constructor(retryAfter: number) {
    super('password.busy', 'too many passwords are being hashed', { status: 503 })
    this.retryAfter = retryAfter
  }
}
