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
  /** A condition on records that can't be read: its message says where, and what is wrong. */
  | 'rbac.condition_invalid'
  /** A field that the resources of a rule do not declare, or that nobody may write. */
  | 'rbac.field_unknown'
  /** An attribute of callers that is not defined. */
  | 'rbac.attribute_unknown'
  /** A role that inherits a cross-tenant one, and does not say that it is one, too. */
  | 'rbac.cross_tenant_implicit'
  /** `canSome` was given a record: it says nothing about one. Ask `can`. */
  | 'rbac.record_unexpected'
  /** A filter of which a condition is a function: it can't be turned into a query. See `prefilter`. */
  | 'rbac.filter_opaque'
  /** A filter needs a column for a field, and was told of none. */
  | 'rbac.column_missing'
  /** The store of the rules does not answer, or fails. */
  | 'rbac.rules_unavailable'
  /** A setting of an access source is out of its range. */
  | 'rbac.source_invalid'
  /** A step-up requirement that nobody could meet, or that says nothing. */
  | 'rbac.step_up_invalid'

/** An access definition, or a use of it, is wrong. What a caller may not do is never an error: that is a decision. */
export class AccessError extends PortcullisError<AccessErrorCode> {
  /** Every name the error is about, for example each unknown permission. */
  readonly names: readonly string[]

  constructor(code: AccessErrorCode, message: string, names: readonly string[] = [], options: { readonly cause?: unknown } = {}) {
    super(code, message, options)
    this.names = Object.freeze([...names])
  }
}
