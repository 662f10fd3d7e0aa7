import { AssignmentError, invalidOption } from './assignments-errors.ts'

/** Roles of which nobody may hold (static) or have active (dynamic) more than some: INCITS 359-2012 §5.4. */
export interface SeparationSet<Role extends string = string> {
  /** At least two. Inherited roles count: whoever holds `owner` holds what `owner` inherits. */
  readonly roles: readonly Role[]
  /** How many of them at most; 1 by default. INCITS 359 writes n, of which this is n − 1. */
  readonly most?: number
}

/**
 * What roles inherit: lists of names, or the `roles` that were given to `defineAccess`. From the latter it is also known which
 * roles deny something: those are active in every session of whoever holds them.
 */
export type RoleHierarchy<Role extends string = string> = {
  readonly [R in Role]?: readonly Role[] | InheritingRole<Role>
}

/** What is read of a role's definition. */
export interface InheritingRole<Role extends string = string> {
  readonly inherits?: readonly Role[]
  readonly deny?: readonly unknown[]
  /** Not read. */
  readonly allow?: readonly unknown[]
}

/** A set that would be broken. */
export interface SeparationConflict {
  readonly roles: readonly string[]
  readonly most: number
  /** Those of them that would be held or active, inherited ones included. */
  readonly held: readonly string[]
}

/** The roles of a definition: their order, what each inherits, and which exclude each other. */
export class RoleOrder<Role extends string> {
  readonly #names: ReadonlySet<string>
  readonly #closures: ReadonlyMap<string, ReadonlySet<string>>
  /** Roles that deny something, where the hierarchy tells. */
  readonly denying: readonly string[]

  /** @throws AssignmentError `rbac.assignments_invalid`, `rbac.role_unknown` */
  constructor(roles: readonly Role[], hierarchy: RoleHierarchy<Role>) {
    if (typeof hierarchy !== 'object' || hierarchy === null) {
      throw invalidOption('hierarchy says what each role inherits; {} when none inherits')
    }
    this.#names = new Set(roles)
    const entries = Object.entries(hierarchy as RoleHierarchy)
    const parents = new Map(entries.map(([role, entry]) => [role, listOf(entry)]))
    this.check([...parents.keys(), ...[...parents.values()].flat()])
    this.denying = entries.flatMap(([role, entry]) => (isDenying(entry) ? [role] : []))
    this.#closures = new Map(roles.map((role) => [role, closureOf(role, parents)]))
  }

  /** @throws AssignmentError `rbac.role_unknown` (400) that names each */
  check(roles: readonly unknown[]): void {
    const unknown = [...new Set(roles.filter((role) => typeof role !== 'string' || !this.#names.has(role)).map(String))]
    if (unknown.length === 0) return
    const list = unknown.map((role) => JSON.stringify(role)).join(', ')
    throw new AssignmentError('rbac.role_unknown', `the access definition has no role ${list}`, unknown, 400)
  }

  isKnown(role: string): role is Role {
    return this.#names.has(role)
  }

  /** Those of them that are defined, each once, in order of definition. */
  sort(roles: Iterable<string>): readonly Role[] {
    const wanted = new Set(roles)
    return [...this.#names].filter((role) => wanted.has(role)) as Role[]
  }

  /** The roles and all that they inherit. */
  withInherited(roles: Iterable<string>): ReadonlySet<string> {
    return new Set([...roles].flatMap((role) => [...(this.#closures.get(role) ?? [role])]))
  }
}

/** Sets of roles of one kind, static or dynamic. */
export class Separation<Role extends string> {
  readonly #order: RoleOrder<Role>
  readonly #sets: readonly { readonly roles: readonly string[]; readonly most: number }[]

  /** @throws AssignmentError `rbac.separation_invalid`, `rbac.role_unknown` */
  constructor(kind: string, order: RoleOrder<Role>, sets: readonly SeparationSet<Role>[]) {
    this.#order = order
    this.#sets = sets.map(({ roles, most = 1 }) => ({ roles: order.sort(roles), most }))
    for (const { roles, most = 1 } of sets) {
      order.check(roles)
      const size = new Set(roles).size
      if (size < roles.length || size < 2 || !Number.isSafeInteger(most) || most < 1 || most >= size) {
        throw new AssignmentError(
          'rbac.separation_invalid',
          `a ${kind} set takes two or more different roles, and a most from 1 to one less than there are`,
          roles,
        )
      }
    }
  }

  /**
   * INCITS 359-2012 §6.3: a role that inherits more of a set than may be held could be assigned to nobody.
   * @throws AssignmentError `rbac.separation_invalid`
   */
  checkEachOf(roles: readonly Role[]): void {
    for (const role of roles) {
      const conflict = this.conflict([role])
      if (conflict === undefined) continue
      const held = conflict.held.join(', ')
      throw new AssignmentError('rbac.separation_invalid', `role ${role} alone has ${held}, which exclude each other`, [role])
    }
  }

  /** The first set that these roles, with all they inherit, would break. */
  conflict(roles: Iterable<string>): SeparationConflict | undefined {
    if (this.#sets.length === 0) return undefined
    const all = this.#order.withInherited(roles)
    for (const set of this.#sets) {
      const held = set.roles.filter((role) => all.has(role))
      if (held.length > set.most) return { ...set, held }
    }
    return undefined
  }
}

function listOf(entry: RoleHierarchy[string]): readonly string[] {
  const list = entry === undefined || isList(entry) ? entry : entry.inherits
  if (list === undefined) return []
  if (!isList(list)) throw invalidOption('what a role inherits is a list of roles')
  return list
}

function isDenying(entry: RoleHierarchy[string]): boolean {
  return entry !== undefined && !isList(entry) && (entry.deny?.length ?? 0) > 0
}

function isList(value: unknown): value is readonly string[] {
  return Array.isArray(value)
}

function closureOf(role: string, parents: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
  const all = new Set([role])
  // A set that grows while it is walked: each role is met once, so a cycle ends.
  for (const one of all) for (const parent of parents.get(one) ?? []) all.add(parent)
  return all
}
