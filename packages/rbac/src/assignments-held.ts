import type { Clock } from '@portcullis/core'
import type { AssignmentsOptions } from './assignments.ts'
import { HoldingCache } from './assignments-cache.ts'
import { AssignmentError } from './assignments-errors.ts'
import { rolesInConflict } from './assignments-events.ts'
import { type Actor, checkText, type Holder, isSame, nameOf } from './assignments-holder.ts'
import { type Holding, Holdings, holdingId, type KeptAssignment } from './assignments-record.ts'
import { RoleOrder, Separation, type SeparationConflict } from './assignments-separation.ts'

/** What somebody holds in one tenant at this moment. */
export interface HeldRoles<Role extends string = string> {
  /** Assigned to him and to groups of his; without what they inherit, which the access definition adds by itself. In order of definition. */
  readonly roles: readonly Role[]
  /** When one of them ends: milliseconds since the epoch. Whoever keeps the roles keeps them no longer. */
  readonly until: number | undefined
  /** Names that are kept for him and no longer defined. They grant nothing. */
  readonly unknown: readonly string[]
  /** The set of exclusive roles that these would break, because groups or sets have changed. `roles` is empty then. */
  readonly conflict?: SeparationConflict
}

/** More groups than this for one holder are a mistake, and would make each request that many reads. */
const mostGroups = 100

/** Says who holds what. */
export class RoleReader<Role extends string> {
  readonly holdings: Holdings
  readonly order: RoleOrder<Role>
  readonly separation: Separation<Role>
  readonly clock: Clock
  readonly #cache: HoldingCache
  readonly #groupsOf: AssignmentsOptions<Role>['groupsOf']

  /** @throws AssignmentError `rbac.assignments_invalid`, `rbac.separation_invalid`, `rbac.role_unknown` */
  constructor(options: AssignmentsOptions<Role> & { readonly clock: Clock; readonly cacheSeconds: number }) {
    const { store, access, hierarchy, constraints = {}, groupsOf, clock, cacheSeconds } = options
    this.order = new RoleOrder(access.roles, hierarchy)
    this.separation = new Separation('static', this.order, constraints.static ?? [])
    this.separation.checkEachOf(access.roles)
    this.clock = clock
    this.holdings = new Holdings(store, clock, (id) => this.#cache.forget(id))
    this.#cache = new HoldingCache((id) => this.holdings.get(id), cacheSeconds, clock)
    this.#groupsOf = groupsOf
  }

  /** The groups of a person or a program. @throws AssignmentError `rbac.groups_too_many`, `rbac.assignment_malformed` */
  async groupsOf(holder: Holder, tenant: string): Promise<readonly Holder[]> {
    const { kind, subject } = holder
    if (kind === 'group' || this.#groupsOf === undefined) return []
    const names = new Set(await this.#groupsOf({ kind, subject }, tenant))
    if (names.size > mostGroups) {
      throw new AssignmentError('rbac.groups_too_many', `groupsOf gave ${names.size} groups; at most ${mostGroups} are looked at`)
    }
    return [...names].map((name) => {
      checkText('the name of a group', name)
      return { kind: 'group', subject: name }
    })
  }

  /** Whether a change for the holder is one for the actor himself: it is he, or a group that he is in. */
  async isInterested(actor: Actor, holder: Holder, tenant: string): Promise<boolean> {
    const { kind, subject } = actor
    if (kind === 'system') return false
    if (isSame(actor, holder)) return true
    return holder.kind === 'group' && (await this.groupsOf({ kind, subject }, tenant)).some((group) => isSame(group, holder))
  }

  /** Names of roles that come to the holder by his groups: from the store, past the cache. */
  async rolesOfGroups(holder: Holder, tenant: string): Promise<readonly string[]> {
    const groups = await this.groupsOf(holder, tenant)
    const found = await Promise.all(groups.map((group) => this.holdings.get(holdingId(tenant, group))))
    return found.flatMap((holding) => this.#active(holding)).map(({ role }) => role)
  }

  /** @param fresh past the cache */
  async held(holder: Holder, tenant: string, fresh = false): Promise<HeldRoles<Role>> {
    const source: { get(id: string): Promise<Holding | undefined> } = fresh ? this.holdings : this.#cache
    const own = source.get(holdingId(tenant, holder))
    // Both reads are under way: when the groups fail, the other must not be a rejection that nobody handles.
    own.catch(() => {})
    const groups = await this.groupsOf(holder, tenant)
    const found = await Promise.all([own, ...groups.map((group) => source.get(holdingId(tenant, group)))])
    // After the last read: what ran out while they were made is out.
    const active = found.flatMap((holding) => this.#active(holding))
    const roles = active.map(({ role }) => role)
    const unknown = [...new Set(roles.filter((role) => !this.order.isKnown(role)))]
    const until = active.reduce<number | undefined>((first, { expiresAt }) => earlier(first, expiresAt), undefined)
    const conflict = this.separation.conflict(roles)
    if (conflict === undefined) return { roles: this.order.sort(roles), until, unknown }
    rolesInConflict.publish({ tenant, holder: nameOf(holder), conflict }, { clock: this.clock })
    // None at all, and not the others: one that is left out might be the one that denies.
    return { roles: [], until, unknown, conflict }
  }

  #active(holding: Holding | undefined): readonly KeptAssignment[] {
    return this.holdings.live(holding).filter(({ state }) => state === 'active')
  }
}

function earlier(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return Math.min(one, other)
}
