import { type Clock, type EventContext, type Page, type Principal, type Store, systemClock } from '@portcullis/core'
import { type Assignment, describe } from './assignments-assignment.ts'
import { Authority, type AuthorityOptions } from './assignments-authority.ts'
import {
  type AssignChange,
  type AssignmentChange,
  type AssignResult,
  type RevokeChange,
  type RevokeResult,
  RoleChanges,
} from './assignments-changes.ts'
import { checkSeconds, invalidOption } from './assignments-errors.ts'
import { type HeldRoles, RoleReader } from './assignments-held.ts'
import { checkHolder, checkText, type Holder, type Party } from './assignments-holder.ts'
import { type RequestAnswer, type RequestChange, type RequestResult, RoleRequests } from './assignments-requests.ts'
import { type RoleHierarchy, Separation, type SeparationSet } from './assignments-separation.ts'
import { type ActivateResult, type Activation, type ActivationPlace, RoleSessions } from './assignments-sessions.ts'

export type { Assignment } from './assignments-assignment.ts'
export type { AssignmentAct, AuthorityOptions, RequestAct } from './assignments-authority.ts'
export type { AssignChange, AssignmentChange, AssignResult, RevokeChange, RevokeResult } from './assignments-changes.ts'
export { AssignmentError, type AssignmentErrorCode } from './assignments-errors.ts'
export {
  assignmentRefused,
  type RoleEvent,
  roleApproved,
  roleAssigned,
  roleDeclined,
  roleRequested,
  roleRevoked,
  rolesActivated,
  rolesInConflict,
} from './assignments-events.ts'
export type { HeldRoles } from './assignments-held.ts'
export type { Actor, Holder, Party } from './assignments-holder.ts'
export type { AssignmentReason, AssignmentRefusalCode, AssignmentRefused } from './assignments-refusal.ts'
export type { RequestAnswer, RequestChange, RequestResult } from './assignments-requests.ts'
export type { InheritingRole, RoleHierarchy, SeparationConflict, SeparationSet } from './assignments-separation.ts'
export type { ActivateResult, ActivationPlace } from './assignments-sessions.ts'

/** Options of {@link createAssignments}. */
export interface AssignmentsOptions<Role extends string = string> extends AuthorityOptions<Role> {
  /** Keeps holdings and activations. */
  readonly store: Store
  /** Whose roles are assigned: what `defineAccess` gave. */
  readonly access: { readonly roles: readonly Role[] }
  /** What roles inherit: the `roles` that `defineAccess` was given, or lists of names; `{}` where none inherits. */
  readonly hierarchy: RoleHierarchy<NoInfer<Role>>
  /** Roles that exclude each other: `static`, held by one holder; `dynamic`, active in one session. */
  readonly constraints?: {
    readonly static?: readonly SeparationSet<NoInfer<Role>>[]
    readonly dynamic?: readonly SeparationSet<NoInfer<Role>>[]
  }
  /** Roles that are active in each session of whoever holds them, besides those of which `hierarchy` says that they deny something. */
  readonly always?: readonly NoInfer<Role>[]
  /** The names of the groups that somebody is in. None by default. A failure of it is a failure of the question. */
  readonly groupsOf?: (holder: Party<'user' | 'client'>, tenant: string) => readonly string[] | Promise<readonly string[]>
  /** The longest that a role may be asked for, in seconds: 60 to 2,592,000; 28,800 (8 hours) by default. */
  readonly longestElevation?: number
  /** How long a request waits for an answer, in seconds: 60 to 2,592,000; 86,400 (a day) by default. */
  readonly requestLifetime?: number
  /** How long roles stay active in a session, in seconds: 60 to 2,592,000; 86,400 (a day) by default. */
  readonly activationLifetime?: number
  /**
   * Seconds, 0 to 60, for which a process goes on with what it read. 0 by default: each question reads the store, and each process
   * sees a change at once. What expires is out at once in any case.
   */
  readonly cacheSeconds?: number
  /** By which roles end. Default: the machine's. */
  readonly clock?: Clock
}

/** What {@link Assignments.list} shall give. */
export type AssignmentQuery =
  | { readonly tenant: string; readonly role?: string; readonly state?: Assignment['state'] }
  | { readonly holder: Holder; readonly state?: Assignment['state'] }

/** Of one holder in one tenant, what a query asks for. */
export interface ListedHolding {
  /** For `page.after`. */
  readonly cursor: string
  readonly tenant: string
  readonly holder: Party<Holder['kind']>
  /** One at least. */
  readonly assignments: readonly Assignment[]
}

/**
 * Who holds which role, in which tenant, until when. All that change something throw AssignmentError `rbac.role_unknown` and
 * `rbac.assignment_malformed` (400), and `rbac.assignments_contended` (503); what may not be done is a refusal. Each change is an event.
 */
export interface Assignments<Role extends string = string> {
  /**
   * Gives roles, all or none. One that is held already gets the new end, reason and actor. Refused with `rbac.roles_exclusive`
   * (INCITS 359-2012 §5.4.1), `rbac.own_role`, `rbac.actor_of_another_tenant`, `rbac.assigning_not_allowed`, `rbac.approval_required`.
   */
  assign(change: AssignChange<Role>, context?: EventContext): Promise<AssignResult>
  /**
   * Asks for a role for a while. Gives nothing yet. Refused as `assign`, and with `rbac.requesting_not_allowed`, `rbac.request_exists`,
   * `rbac.role_held`, `rbac.duration_too_long`.
   */
  request(change: RequestChange<Role>, context?: EventContext): Promise<RequestResult>
  /**
   * Gives what was asked for; it counts from now on, for the duration that was asked for. Of any number of answers to one request, one
   * counts. Refused as `assign`, and with `rbac.own_request`, `rbac.request_unknown`, `rbac.role_held`, `rbac.duration_too_long`.
   * @param id of the request
   */
  approve(id: string, answer: RequestAnswer, context?: EventContext): Promise<RequestResult>
  /** Turns a request down; whoever asked may withdraw. @param id of the request */
  decline(id: string, answer: RequestAnswer, context?: EventContext): Promise<RequestResult>
  /** Takes a role away. An elevation that he asked for himself the holder may give back. Requests stay open. */
  revoke(change: RevokeChange, context?: EventContext): Promise<RevokeResult>
  /** Takes all roles of a holder in one tenant, and his requests, or nothing at all. */
  revokeAll(change: AssignmentChange, context?: EventContext): Promise<RevokeResult>
  /**
   * What somebody holds now, for his principal. A principal is a holder.
   * @throws AssignmentError `rbac.groups_too_many`, `rbac.assignment_malformed`
   */
  rolesOf(holder: Holder, tenant: string): Promise<HeldRoles<Role>>
  /**
   * A principal with the roles that he holds in his tenant now, and no others: what his token says of roles is not read. Without a
   * tenant he has none.
   * @param session only the roles that are active in it: its handle, or the token's `sid`
   * @example session(sessions, { principal: ({ subject, handle }) => assignments.principal(accounts.of(subject), handle) })
   */
  principal(principal: Principal, session?: string): Promise<Principal>
  /**
   * Makes roles active in a session, in place of those that were: INCITS 359-2012 §5.4.2. He may activate what he holds and what it
   * inherits. Refused with `rbac.role_not_held`, `rbac.active_roles_exclusive`, `rbac.roles_exclusive`.
   * @param session its handle, or the token's `sid`; never a secret
   */
  activate(
    holder: Holder,
    tenant: string,
    roles: readonly Role[],
    session: string,
    context?: EventContext,
  ): Promise<ActivateResult<Role>>
  /** The roles that are active in a session now: none but those of `always` when nothing was activated in it. */
  activeRoles(holder: Holder, tenant: string, session: string): Promise<readonly Role[]>
  /** Ends what was activated; for when the session ends. @returns false: nothing was active */
  deactivate(holder: Holder, tenant: string, session: string, context?: EventContext): Promise<boolean>
  /**
   * What is held or asked for: of a tenant, of a tenant and a role, or of a holder in every tenant. It reads every holding of the tenant
   * or of the holder, in an order that means nothing.
   * @param page `limit` counts holdings; `after` is a `cursor`
   */
  list(query: AssignmentQuery, page?: Pick<Page, 'after' | 'limit'>): AsyncIterable<ListedHolding>
}

/**
 * Keeps who holds which role. All that one holder has in one tenant is one record, so that of two roles that exclude each other,
 * assigned at the same moment by two processes, one is refused.
 *
 * @throws AssignmentError `rbac.assignments_invalid`, `rbac.separation_invalid`, `rbac.role_unknown`
 * @example
 * const assignments = createAssignments({
 *   store, access, hierarchy: roles,
 *   constraints: { static: [{ roles: ['accountant', 'auditor'] }] },
 *   mayAssign: async ({ held }) => (await held()).has('owner'),
 * })
 */
export function createAssignments<Role extends string>(options: AssignmentsOptions<Role>): Assignments<Role> {
  const { store, access, constraints = {}, always = [], clock = systemClock, cacheSeconds = 0 } = options
  const { longestElevation = 28_800, requestLifetime = 86_400, activationLifetime = 86_400 } = options
  // A predicate that was left out would let everybody assign everything.
  if (typeof options.mayAssign !== 'function') throw invalidOption('mayAssign says who may assign which role')
  checkSeconds('longestElevation', longestElevation, 60, 2_592_000)
  checkSeconds('requestLifetime', requestLifetime, 60, 2_592_000)
  checkSeconds('activationLifetime', activationLifetime, 60, 2_592_000)
  checkSeconds('cacheSeconds', cacheSeconds, 0, 60)

  const reader = new RoleReader({ ...options, clock, cacheSeconds })
  const authority = new Authority(reader, options)
  const changes = new RoleChanges(reader, authority)
  const requests = new RoleRequests(reader, authority, { longest: longestElevation, lifetime: requestLifetime })
  reader.order.check(always)
  const separation = new Separation('dynamic', reader.order, constraints.dynamic ?? [])
  separation.checkEachOf(access.roles)
  const sessions = new RoleSessions(reader, {
    separation,
    always: [...always, ...reader.order.denying],
    records: store.collection<Activation>({ name: 'rbac.activations' }),
    lifetime: activationLifetime,
  })
  const placed = (holder: Holder, tenant: string, session: string): ActivationPlace => {
    checkPlace(holder, tenant)
    checkText('a session', session)
    return { holder, tenant, session }
  }

  return {
    assign: (change, context) => changes.assign(change, context),
    request: (change, context) => requests.request(change, context),
    approve: (id, answer, context) => requests.approve(id, answer, context),
    decline: (id, answer, context) => requests.decline(id, answer, context),
    revoke: (change, context) => changes.revoke(change, context),
    revokeAll: (change, context) => changes.revokeAll(change, context),
    async rolesOf(holder, tenant) {
      checkPlace(holder, tenant)
      return reader.held(holder, tenant)
    },
    async principal(principal, session) {
      const { tenant } = principal
      if (tenant === undefined) return { ...principal, roles: [] }
      if (session !== undefined) return { ...principal, roles: await sessions.roles(placed(principal, tenant, session)) }
      checkPlace(principal, tenant)
      return { ...principal, roles: (await reader.held(principal, tenant)).roles }
    },
    activate: async (holder, tenant, roles, session, context) =>
      sessions.activate(placed(holder, tenant, session), roles, context),
    activeRoles: async (holder, tenant, session) => sessions.roles(placed(holder, tenant, session)),
    deactivate: async (holder, tenant, session, context) => sessions.deactivate(placed(holder, tenant, session), context),
    list: (query, page) => list(reader, query, page),
  }
}

async function* list<Role extends string>(
  { holdings }: RoleReader<Role>,
  query: AssignmentQuery,
  { after, limit = Number.POSITIVE_INFINITY }: Pick<Page, 'after' | 'limit'> = {},
): AsyncGenerator<ListedHolding, void, undefined> {
  const from = after === undefined ? {} : { after }
  const found = 'holder' in query ? holdings.ofHolder(query.holder, from) : holdings.ofTenant(query.tenant, from)
  const role = 'holder' in query ? undefined : query.role
  let left = limit
  if (left <= 0) return
  for await (const { id, value } of found) {
    const wanted = holdings
      .live(value)
      .filter((one) => (role === undefined || one.role === role) && (query.state === undefined || one.state === query.state))
    if (wanted.length === 0) continue
    const { tenant, holder } = value
    yield { cursor: id, tenant, holder, assignments: wanted.map((one) => describe(value, one)) }
    left -= 1
    if (left <= 0) return
  }
}

/** @throws AssignmentError `rbac.assignment_malformed` */
function checkPlace(holder: Holder, tenant: string): void {
  checkHolder(holder)
  checkText('a tenant', tenant)
}
