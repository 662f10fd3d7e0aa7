import type { Reason } from '@portcullis/core'
import type { RoleRule } from './role.ts'

/** Why access was allowed or refused. */
export type AccessReasonCode =
  /** A held role grants it: see `rule`. */
  | 'rbac.role_grants_permission'
  /** A program acting for itself may hold it, and its token has the scope. */
  | 'rbac.client_holds_permission'
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

/** For the log; a client is never told more than that it may not. */
export interface AccessReason extends Reason {
  readonly code: AccessReasonCode
  /** Written when it is read. */
  readonly message: string
  /** The role's rule that decided, where one did. */
  readonly rule?: RoleRule
}

/**
 * The answer to one question. Always an object, so always truthy: read `allowed`. Allowed decisions are frozen and shared.
 */
export interface AccessDecision<About extends 'some' | 'record' = 'some' | 'record'> {
  /** `some`: whether there may be records for which it is allowed. `record`: whether it is for this one. */
  readonly about: About
  readonly allowed: boolean
  readonly permission: string
  readonly reason: AccessReason
}

/** "May some": an answer about no record in particular. It does not allow anything on a record, and does not type as if it did. */
export type SomeDecision = AccessDecision<'some'>

/** "May this one." */
export type RecordDecision = AccessDecision<'record'>

/** What a decision looks at on a record. */
export interface AccessRecord {
  /** The tenant that it belongs to, as the store has it. A record without one is nobody's. */
  readonly tenant?: string | undefined
}

export function reason(code: AccessReasonCode, format: () => string, rule?: RoleRule): AccessReason {
  const head = rule === undefined ? { code } : { code, rule: freezeRule(rule) }
  return Object.freeze({
    ...head,
    get message() {
      return format()
    },
  })
}

export function decide<About extends 'some' | 'record'>(
  about: About,
  allowed: boolean,
  permission: string,
  why: AccessReason,
): AccessDecision<About> {
  return Object.freeze({ about, allowed, permission, reason: why })
}

function freezeRule(rule: RoleRule): RoleRule {
  return Object.freeze({ path: Object.freeze([...rule.path]), pattern: rule.pattern })
}
