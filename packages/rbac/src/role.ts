import { addBits, type Bits } from './bits.ts'
import { UnknownNames } from './condition-parse.ts'
import { checkName, ownEntries, ownMembers, stringList } from './definition.ts'
import { AccessError } from './errors.ts'
import { type PermissionTable, type ResolvedPermission, unknownPermissions } from './permission.ts'
import { type CompiledRule, compileRules, type RuleList, type RuleNames } from './rule.ts'
import type { Schema } from './schema.ts'

/** A role with its wildcards resolved and its inheritance flattened. */
export interface CompiledRole {
  readonly name: string
  readonly index: number
  readonly inherits: readonly CompiledRole[]
  readonly crossTenant: boolean
  readonly own: { readonly allow: RuleList; readonly deny: RuleList }
  /** What it grants on some records, with all that is inherited. */
  readonly allow: Bits
  /** What it denies on all records, with all that is inherited. */
  readonly deny: Bits
  /** What depends on the time, with all that is inherited. */
  readonly timed: Bits
}

/** Which rule decided: the role that holds it, how one comes there from a held role, and the pattern that it is written with. */
export interface RoleRule {
  /** From the role that is held to the one that has the rule. */
  readonly path: readonly string[]
  /** As written: `invoice:read`, `invoice:*` or `*`. */
  readonly pattern: string
  /** Whether it reaches the records of every tenant. */
  readonly crossTenant?: true
}

/** A rule that a caller has, and by which way. */
export interface ReachedRule {
  readonly rule: CompiledRule
  readonly way: RoleRule
  readonly crossTenant: boolean
}

/** The name of the role under which the rules of `clients` are kept. No role can be called so. */
const CLIENTS = '(clients)'

/**
 * @returns by name, in order of definition
 * @throws AccessError `rbac.definition_invalid`, `rbac.name_invalid`, `rbac.permission_unknown`, `rbac.role_unknown`, `rbac.role_cycle`,
 * `rbac.condition_invalid`, `rbac.field_unknown`, `rbac.attribute_unknown`, `rbac.cross_tenant_implicit`
 */
export function compileRoles(table: PermissionTable, schema: Schema, roles: unknown): ReadonlyMap<string, CompiledRole> {
  const members = ['inherits', 'allow', 'deny', 'crossTenant'] as const
  const written = new Map(
    ownEntries('roles', roles).map(([name, role]) => [checkName('role', name), ownMembers(`role ${name}`, role, members)]),
  )
  const names: RuleNames = { table, schema, unknownPermissions: [], unknown: new UnknownNames(), conditions: new Map() }
  const own = new Map([...written].map(([name, role]) => [name, compileOwn(names, `role ${name}`, role)]))
  refuseUnknown(names)
  const parents = new Map([...written].map(([name, { inherits }]) => [name, stringList(`role ${name} inherits`, inherits)]))
  refuseUnknownParents(parents)

  const done = new Map<string, CompiledRole>()
  const compile = (name: string, below: readonly string[]): CompiledRole => {
    const ready = done.get(name)
    if (ready !== undefined) return ready
    if (below.includes(name)) {
      const cycle = [...below.slice(below.indexOf(name)), name]
      throw new AccessError('rbac.role_cycle', `a role inherits itself: ${cycle.join(' → ')}`, cycle.slice(0, -1))
    }
    const inherits = (parents.get(name) ?? []).map((parent) => compile(parent, [...below, name]))
    const role = flatten(
      table,
      name,
      done.size,
      inherits,
      own.get(name) ?? compileOwn(names, name, ownMembers(name, {}, members)),
    )
    done.set(name, role)
    return role
  }
  for (const name of written.keys()) compile(name, [])
  return new Map([...written.keys()].flatMap((name) => done.get(name) ?? []).map((role) => [role.name, role]))
}

/** @throws AccessError as {@link compileRoles} */
export function compileClients(table: PermissionTable, schema: Schema, clients: unknown): CompiledRole {
  const members = ownMembers('clients', clients ?? {}, ['allow', 'deny', 'crossTenant'])
  const names: RuleNames = { table, schema, unknownPermissions: [], unknown: new UnknownNames(), conditions: new Map() }
  const own = compileOwn(names, 'clients', members)
  refuseUnknown(names)
  return flatten(table, CLIENTS, 0, [], own)
}

/** All rules about a permission: first those that are reached over the fewest roles, and among them the first as written. */
export function reachRules(
  held: readonly CompiledRole[],
  effect: 'allow' | 'deny',
  permission: ResolvedPermission,
): readonly ReachedRule[] {
  const found: ReachedRule[] = []
  // What is reached from a cross-tenant role is reached in every tenant, and need not be reached once more in one.
  const seen = new Set<CompiledRole>()
  for (const crossTenant of [true, false]) {
    const queue = held
      .filter((role) => role.crossTenant === crossTenant && !seen.has(role))
      .map((role) => ({ role, path: [role.name] }))
    for (const { role } of queue) seen.add(role)
    for (const { role, path } of queue) {
      for (const rule of role.own[effect].rules.get(permission) ?? []) {
        const way = { path, pattern: rule.pattern, ...(crossTenant ? { crossTenant } : {}) }
        found.push({ rule, way, crossTenant })
      }
      for (const parent of role.inherits) {
        if (seen.has(parent)) continue
        seen.add(parent)
        queue.push({ role: parent, path: [...path, parent.name] })
      }
    }
  }
  return found
}

/** The names of the roles that one inherits, directly or over others. @throws AccessError `rbac.role_unknown` */
export function inheritedBy(roles: ReadonlyMap<string, CompiledRole>, name: string): readonly string[] {
  const role = roles.get(name)
  if (role === undefined) throw new AccessError('rbac.role_unknown', `no role is defined as ${JSON.stringify(name)}`, [name])
  const found = new Set<string>()
  const queue = [...role.inherits]
  for (const parent of queue) {
    if (found.has(parent.name)) continue
    found.add(parent.name)
    queue.push(...parent.inherits)
  }
  return [...found]
}

interface WrittenRole {
  readonly allow?: unknown
  readonly deny?: unknown
  readonly crossTenant?: unknown
}

interface OwnRules {
  readonly allow: RuleList
  readonly deny: RuleList
  readonly crossTenant: boolean
}

function compileOwn(names: RuleNames, place: string, { allow, deny, crossTenant = false }: WrittenRole): OwnRules {
  if (typeof crossTenant !== 'boolean') throw new AccessError('rbac.definition_invalid', `${place} crossTenant is no boolean`)
  return {
    allow: compileRules(names, 'allow', `${place} allow`, allow),
    deny: compileRules(names, 'deny', `${place} deny`, deny),
    crossTenant,
  }
}

function flatten(
  table: PermissionTable,
  name: string,
  index: number,
  inherits: readonly CompiledRole[],
  { crossTenant, ...own }: OwnRules,
): CompiledRole {
  const wider = crossTenant ? undefined : inherits.find((parent) => parent.crossTenant)
  if (wider !== undefined) {
    throw new AccessError(
      'rbac.cross_tenant_implicit',
      `role ${name} inherits ${wider.name}, which reaches every tenant, and does not say crossTenant: true`,
      [name, wider.name],
    )
  }
  const [allow, deny, timed] = [table.none(), table.none(), table.none()]
  for (const list of [own.allow.bits, ...inherits.map((parent) => parent.allow)]) addBits(allow, list)
  for (const list of [own.deny.bits, ...inherits.map((parent) => parent.deny)]) addBits(deny, list)
  for (const list of [own.allow.timed, own.deny.timed, ...inherits.map((parent) => parent.timed)]) addBits(timed, list)
  return { name, index, inherits, crossTenant, own, allow, deny, timed }
}

function refuseUnknown({ unknownPermissions: found, unknown }: RuleNames): void {
  if (found.length > 0) {
    throw unknownPermissions(
      found.map(({ name }) => name),
      found.map(({ name, place }) => `${JSON.stringify(name)} (${place})`),
    )
  }
  unknown.refuse()
}

function refuseUnknownParents(parents: ReadonlyMap<string, readonly string[]>): void {
  const unknown = [...parents].flatMap(([role, names]) =>
    names
      .filter((name) => !parents.has(name))
      .map((name) => ({ name, place: `${JSON.stringify(name)} (role ${role} inherits)` })),
  )
  if (unknown.length === 0) return
  throw new AccessError(
    'rbac.role_unknown',
    `no role is defined as ${unknown.map(({ place }) => place).join('; ')}`,
    unknown.map(({ name }) => name),
  )
}
