import type { Reason } from '@portcullis/core'
import type { ConditionTrace } from './condition-text.ts'
import type { RoleRule } from './role.ts'

/** Why access was allowed or refused. */
export type AccessReasonCode =
  /** A held role grants it: see `rule`. */
  | 'rbac.role_grants_permission'
  /** A held role grants it on some records: see `rule`. Only ever of "may some". */
  | 'rbac.role_grants_on_condition'
  /** A program acting for itself may hold it, and its token has the scope. */
  | 'rbac.client_holds_permission'
  /** The same, on some records. Only ever of "may some". */
  | 'rbac.client_holds_on_condition'
  /** No held role grants it. */
  | 'rbac.role_lacks_permission'
  /** A held role denies it: see `rule`. */
  | 'rbac.denied_by_role'
  /** The definition does not let programs that act for themselves hold it. */
  | 'rbac.client_lacks_permission'
  /** The roles would do, but the credential is limited to scopes, and the one it takes is not among them. */
  | 'rbac.scope_missing'
  /** The record or the caller has no tenant. */
  | 'rbac.tenant_missing'
  /** The record is another tenant's. */
  | 'rbac.tenant_mismatch'
  /** A held role grants it, at another time. */
  | 'rbac.outside_time'
  /** A held role grants it, on a condition that this record does not meet. */
  | 'rbac.condition_unmet'
  /** The permission is held, but not for a field that shall be written. */
  | 'rbac.field_unwritable'
  /** The rules could not be read from their store for too long, and nobody can tell whether they still hold. */
  | 'rbac.rules_stale'

/** What a caller may do is role ∩ scope ∩ tenant ∩ time, where no rule denies and the rule's condition is met. */
export type AccessTerm = 'role' | 'deny' | 'scope' | 'tenant' | 'time' | 'condition' | 'field' | 'rules'

/** For the log; a client is never told more than that it may not. */
export interface AccessReason extends Reason {
  readonly code: AccessReasonCode
  /** Written when it is read. */
  readonly message: string
  /** The role's rule that decided, where one did. */
  readonly rule?: RoleRule
  /** The term that failed, where it was refused. */
  readonly failed?: AccessTerm
}

/** What one rule came to, for one record. */
export interface RuleTrace {
  readonly effect: 'allow' | 'deny'
  readonly rule: RoleRule
  /** Whether the rule decided: it allows, unless one denies, or it denies. */
  readonly applies: boolean
  readonly inTime: boolean
  /** Whether the record is of a tenant that the rule reaches. */
  readonly inTenant: boolean
  /** What its condition came to; there is none where it has none. Never holds what is in the record. */
  readonly condition?: ConditionTrace
}

/**
 * The answer to one question, with its reason. It is an object, and so always truthy: `can`, `canSome` and `check` are the questions
 * for an `if`. Decisions are frozen, and those that no record could change are shared.
 */
export interface AccessDecision<About extends 'some' | 'record' = 'some' | 'record'> {
  /** `some`: whether there may be records for which it is allowed. `record`: whether it is for this one. */
  readonly about: About
  readonly allowed: boolean
  readonly permission: string
  readonly reason: AccessReason
  /** Each rule about it that the caller has, where conditions, times or tenants had to be looked at. */
  readonly considered?: readonly RuleTrace[]
  /** The rules could not be read again within their bound: they may have changed. */
  readonly stale?: true
}

/** "May some": an answer about no record in particular. It does not allow anything on a record, and does not type as if it did. */
export type SomeDecision = AccessDecision<'some'>

/** "May this one." */
export type RecordDecision = AccessDecision<'record'>

/**
 * What a decision looks at on a record: its tenant, and the fields that conditions name. Load it from the store; never put one together
 * from what a request says.
 */
export type AccessRecord =
  /** The tenant that it belongs to, as the store has it. A record without one is nobody's. */
  | { readonly tenant?: string | undefined }
  /** The same, written out where it is asked about. */
  | (Readonly<Record<string, unknown>> & { readonly tenant: string | undefined })

const FAILED: { readonly [C in AccessReasonCode]?: AccessTerm } = {
  'rbac.role_lacks_permission': 'role',
  'rbac.client_lacks_permission': 'role',
  'rbac.denied_by_role': 'deny',
  'rbac.scope_missing': 'scope',
  'rbac.tenant_missing': 'tenant',
  'rbac.tenant_mismatch': 'tenant',
  'rbac.outside_time': 'time',
  'rbac.condition_unmet': 'condition',
  'rbac.field_unwritable': 'field',
  'rbac.rules_stale': 'rules',
}

export function reason(code: AccessReasonCode, format: () => string, rule?: RoleRule): AccessReason {
  const failed = FAILED[code]
  return Object.freeze({
    code,
    ...(rule === undefined ? {} : { rule: freezeRule(rule) }),
    ...(failed === undefined ? {} : { failed }),
    get message() {
      return format()
    },
  })
}

export function decision<About extends 'some' | 'record'>(
  about: About,
  allowed: boolean,
  permission: string,
  why: AccessReason,
  considered?: readonly RuleTrace[],
): AccessDecision<About> {
  // Written out twice: what comes of a spread is slower to read, and these are read at every question.
  if (considered === undefined) return Object.freeze({ about, allowed, permission, reason: why })
  return Object.freeze({ about, allowed, permission, reason: why, considered: Object.freeze(considered) })
}

export function freezeRule({ path, pattern, crossTenant }: RoleRule): RoleRule {
  return Object.freeze({ path: Object.freeze([...path]), pattern, ...(crossTenant && { crossTenant }) })
}
