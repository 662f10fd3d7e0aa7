import type { Reason } from '@portcullis/core'
import type { SeparationConflict } from './assignments-separation.ts'

const messages = {
  'rbac.roles_exclusive': 'the holder would have roles that exclude each other',
  'rbac.active_roles_exclusive': 'the session would have roles active that exclude each other',
  'rbac.role_not_held': 'the holder does not hold the role',
  'rbac.role_held': 'the holder has the role already, for good or for longer than this would give',
  'rbac.own_role': 'nobody changes what he holds himself, nor what a group of his holds',
  'rbac.own_request': 'nobody approves what he asked for, what is for himself, or for a group of his',
  'rbac.actor_of_another_tenant': 'the actor does not act in the tenant of the assignment',
  'rbac.assigning_not_allowed': 'mayAssign does not let the actor do this',
  'rbac.requesting_not_allowed': 'mayRequest does not let the actor ask for this',
  'rbac.approval_required': 'the role, or one that it inherits, can only be asked for and approved',
  'rbac.request_exists': 'the holder has asked for the role already',
  'rbac.request_unknown': 'there is no such request: it was answered, has lapsed, never was, or is another tenant’s',
  'rbac.duration_too_long': 'the role was asked for longer than it may be had',
} as const

/** Why nothing was changed: for the log. A client is told no more than that it may not. */
export type AssignmentRefusalCode = keyof typeof messages

/** A reason, with the sets of roles it is about where there is one. */
export interface AssignmentReason<Code extends AssignmentRefusalCode = AssignmentRefusalCode> extends Reason {
  readonly code: Code
  /** With `rbac.roles_exclusive` and `rbac.active_roles_exclusive`. */
  readonly conflict?: SeparationConflict
}

/** What a change answers that was not made. */
export interface AssignmentRefused<Code extends AssignmentRefusalCode = AssignmentRefusalCode> {
  readonly ok: false
  readonly reason: AssignmentReason<Code>
}

export function refused<Code extends AssignmentRefusalCode>(code: Code, conflict?: SeparationConflict): AssignmentRefused<Code> {
  if (conflict === undefined) return { ok: false, reason: { code, message: messages[code] } }
  const { held, roles, most } = conflict
  const message = `${messages[code]}: ${held.join(', ')}; at most ${most} of ${roles.join(', ')}`
  return { ok: false, reason: { code, message, conflict } }
}
