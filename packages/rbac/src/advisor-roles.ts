import { AdvisorError } from './advisor-errors.ts'
import type { MatrixAccess } from './matrix.ts'
import { reachOf } from './matrix-reach.ts'

/** Permissions of each role, held alone and without inheritance: the list of one role stands by itself. */
export type RolePermissions = ReadonlyMap<string, ReadonlySet<string>>

/**
 * How far a role's permission reaches, where that is not every record of the caller's tenant at any time: any text, the same for the same
 * reach (a condition as JSON, `every tenant`).
 */
export type GrantReach = (role: string, permission: string) => string | undefined

/** What the roles of a definition do, found out by asking it. */
export class KnownRoles {
  readonly access: MatrixAccess
  /** What each role may do, held alone. */
  readonly alone: RolePermissions
  /** Permissions that a role takes from whoever holds it, of those that another one grants. */
  readonly denies: RolePermissions
  readonly #limiting: ReadonlySet<string>
  readonly #reachOf: GrantReach
  readonly #together = new Map<string, ReadonlySet<string>>()

  /** @param given where it is silent, the definition is asked */
  constructor(access: MatrixAccess, given: GrantReach) {
    this.access = access
    this.#reachOf = (role, permission) => given(role, permission) ?? this.#definedReach([role], permission)
    this.alone = new Map(access.roles.map((role) => [role, this.#ask([role])]))
    const all = access.roles
    this.denies = new Map(
      all.map((role) => {
        const taken = all.flatMap((other) => {
          const both = this.#ask([other, role])
          return [...this.permissionsOf(other)].filter((permission) => !both.has(permission))
        })
        return [role, new Set(taken)]
      }),
    )
    // With every role at once any denial shows: most definitions have none, and then no pair need be looked at.
    const together = this.#ask(all)
    const isDenied = [...this.alone.values()].some((list) => [...list].some((permission) => !together.has(permission)))
    const isLimited = [...together].some((permission) => this.#isLimited(all, permission))
    const limits = (role: string): boolean =>
      all.some((other) =>
        [...this.permissionsOf(other)].some(
          (permission) => this.#isLimited([other, role], permission) && (other === role || !this.#isLimited([other], permission)),
        ),
      )
    this.#limiting = new Set(isDenied || isLimited ? all.filter(limits) : [])
  }

  /** What a role may do, held alone; nothing, for one that is not defined. */
  permissionsOf(role: string): ReadonlySet<string> {
    return this.alone.get(role) ?? NONE
  }

  /** Whether a role takes something from whoever holds it, also on some records alone. */
  isDenying(role: string): boolean {
    return (this.denies.get(role) ?? NONE).size > 0 || this.#limiting.has(role)
  }

  /** What somebody may do who holds these. */
  together(roles: readonly string[]): ReadonlySet<string> {
    const key = JSON.stringify([...roles].sort())
    const kept = this.#together.get(key)
    if (kept !== undefined) return kept
    const made = this.#ask(roles)
    // Combinations come from a log: they must not fill the memory.
    if (this.#together.size >= 1000) this.#together.clear()
    this.#together.set(key, made)
    return made
  }

  /**
   * What somebody could do as far as before who held these, if the roles allowed what is proposed. What roles deny stays denied.
   * @param before the roles that he holds now
   */
  proposed(roles: readonly string[], proposal: RolePermissions, before: readonly string[]): ReadonlySet<string> {
    const may = new Set<string>()
    for (const permission of new Set(roles.flatMap((role) => [...listOf(proposal, this.alone, role)]))) {
      // A role that allows something on some records does not stand in for one that allowed it on others.
      const then = this.reaches(roles, proposal, permission)
      if ([...this.reaches(before, this.alone, permission)].every((reach) => then.has(reach))) may.add(permission)
    }
    for (const role of roles) for (const permission of this.denies.get(role) ?? NONE) may.delete(permission)
    return may
  }

  /** How far a permission reaches by each of some roles. */
  reaches(roles: readonly string[], lists: RolePermissions, permission: string): ReadonlySet<string | undefined> {
    const allowing = roles.filter((role) => listOf(lists, this.alone, role).has(permission))
    return new Set(allowing.map((role) => this.#reachOf(role, permission)))
  }

  /** What a program may do that acts for itself, with every scope. */
  clients(): ReadonlySet<string> {
    const scopes = this.access.permissions.map((permission) => this.access.permission(permission).scope)
    const bound = this.access.bind({ subject: '', kind: 'client', roles: [], scopes })
    return new Set(this.access.permissions.filter((permission) => bound.allows(this.access.permission(permission))))
  }

  #definedReach(roles: readonly string[], permission: string): string | undefined {
    const reach = reachOf(this.access, { subject: '', kind: 'user', roles }, permission)
    // What a function says is known of that function alone: not even of one with the same name.
    return reach?.includes('says so') ? `${reach}, of ${roles.join()}` : reach
  }

  #isLimited(roles: readonly string[], permission: string): boolean {
    return reachOf(this.access, { subject: '', kind: 'user', roles }, permission)?.includes('; not ') ?? false
  }

  #ask(roles: readonly string[]): ReadonlySet<string> {
    const bound = this.access.bind({ subject: '', kind: 'user', roles })
    return new Set(this.access.permissions.filter((permission) => bound.allows(this.access.permission(permission))))
  }
}

function listOf(lists: RolePermissions, otherwise: RolePermissions, role: string): ReadonlySet<string> {
  return lists.get(role) ?? otherwise.get(role) ?? NONE
}

export const NONE: ReadonlySet<string> = new Set()

/** That somebody holds a role. */
export interface RoleGrant {
  readonly subject: string
  readonly tenant?: string | undefined
  readonly role: string
  /** Since when, in milliseconds since the epoch. Without it: for as long as the window, as far as is known. */
  readonly since?: number | undefined
}

/** Who holds what. */
export class Holders {
  readonly #byCaller = new Map<string, RoleGrant[]>()

  /** @throws AdvisorError `rbac.advice_invalid` */
  add(grant: RoleGrant): void {
    const { subject, tenant, role, since } = grant
    const isGrant =
      typeof subject === 'string' &&
      typeof role === 'string' &&
      (tenant === undefined || typeof tenant === 'string') &&
      (since === undefined || (Number.isSafeInteger(since) && since >= 0))
    if (!isGrant)
      throw new AdvisorError('rbac.advice_invalid', 'a grant is { subject, tenant?, role, since? }, since in milliseconds')
    const key = callerKey(subject, tenant)
    const others = this.#byCaller.get(key)
    if (others === undefined) this.#byCaller.set(key, [grant])
    else others.push(grant)
  }

  /** Under which keys a caller's grants stand: those of the tenant, and those for every tenant. */
  keysOf(subject: string, tenant: string | undefined): readonly string[] {
    const keys = [...new Set([callerKey(subject, tenant), callerKey(subject, undefined)])]
    return keys.filter((key) => this.#byCaller.has(key))
  }

  rolesAt(key: string): readonly string[] {
    return this.#byCaller.get(key)?.map(({ role }) => role) ?? []
  }

  [Symbol.iterator](): Iterator<readonly [string, readonly RoleGrant[]]> {
    return this.#byCaller.entries()
  }
}

/** A subject is one in its tenant. */
export function callerKey(subject: string, tenant: string | undefined): string {
  return tenant === undefined ? JSON.stringify([subject]) : JSON.stringify([subject, tenant])
}
