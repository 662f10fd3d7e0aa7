import { defineEvent, type EventType } from '@portcullis/core'
import type { Holder, Party } from './assignments-holder.ts'
import type { AssignmentRefusalCode } from './assignments-refusal.ts'
import type { SeparationConflict } from './assignments-separation.ts'

/** Whose role, where, and who did it. */
export interface RoleEvent {
  readonly tenant: string
  readonly holder: Party<Holder['kind']>
  readonly role: string
  readonly by: Party
  /** Why, as the actor wrote it. */
  readonly reason: string | undefined
}

/** A role came to a holder, or what he holds got another end. `expiresAt`: milliseconds since the epoch. */
export const roleAssigned: EventType<
  'rbac.role_assigned',
  RoleEvent & { readonly expiresAt: number | undefined; readonly replaced: boolean }
> = defineEvent('rbac.role_assigned')

/** A role was asked for, for so many seconds. */
export const roleRequested: EventType<'rbac.role_requested', RoleEvent & { readonly id: string; readonly duration: number }> =
  defineEvent('rbac.role_requested')

/** What was asked for was approved: `by` approved it, `requestedBy` asked. */
export const roleApproved: EventType<
  'rbac.role_approved',
  RoleEvent & { readonly id: string; readonly requestedBy: Party; readonly expiresAt: number }
> = defineEvent('rbac.role_approved')

/** A request was turned down, or withdrawn by whoever asked. */
export const roleDeclined: EventType<'rbac.role_declined', RoleEvent & { readonly id: string; readonly withdrawn: boolean }> =
  defineEvent('rbac.role_declined')

/** A role was taken away. One that runs out by itself publishes nothing: its end was published when it began. */
export const roleRevoked: EventType<'rbac.role_revoked', RoleEvent> = defineEvent('rbac.role_revoked')

/** Somebody tried to change what is held, and was refused. */
export const assignmentRefused: EventType<
  'rbac.assignment_refused',
  {
    readonly act: 'assign' | 'request' | 'approve' | 'decline' | 'revoke' | 'activate'
    readonly tenant: string | undefined
    readonly holder: Party | undefined
    readonly roles: readonly string[]
    readonly by: Party
    readonly code: AssignmentRefusalCode
  }
> = defineEvent('rbac.assignment_refused')

/**
 * What somebody holds, by himself and by his groups, breaks a set of exclusive roles: he has none until that is put right. It comes
 * of a change to a group, or of a set that is younger than the assignments.
 */
export const rolesInConflict: EventType<
  'rbac.roles_in_conflict',
  { readonly tenant: string; readonly holder: Party; readonly conflict: SeparationConflict }
> = defineEvent('rbac.roles_in_conflict')

/** Other roles than before are active in a session of the holder; none when it was ended. */
export const rolesActivated: EventType<
  'rbac.roles_activated',
  { readonly tenant: string; readonly holder: Party; readonly roles: readonly string[] }
> = defineEvent('rbac.roles_activated')
