import type { RoleEvent } from './assignments-events.ts'
import { type Actor, type Holder, isSame, nameOf, type Party } from './assignments-holder.ts'
import { assignmentId, type Holding, holdingId, type KeptAssignment } from './assignments-record.ts'

/** One role of one holder. Times in milliseconds since the epoch. */
export interface Assignment {
  /** Names it to `approve` and `decline`. */
  readonly id: string
  readonly tenant: string
  readonly holder: Party<Holder['kind']>
  /** As it is kept; the definition may have lost it since. */
  readonly role: string
  /** Only what is active is held. */
  readonly state: 'requested' | 'active'
  /** Who assigned it, or asked for it. */
  readonly by: Party
  readonly at: number
  readonly reason: string | undefined
  /** Seconds that were asked for; `undefined` where it was assigned without a request. */
  readonly duration: number | undefined
  readonly approvedBy: Party | undefined
  readonly approvedAt: number | undefined
  /** Active: when it ends; `undefined`: never. Requested: when the request lapses. */
  readonly expiresAt: number | undefined
}

/** What is kept, as it is shown. */
export function describe({ tenant, holder }: Pick<Holding, 'tenant' | 'holder'>, one: KeptAssignment): Assignment {
  const { handle, role, state, by, at, reason, duration, approvedBy, approvedAt, expiresAt } = one
  const id = assignmentId(holdingId(tenant, holder), handle)
  return { id, tenant, holder: nameOf(holder), role, state, by, at, reason, duration, approvedBy, approvedAt, expiresAt }
}

export function isActive({ state }: KeptAssignment): boolean {
  return state === 'active'
}

/** An elevation that he asked for himself: he may give it back. What others gave him might be what denies him something. */
export function isOwnElevation(one: KeptAssignment, actor: Actor, holder: Holder): boolean {
  return one.approvedBy !== undefined && isSame(one.by, actor) && isSame(actor, holder)
}

/** What every event of a change says. */
export function eventOf(change: {
  readonly tenant: string
  readonly holder: Holder
  readonly role: string
  readonly by: Party
  readonly reason?: string | undefined
}): RoleEvent {
  const { tenant, holder, role, by, reason } = change
  return { tenant, holder: nameOf(holder), role, by: nameOf(by), reason }
}
