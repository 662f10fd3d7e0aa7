import { addBit, addBits, type Bits } from './bits.ts'
import { checkName, ownEntries, ownMembers, stringList } from './definition.ts'
import { AccessError } from './errors.ts'
import { type PermissionTable, type ResolvedPermission, unknownPermissions } from './permission.ts'

/** A list of a role, resolved: which pattern named a permission, and all of them as bits. */
interface PermissionList {
  readonly patterns: ReadonlyMap<ResolvedPermission, string>
  readonly bits: Bits
}

/** A role with its wildcards resolved and its inheritance flattened. */
export interface CompiledRole {
  readonly name: string
  readonly index: number
  readonly inherits: readonly CompiledRole[]
  readonly own: { readonly allow: PermissionList; readonly deny: PermissionList }
  /** With all that is inherited. */
  readonly allow: Bits
  /** With all that is inherited. */
  readonly deny: Bits
}

/** Which rule decided: the role that holds it, how one comes there from a held role, and the pattern that it is written with. */
export interface RoleRule {
  /** From the role that is held to the one that has the rule. */
  readonly path: readonly string[]
  /** As written: `invoice:read`, `invoice:*` or `*`. */
  readonly pattern: string
}

/**
 * @returns by name, in order of definition
 * @throws AccessError `rbac.definition_invalid`, `rbac.name_invalid`, `rbac.permission_unknown`, `rbac.role_unknown`, `rbac.role_cycle`
 */
export function compileRoles(table: PermissionTable, roles: unknown): ReadonlyMap<string, CompiledRole> {
  const written = new Map(
    ownEntries('roles', roles).map(([name, role]) => [
      checkName('role', name),
      ownMembers(`role ${name}`, role, ['inherits', 'allow', 'deny']),
    ]),
  )
  const unknown: Unknown[] = []
  const lists = new Map(
    [...written].map(([name, { allow, deny }]) => [
      name,
      {
        allow: resolveList(table, `role ${name} allow`, allow, unknown),
        deny: resolveList(table, `role ${name} deny`, deny, unknown),
      },
    ]),
  )
  refuseUnknown(unknown)
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
    const own = lists.get(name) ?? { allow: emptyList(table), deny: emptyList(table) }
    const allow = table.none()
    const deny = table.none()
    for (const list of [own.allow.bits, ...inherits.map((parent) => parent.allow)]) addBits(allow, list)
    for (const list of [own.deny.bits, ...inherits.map((parent) => parent.deny)]) addBits(deny, list)
    const role: CompiledRole = { name, index: done.size, inherits, own, allow, deny }
    done.set(name, role)
    return role
  }
  for (const name of written.keys()) compile(name, [])
  return new Map([...written.keys()].flatMap((name) => done.get(name) ?? []).map((role) => [role.name, role]))
}

/** @throws AccessError `rbac.definition_invalid`, `rbac.permission_unknown` */
export function compileClients(table: PermissionTable, clients: unknown): PermissionList {
  if (clients === undefined) return emptyList(table)
  const unknown: Unknown[] = []
  const list = resolveList(table, 'clients allow', ownMembers('clients', clients, ['allow']).allow, unknown)
  refuseUnknown(unknown)
  return list
}

/** The rule that is reached over the fewest roles; among those, the first as written. */
export function findRule(
  held: readonly CompiledRole[],
  list: 'allow' | 'deny',
  permission: ResolvedPermission,
): RoleRule | undefined {
  const seen = new Set<CompiledRole>(held)
  const queue = held.map((role) => ({ role, path: [role.name] }))
  for (const { role, path } of queue) {
    const pattern = role.own[list].patterns.get(permission)
    if (pattern !== undefined) return { path, pattern }
    for (const parent of role.inherits) {
      if (seen.has(parent)) continue
      seen.add(parent)
      queue.push({ role: parent, path: [...path, parent.name] })
    }
  }
  return undefined
}

interface Unknown {
  readonly name: string
  readonly place: string
}

function refuseUnknown(unknown: readonly Unknown[]): void {
  if (unknown.length === 0) return
  throw unknownPermissions(
    unknown.map(({ name }) => name),
    unknown.map(({ name, place }) => `${JSON.stringify(name)} (${place})`),
  )
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

function emptyList(table: PermissionTable): PermissionList {
  return { patterns: new Map(), bits: table.none() }
}

function resolveList(table: PermissionTable, place: string, list: unknown, unknown: Unknown[]): PermissionList {
  const patterns = new Map<ResolvedPermission, string>()
  const bits = table.none()
  for (const pattern of stringList(place, list)) {
    const permissions = table.expand(pattern)
    if (permissions === undefined) {
      unknown.push({ name: pattern, place })
      continue
    }
    for (const permission of permissions) {
      if (!patterns.has(permission)) patterns.set(permission, pattern)
      addBit(bits, permission)
    }
  }
  return { patterns, bits }
}
