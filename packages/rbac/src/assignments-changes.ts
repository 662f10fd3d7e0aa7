import type { EventContext } from '@portcullis/core'
import { type Assignment, describe, eventOf, isActive, isOwnElevation } from './assignments-assignment.ts'
import type { Authority } from './assignments-authority.ts'
import { malformed } from './assignments-errors.ts'
import { roleAssigned, roleRevoked } from './assignments-events.ts'
import type { RoleReader } from './assignments-held.ts'
import { type Actor, checkActor, checkHolder, checkText, type Holder, nameOf } from './assignments-holder.ts'
import { holdingId, type KeptAssignment, newHandle } from './assignments-record.ts'
import { type AssignmentRefused, refused } from './assignments-refusal.ts'

/** For whom, where, and by whom. */
export interface AssignmentChange {
  readonly tenant: string
  readonly holder: Holder
  /** The caller's principal. */
  readonly by: Actor
  /** Why, for whoever reads it later: at most 500 characters, nothing secret. */
  readonly reason?: string
}

/** Roles, without a request. */
export interface AssignChange<Role extends string = string> extends AssignmentChange {
  /** All of them, or none. */
  readonly roles: readonly [Role, ...Role[]]
  /** Milliseconds since the epoch; left out: for good. */
  readonly expiresAt?: number
}

/** A role that shall be taken away. */
export interface RevokeChange extends AssignmentChange {
  /** Also one that is no longer defined. */
  readonly role: string
}

/** What became of an assignment. */
export type AssignResult = { readonly ok: true; readonly assignments: readonly Assignment[] } | AssignmentRefused

/** What became of a revocation: the roles that are gone. */
export type RevokeResult = { readonly ok: true; readonly roles: readonly string[] } | AssignmentRefused

/** Gives and takes roles, each time by one compare-and-set of all that the holder has. */
export class RoleChanges<Role extends string> {
  readonly #reader: RoleReader<Role>
  readonly #authority: Authority<Role>

  constructor(reader: RoleReader<Role>, authority: Authority<Role>) {
    this.#reader = reader
    this.#authority = authority
  }

  async assign(change: AssignChange<Role>, context?: EventContext): Promise<AssignResult> {
    const { tenant, holder, by, roles, reason, expiresAt } = change
    const { order, holdings, clock } = this.#reader
    const at = clock.now()
    checkChange(change)
    if (!Array.isArray(roles) || roles.length === 0) throw malformed('roles must be a list of one or more')
    order.check(roles)
    if (expiresAt !== undefined && !(Number.isSafeInteger(expiresAt) && expiresAt > at)) {
      throw malformed('expiresAt must be whole milliseconds since the epoch, and not past')
    }
    const attempt = { act: 'assign', tenant, holder, roles, by } as const
    const refusal = (await this.#authority.refusal(attempt)) ?? this.#authority.approvalMissing(roles)
    if (refusal !== undefined) return this.#authority.refuse(attempt, refusal, context)

    const names = order.sort(roles)
    const others = await this.#reader.rolesOfGroups(holder, tenant)
    const about = {
      by: nameOf(by),
      at,
      ...(reason === undefined ? {} : { reason }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
    }
    const result = await holdings.change<Assigned | AssignmentRefused>(tenant, holder, (live) => {
      const before = new Map(live.filter(isActive).map((one) => [one.role, one.handle]))
      const conflict = this.#reader.separation.conflict([...before.keys(), ...others, ...names])
      if (conflict !== undefined) return { result: refused('rbac.roles_exclusive', conflict) }
      const made = names.map((role): KeptAssignment => {
        return { handle: before.get(role) ?? newHandle(), role, state: 'active', ...about }
      })
      const handles = new Set(made.map(({ handle }) => handle))
      const next = [...live.filter(({ handle }) => !handles.has(handle)), ...made]
      return { next, result: { ok: true, made, replaced: names.filter((role) => before.has(role)) } }
    })
    if (!result.ok) return this.#authority.refuse(attempt, result, context)
    for (const role of names) {
      const replaced = result.replaced.includes(role)
      roleAssigned.publish({ ...eventOf({ ...change, role }), expiresAt, replaced }, { clock, ...context })
    }
    return { ok: true, assignments: result.made.map((one) => describe({ tenant, holder }, one)) }
  }

  async revoke(change: RevokeChange, context?: EventContext): Promise<RevokeResult> {
    const { tenant, holder, by, role } = change
    checkChange(change)
    checkText('a role', role)
    const { holdings } = this.#reader
    const attempt = { act: 'revoke', tenant, holder, roles: [role], by } as const
    const kept = holdings.live(await holdings.get(holdingId(tenant, holder)))
    const isOwn = kept.some((one) => one.role === role && isOwnElevation(one, by, holder))
    const refusal = isOwn ? this.#authority.crossing(by, tenant) : await this.#authority.refusal(attempt)
    if (refusal !== undefined) return this.#authority.refuse(attempt, refusal, context)

    const result = await holdings.change<RevokeResult>(tenant, holder, (live) => {
      const found = live.find((one) => isActive(one) && one.role === role)
      if (found === undefined) return { result: refused('rbac.role_not_held') }
      // Somebody may have given him meanwhile what he had only asked for.
      if (isOwn && !isOwnElevation(found, by, holder)) return { result: refused('rbac.own_role') }
      return { next: live.filter(({ handle }) => handle !== found.handle), result: { ok: true, roles: [role] } }
    })
    return this.#told(change, attempt, result, context)
  }

  async revokeAll(change: AssignmentChange, context?: EventContext): Promise<RevokeResult> {
    const { tenant, holder, by } = change
    checkChange(change)
    const { holdings } = this.#reader
    const kept = holdings.live(await holdings.get(holdingId(tenant, holder)))
    const asked = new Set(kept.map(({ role }) => role))
    const attempt = { act: 'revoke', tenant, holder, roles: [...asked], by } as const
    const refusal = await this.#authority.refusal(attempt)
    if (refusal !== undefined) return this.#authority.refuse(attempt, refusal, context)

    const result = await holdings.change<RevokeResult>(tenant, holder, (live) => {
      // What came in between is something that mayAssign was not asked about.
      const gone = live.filter(({ role }) => asked.has(role))
      const roles = gone.filter(isActive).map(({ role }) => role)
      if (gone.length === 0) return { result: { ok: true, roles } }
      return { next: live.filter(({ role }) => !asked.has(role)), result: { ok: true, roles } }
    })
    return this.#told(change, attempt, result, context)
  }

  #told(change: AssignmentChange, attempt: RevokeAttempt, result: RevokeResult, context?: EventContext): RevokeResult {
    if (!result.ok) return this.#authority.refuse(attempt, result, context)
    const { clock } = this.#reader
    for (const role of result.roles) roleRevoked.publish(eventOf({ ...change, role }), { clock, ...context })
    return result
  }
}

interface Assigned {
  readonly ok: true
  readonly made: readonly KeptAssignment[]
  readonly replaced: readonly string[]
}

type RevokeAttempt = Parameters<Authority<string>['refuse']>[0]

/** @throws AssignmentError `rbac.assignment_malformed` */
export function checkChange({ tenant, holder, by, reason }: AssignmentChange): void {
  checkText('a tenant', tenant)
  checkHolder(holder)
  checkActor(by)
  if (reason !== undefined) checkText('a reason', reason, 500)
}
