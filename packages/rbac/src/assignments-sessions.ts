import type { Collection, EventContext } from '@portcullis/core'
import { assignmentRefused, rolesActivated } from './assignments-events.ts'
import type { RoleReader } from './assignments-held.ts'
import { type Holder, keyOf, nameOf } from './assignments-holder.ts'
import { type AssignmentRefused, refused } from './assignments-refusal.ts'
import type { Separation } from './assignments-separation.ts'

/** The roles that one holder has active in one session. */
export type Activation = { readonly roles: readonly string[] }

/** What became of an activation. */
export type ActivateResult<Role extends string = string> =
  | {
      readonly ok: true
      /** Those that were asked for, and those that are always active. In order of definition. */
      readonly roles: readonly Role[]
    }
  | AssignmentRefused<'rbac.role_not_held' | 'rbac.roles_exclusive' | 'rbac.active_roles_exclusive'>

/** Whose session, and where. */
export interface ActivationPlace {
  readonly holder: Holder
  readonly tenant: string
  /** Names the session: its handle, or a token's `sid`; never a secret. */
  readonly session: string
}

/** Which of the roles that somebody holds count in a session: INCITS 359-2012 §5.4.2, dynamic separation of duty. */
export class RoleSessions<Role extends string> {
  readonly #reader: RoleReader<Role>
  readonly #separation: Separation<Role>
  readonly #always: ReadonlySet<string>
  readonly #records: Collection<Activation>
  readonly #milliseconds: number

  /** @param lifetime of an activation, in seconds */
  constructor(
    reader: RoleReader<Role>,
    parts: {
      readonly separation: Separation<Role>
      readonly always: readonly string[]
      readonly records: Collection<Activation>
      readonly lifetime: number
    },
  ) {
    this.#reader = reader
    this.#separation = parts.separation
    this.#always = new Set(parts.always)
    this.#records = parts.records
    this.#milliseconds = parts.lifetime * 1000
  }

  async activate(place: ActivationPlace, roles: readonly Role[], context?: EventContext): Promise<ActivateResult<Role>> {
    const { order, clock } = this.#reader
    order.check(roles)
    const { tenant } = place
    const holder = nameOf(place.holder)
    const result = await this.#judge(place, roles)
    if (result.ok) {
      await this.#put(place, { roles: order.sort(roles) })
      rolesActivated.publish({ tenant, holder, roles: result.roles }, { clock, ...context })
    } else {
      const { code } = result.reason
      assignmentRefused.publish({ act: 'activate', tenant, holder, roles, by: holder, code }, { clock, ...context })
    }
    return result
  }

  /** The roles of the session now. Nothing was activated in it: those alone that are always active. */
  async roles(place: ActivationPlace): Promise<readonly Role[]> {
    const { holder, tenant } = place
    const [kept, held] = await Promise.all([this.#records.get(idOf(place)), this.#reader.held(holder, tenant)])
    const { order } = this.#reader
    const all = order.withInherited(held.roles)
    // What was taken away since is out at once, whatever the session had.
    const active = order.sort([...(kept?.value.roles ?? []), ...this.#always].filter((role) => all.has(role)))
    // A set that is younger than the activation.
    return this.#separation.conflict(active) === undefined ? active : []
  }

  /** @returns false: nothing was active */
  async deactivate(place: ActivationPlace, context?: EventContext): Promise<boolean> {
    const { tenant, holder } = place
    const removed = await this.#records.remove(idOf(place))
    const { clock } = this.#reader
    if (removed) rolesActivated.publish({ tenant, holder: nameOf(holder), roles: [] }, { clock, ...context })
    return removed
  }

  async #judge({ holder, tenant }: ActivationPlace, roles: readonly Role[]): Promise<ActivateResult<Role>> {
    const { order } = this.#reader
    const held = await this.#reader.held(holder, tenant, true)
    if (held.conflict !== undefined) return refused('rbac.roles_exclusive', held.conflict)
    // INCITS 359-2012 §6.2: who holds a role may activate what it inherits, and that alone: the least that a task needs.
    const all = order.withInherited(held.roles)
    if (roles.some((role) => !all.has(role))) return refused('rbac.role_not_held')
    const active = order.sort([...roles, ...[...this.#always].filter((role) => all.has(role))])
    const conflict = this.#separation.conflict(active)
    return conflict === undefined ? { ok: true, roles: active } : refused('rbac.active_roles_exclusive', conflict)
  }

  /**
   * The whole set at once: of two that are written together one stays, and never a mixture that nobody looked at. A write that loses
   * is as one that came just before the other.
   */
  async #put(place: ActivationPlace, value: Activation): Promise<void> {
    const id = idOf(place)
    const options = { expiresAt: this.#reader.clock.now() + this.#milliseconds }
    const was = await this.#records.get(id)
    await (was ? this.#records.replace(id, was.version, value, options) : this.#records.create(id, value, options))
  }
}

function idOf({ holder, tenant, session }: ActivationPlace): string {
  return keyOf(tenant, holder.kind, holder.subject, session)
}
