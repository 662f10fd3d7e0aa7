import type { EventContext } from '@portcullis/core'
import { type Assignment, describe, eventOf, isActive } from './assignments-assignment.ts'
import type { Authority } from './assignments-authority.ts'
import { type AssignmentChange, checkChange } from './assignments-changes.ts'
import { malformed } from './assignments-errors.ts'
import { roleApproved, roleDeclined, roleRequested } from './assignments-events.ts'
import type { RoleReader } from './assignments-held.ts'
import { type Actor, checkActor, checkText, isSame, nameOf } from './assignments-holder.ts'
import { type Holding, type KeptAssignment, newHandle, parseAssignmentId } from './assignments-record.ts'
import { type AssignmentRefused, refused } from './assignments-refusal.ts'

/** Somebody asks for a role for a while. */
export interface RequestChange<Role extends string = string> extends AssignmentChange {
  readonly role: Role
  readonly reason: string
  /** Seconds, from the approval on. */
  readonly duration: number
}

/** An answer to a request. */
export interface RequestAnswer {
  /** The caller's principal. */
  readonly by: Actor
  /** At most 500 characters, nothing secret. */
  readonly reason?: string
}

/** What became of a request. */
export type RequestResult = { readonly ok: true; readonly assignment: Assignment } | AssignmentRefused

/** A request that was found, and the holding that it is in. */
interface Found {
  readonly holding: Holding
  readonly one: KeptAssignment
}

/** Just-in-time elevation: one asks, another one approves, and it ends by itself. */
export class RoleRequests<Role extends string> {
  readonly #reader: RoleReader<Role>
  readonly #authority: Authority<Role>
  readonly #longest: number
  readonly #lifetime: number

  /** @param limits in seconds: how long a role may be asked for, and how long a request waits */
  constructor(
    reader: RoleReader<Role>,
    authority: Authority<Role>,
    limits: { readonly longest: number; readonly lifetime: number },
  ) {
    this.#reader = reader
    this.#authority = authority
    this.#longest = limits.longest
    this.#lifetime = limits.lifetime
  }

  async request(change: RequestChange<Role>, context?: EventContext): Promise<RequestResult> {
    const { tenant, holder, by, role, reason, duration } = change
    const { order, holdings, clock } = this.#reader
    checkChange(change)
    order.check([role])
    checkText('the reason of a request', reason, 500)
    if (!Number.isSafeInteger(duration) || duration < 1) throw malformed('duration must be whole seconds, 1 or more')
    const attempt = { act: 'request', tenant, holder, roles: [role], by } as const
    const tooLong = duration > this.#longest ? refused('rbac.duration_too_long') : undefined
    const refusal = (await this.#authority.requestRefusal(change)) ?? tooLong
    if (refusal !== undefined) return this.#authority.refuse(attempt, refusal, context)

    const others = await this.#reader.rolesOfGroups(holder, tenant)
    const result = await holdings.change<KeptAssignment | AssignmentRefused>(tenant, holder, (live) => {
      const at = clock.now()
      if (live.some((one) => !isActive(one) && one.role === role)) return { result: refused('rbac.request_exists') }
      const expiresAt = at + this.#lifetime * 1000
      // Refused again when it is approved; here so that nobody waits for what can't come.
      const obstacle = this.#obstacle(live, others, role, expiresAt + duration * 1000)
      if (obstacle !== undefined) return { result: obstacle }
      const one: KeptAssignment = {
        handle: newHandle(),
        role,
        state: 'requested',
        by: nameOf(by),
        at,
        reason,
        duration,
        expiresAt,
      }
      return { next: [...live, one], result: one }
    })
    if ('ok' in result) return this.#authority.refuse(attempt, result, context)
    const assignment = describe({ tenant, holder }, result)
    roleRequested.publish({ ...eventOf(change), id: assignment.id, duration }, { clock, ...context })
    return { ok: true, assignment }
  }

  async approve(id: string, answer: RequestAnswer, context?: EventContext): Promise<RequestResult> {
    const found = await this.#find(id, answer)
    const { by } = answer
    if (found === undefined) return this.#unknown('approve', by, context)
    const { holding, one } = found
    const { tenant, holder } = holding
    const { role, duration = 0 } = one
    const { order, holdings, clock } = this.#reader
    order.check([role])
    const attempt = { act: 'approve', tenant, holder, roles: [role], by } as const
    // The bound may be lower than it was when somebody asked.
    const tooLong = duration > this.#longest ? refused('rbac.duration_too_long') : undefined
    const refusal = (await this.#authority.approvalRefusal(attempt, one.by)) ?? tooLong
    if (refusal !== undefined) return this.#authority.refuse(attempt, refusal, context)

    const others = await this.#reader.rolesOfGroups(holder, tenant)
    const result = await holdings.change<KeptAssignment | AssignmentRefused>(tenant, holder, (live) => {
      if (!isOpen(one, live)) return { result: refused('rbac.request_unknown') }
      const now = clock.now()
      const expiresAt = now + duration * 1000
      const obstacle = this.#obstacle(live, others, role, expiresAt)
      if (obstacle !== undefined) return { result: obstacle }
      const active: KeptAssignment = { ...one, state: 'active', approvedBy: nameOf(by), approvedAt: now, expiresAt }
      return { next: [...live.filter((each) => each.role !== role), active], result: active }
    })
    if ('ok' in result) return this.#authority.refuse(attempt, result, context)
    const { expiresAt = 0 } = result
    const about = { ...eventOf({ tenant, holder, role, ...answer }), id, requestedBy: one.by, expiresAt }
    roleApproved.publish(about, { clock, ...context })
    return { ok: true, assignment: describe(holding, result) }
  }

  async decline(id: string, answer: RequestAnswer, context?: EventContext): Promise<RequestResult> {
    const found = await this.#find(id, answer)
    const { by } = answer
    if (found === undefined) return this.#unknown('decline', by, context)
    const { holding, one } = found
    const { tenant, holder } = holding
    const { role } = one
    const attempt = { act: 'decline', tenant, holder, roles: [role], by } as const
    const withdrawn = isSame(by, one.by)
    const refusal = withdrawn ? undefined : await this.#authority.refusal(attempt)
    if (refusal !== undefined) return this.#authority.refuse(attempt, refusal, context)

    const { holdings, clock } = this.#reader
    const result = await holdings.change<true | AssignmentRefused>(tenant, holder, (live) => {
      if (!isOpen(one, live)) return { result: refused('rbac.request_unknown') }
      return { next: live.filter(({ handle }) => handle !== one.handle), result: true }
    })
    if (result !== true) return this.#authority.refuse(attempt, result, context)
    roleDeclined.publish({ ...eventOf({ tenant, holder, role, ...answer }), id, withdrawn }, { clock, ...context })
    return { ok: true, assignment: describe(holding, one) }
  }

  /** Another tenant's request is as one that does not exist: the answer must not tell that it does. */
  async #find(id: string, { by, reason }: RequestAnswer): Promise<Found | undefined> {
    checkActor(by)
    if (reason !== undefined) checkText('a reason', reason, 500)
    const { holdings } = this.#reader
    const parsed = parseAssignmentId(id)
    const holding = parsed && (await holdings.get(parsed.holding))
    if (holding === undefined || this.#authority.crossing(by, holding.tenant) !== undefined) return undefined
    const one = holdings.live(holding).find((each) => !isActive(each) && each.handle === parsed?.handle)
    return one && { holding, one }
  }

  #unknown(act: 'approve' | 'decline', by: Actor, context?: EventContext): AssignmentRefused {
    return this.#authority.refuse({ act, tenant: by.tenant, roles: [], by }, refused('rbac.request_unknown'), context)
  }

  /** What stands against having the role until then: he has it for longer, or it is excluded by another one. */
  #obstacle(
    live: readonly KeptAssignment[],
    others: readonly string[],
    role: string,
    until: number,
  ): AssignmentRefused | undefined {
    const active = live.filter(isActive)
    const held = active.find((one) => one.role === role)
    if (held !== undefined && (held.expiresAt ?? Number.POSITIVE_INFINITY) > until) return refused('rbac.role_held')
    const conflict = this.#reader.separation.conflict([...active.map((one) => one.role), ...others, role])
    return conflict && refused('rbac.roles_exclusive', conflict)
  }
}

function isOpen(one: KeptAssignment, live: readonly KeptAssignment[]): boolean {
  return live.some((each) => !isActive(each) && each.handle === one.handle)
}
