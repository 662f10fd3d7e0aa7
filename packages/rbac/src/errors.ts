import { PortcullisError } from '@portcullis/core'

/** The codes of {@link AccessError}. All are mistakes in what was written, found when it is defined or declared. */
export type AccessErrorCode =
  /** A member of the definition is unknown, or of the wrong type. */
  | 'rbac.definition_invalid'
  /** A resource, action or role has a name that is not allowed. */
  | 'rbac.name_invalid'
  /** A permission that no resource declares. */
  | 'rbac.permission_unknown'
  /** A permission that was resolved by another access definition. */
  | 'rbac.permission_foreign'
  /** A role that is inherited, but not defined. */
  | 'rbac.role_unknown'
  /** A role that inherits itself, over whatever number of others. */
  | 'rbac.role_cycle'
  /** `scopeOf` gave something that is not a scope token (RFC 6749 §3.3). */
  | 'rbac.scope_invalid'
  /** A step-up requirement that nobody could meet, or that says nothing. */
  | 'rbac.step_up_invalid'

/** An access definition, or a use of it, is wrong. What a caller may not do is never an error: that is a decision. */
export class AccessError extends PortcullisError<AccessErrorCode> {
  /** Every name the error is about, for example each unknown permission. */
  readonly names: readonly string[]

  constructor(code: AccessErrorCode, message: string, names: readonly string[] = []) {
    super(code, message)
    this.names = Object.freeze([...names])
  }
}
