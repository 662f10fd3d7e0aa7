import { PortcullisError } from '@portcullis/core'

/** The codes of {@link TransportError}. All are mistakes in options, found when a guard is made. */
export type TransportErrorCode =
  /** Strict-Transport-Security that protects for too short a time, or that browsers' preload lists refuse. */
  | 'transport.hsts_invalid'
  /** A directive or a source of a Content-Security-Policy. */
  | 'transport.csp_invalid'
  /** The value of another header. */
  | 'transport.header_invalid'
  /** Something that is not an origin of http or https. */
  | 'transport.origin_invalid'
  /** Something that is not a literal path. */
  | 'transport.path_invalid'

/** An option of this package is wrong. */
export class TransportError extends PortcullisError<TransportErrorCode> {}
