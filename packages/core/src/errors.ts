/**
 * The base of every error that a Portcullis package throws. `code` is stable: a caller may `switch` on it.
 * The message is for the log. It never holds a secret, and it is never what a client is told.
 */
export class PortcullisError<Code extends string = string> extends Error {
  /** `package.reason`, for example `core.body_too_large`. */
  readonly code: Code
  /** The HTTP status that an adapter answers with when nothing catches this error. */
  readonly status: number

  constructor(code: Code, message: string, options: { readonly cause?: unknown; readonly status?: number } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = new.target.name
    this.code = code
    this.status = options.status ?? 500
  }
}

/** The codes of {@link CoreError}. */
export type CoreErrorCode =
  | 'core.body_too_large'
  | 'core.body_unreadable'
  | 'core.body_consumed'
  | 'core.form_malformed'
  | 'core.json_malformed'
  | 'core.content_type_unsupported'
  | 'core.decision_invalid'
  | 'core.facts_missing'
  | 'core.principal_missing'
  | 'core.principal_conflict'
  | 'core.entrance_missing'
  | 'core.routes_uncovered'
  | 'core.handlers_opaque'
  | 'core.acknowledgement_stale'
  | 'core.application_sealed'
  | 'core.endpoint_needs_raw_body'
  | 'core.proxy_list_invalid'
  | 'core.header_invalid'
  | 'core.store_full'
  | 'core.collection_invalid'
  | 'core.index_undeclared'
  | 'core.id_invalid'
  | 'core.value_invalid'
  | 'core.expiry_invalid'
  | 'core.page_invalid'
  | 'core.audit_invalid'
  | 'core.audit_contended'

/** An error of this package. */
export class CoreError extends PortcullisError<CoreErrorCode> {}
