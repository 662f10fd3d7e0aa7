import type { EventContext } from '@portcullis/core'
import { assignmentRefused } from './assignments-events.ts'
import type { RoleReader } from './assignments-held.ts'
import { type Actor, type Holder, isSame, nameOf, type Party } from './assignments-holder.ts'
import { type AssignmentRefused, refused } from './assignments-refusal.ts'

/** A change that `mayAssign` is asked about: one role each time. */
export interface AssignmentAct {
  readonly act: 'assign' | 'approve' | 'decline' | 'revoke'
  readonly tenant: string
  readonly holder: Holder
  readonly by: Actor
  /** With `revoke` and `decline` it may be one that is no longer defined. */
  readonly role: string
  /** What the actor holds in that tenant, inherited roles included, read from the store when it is called. */
  held(): Promise<ReadonlySet<string>>
}

/** A request that `mayRequest` is asked about. */
export interface RequestAct<Role extends string = string> {
  readonly tenant: string
  readonly holder: Holder
  readonly by: Actor
  readonly role: Role
}

/** Who may change what. */
export interface AuthorityOptions<Role extends string> {
  /**
   * Whether the actor may assign, approve, decline or revoke this role. Only `true` is a yes. He has been seen to be of the tenant, and
   * not to do it for himself.
   * @example async ({ role, held }) => (await held()).has('admin') && role !== 'owner'
   */
  readonly mayAssign: (act: AssignmentAct) => boolean | Promise<boolean>
  /** Whether the actor may ask for this role. Only `true` is a yes. By default everybody may ask for any role, for himself. */
  readonly mayRequest?: (act: RequestAct<Role>) => boolean | Promise<boolean>
  /** Actors who may act in tenants that are not theirs, such as the provider's own staff. Only `true` is a yes. Nobody by default. */
  readonly mayCross?: (by: Actor) => boolean
  /** Roles that can only be asked for and approved, alone or inherited by another one. */
  readonly approvalRequired?: readonly Role[]
}

/** What somebody tries to do. */
export interface Attempt {
  readonly act: AssignmentAct['act'] | 'request'
  readonly tenant: string
  readonly holder: Holder
  readonly roles: readonly string[]
  readonly by: Actor
}

/** Says who may change what, and publishes each refusal. */
export class Authority<Role extends string> {
  readonly #reader: RoleReader<Role>
  readonly #options: AuthorityOptions<Role>
  readonly #approvalRequired: readonly Role[]

  /** @throws AssignmentError `rbac.role_unknown` */
  constructor(reader: RoleReader<Role>, options: AuthorityOptions<Role>) {
    this.#reader = reader
    this.#options = options
    this.#approvalRequired = [...(options.approvalRequired ?? [])]
    reader.order.check(this.#approvalRequired)
  }

  /** Tenant, own interest and `mayAssign`, in this order. */
  async refusal({
    act,
    tenant,
    holder,
    roles,
    by,
  }: Attempt & Pick<AssignmentAct, 'act'>): Promise<AssignmentRefused | undefined> {
    const crossing = this.crossing(by, tenant)
    if (crossing !== undefined) return crossing
    if (await this.#reader.isInterested(by, holder, tenant)) return refused('rbac.own_role')
    const held = (): Promise<ReadonlySet<string>> => this.#heldBy(by, tenant)
    for (const role of roles) {
      const isAllowed: unknown = await this.#options.mayAssign({ act, tenant, holder, by, role, held })
      // An answer that is an object, such as a decision, is not a yes.
      if (isAllowed !== true) return refused('rbac.assigning_not_allowed')
    }
    return undefined
  }

  /** Nobody approves his own request, be it that he asked, that it is for him, or that it is for a group of his. */
  async approvalRefusal(
    attempt: Attempt & { readonly act: 'approve' },
    requester: Party,
  ): Promise<AssignmentRefused | undefined> {
    if (isSame(attempt.by, requester)) return refused('rbac.own_request')
    const refusal = await this.refusal(attempt)
    return refusal?.reason.code === 'rbac.own_role' ? refused('rbac.own_request') : refusal
  }

  async requestRefusal({ tenant, holder, by, role }: RequestAct<Role>): Promise<AssignmentRefused | undefined> {
    const crossing = this.crossing(by, tenant)
    if (crossing !== undefined) return crossing
    const { mayRequest } = this.#options
    const isAllowed: unknown = mayRequest === undefined ? isSame(by, holder) : await mayRequest({ tenant, holder, by, role })
    return isAllowed === true ? undefined : refused('rbac.requesting_not_allowed')
  }

  /** With what the roles inherit: else one above a role that needs approval would be the way around it. */
  approvalMissing(roles: readonly string[]): AssignmentRefused | undefined {
    const all = this.#reader.order.withInherited(roles)
    return this.#approvalRequired.some((role) => all.has(role)) ? refused('rbac.approval_required') : undefined
  }

  /** The tenant comes from the actor's principal: one that a request's body names is not his to act in. */
  crossing(by: Actor, tenant: string): AssignmentRefused | undefined {
    const isAllowed: unknown = by.kind === 'system' || by.tenant === tenant || this.#options.mayCross?.(by)
    return isAllowed === true ? undefined : refused('rbac.actor_of_another_tenant')
  }

  /** Publishes the refusal, and gives it back. */
  refuse<Refusal extends AssignmentRefused>(
    {
      act,
      tenant,
      holder,
      roles,
      by,
    }: Pick<Attempt, 'act' | 'roles' | 'by'> & { readonly tenant?: string | undefined; readonly holder?: Holder },
    refusal: Refusal,
    context?: EventContext,
  ): Refusal {
    const { code } = refusal.reason
    const about = { act, tenant, holder: holder && nameOf(holder), roles, by: nameOf(by), code }
    assignmentRefused.publish(about, { clock: this.#reader.clock, ...context })
    return refusal
  }

  async #heldBy({ kind, subject }: Actor, tenant: string): Promise<ReadonlySet<string>> {
    if (kind === 'system') return new Set()
    const { roles } = await this.#reader.held({ kind, subject }, tenant, true)
    return this.#reader.order.withInherited(roles)
  }
}
