import { PortcullisError } from '@portcullis/core'

/** The codes of {@link SessionError}. */
export type SessionErrorCode =
  | 'sessions.options_invalid'
  | 'sessions.subject_invalid'
  | 'sessions.subject_conflict'
  | 'sessions.until_invalid'
  | 'sessions.session_foreign'
  | 'sessions.store_contended'

/** An error of this package. Its message never holds an id. */
export class SessionError extends PortcullisError<SessionErrorCode> {}
