import { PortcullisError } from '@portcullis/core'

/** The codes of {@link AdvisorError}. All are mistakes of whoever calls. */
export type AdvisorErrorCode =
  /** An option of a decision log is out of its range. */
  | 'rbac.decision_log_invalid'
  /** An option of the advisor is out of its range, or a grant is not one. */
  | 'rbac.advice_invalid'

/** A decision log or the advisor was called with something that cannot be. */
export class AdvisorError extends PortcullisError<AdvisorErrorCode> {}
