import { type Holders, type KnownRoles, NONE, type RoleGrant, type RolePermissions } from './advisor-roles.ts'
import type { CallerUse, Usage } from './advisor-usage.ts'

/**
 * What is said of a role. `reduced`: it would be smaller. `kept`: all of it is used, or what is not is too young to tell. `young`: nobody
 * has held it for the whole window. `unheld`: nobody holds it. `denying`: it takes something away, and is left as it is.
 */
export type RoleStanding = 'reduced' | 'kept' | 'young' | 'unheld' | 'denying'

/** One role, and what was used of it. */
export interface RoleAdvice {
  readonly role: string
  readonly standing: RoleStanding
  /** What it allows, held alone. */
  readonly permissions: readonly string[]
  /** Never used in the window by anybody who holds it, through this role or another. */
  readonly unused: readonly string[]
  /** Unused, but part of the role for less than the window. */
  readonly recent: readonly string[]
  /** Callers who hold it: for the whole window, for less of it, and for nobody knows how long (taken for the whole of it). */
  readonly holders: { readonly judged: number; readonly young: number; readonly undated: number }
}

/** A role that allows nothing that another one does not. */
export interface SubsetAdvice {
  readonly role: string
  readonly of: string
  /** Both allow the same. */
  readonly equal: boolean
  /** Whether that is so only under the proposal. */
  readonly proposed: boolean
  /** Callers who hold both, and need not. */
  readonly heldTogether: number
}

/** A caller who may do more than he did. */
export interface CallerAdvice {
  readonly subject: string
  readonly tenant: string | undefined
  readonly roles: readonly string[]
  readonly used: readonly string[]
  /** What his roles allow beyond that. */
  readonly unused: readonly string[]
  /** Roles that would have done for what he used, of those that are defined; the same, when there are none that are smaller. */
  readonly proposed: readonly string[]
}

/** Since when a role has a permission, in milliseconds since the epoch; `undefined`: for long. */
export type PermissionSince = (role: string, permission: string) => number | undefined

/** @param from milliseconds since the epoch: the window's begin */
export function adviseOnRoles(
  known: KnownRoles,
  holders: Holders,
  usage: Usage,
  from: number,
  since: PermissionSince,
): readonly RoleAdvice[] {
  const counts = countHolders(holders, usage, from)
  return known.access.roles.map((role) => {
    const permissions = [...known.permissionsOf(role)]
    const used = usage.ofRole.get(role) ?? NONE
    const idle = permissions.filter((permission) => !used.has(permission))
    const isRecent = (permission: string): boolean => (since(role, permission) ?? Number.NEGATIVE_INFINITY) > from
    const unused = idle.filter((permission) => !isRecent(permission))
    const held = counts.get(role) ?? { judged: 0, young: 0, undated: 0 }
    return {
      role,
      standing: standingOf(known.isDenying(role), held, unused),
      permissions,
      unused,
      recent: idle.filter(isRecent),
      holders: held,
    }
  })
}

function standingOf(isDenying: boolean, held: RoleAdvice['holders'], unused: readonly string[]): RoleStanding {
  if (isDenying) return 'denying'
  if (held.judged + held.young === 0) return 'unheld'
  if (held.judged === 0) return 'young'
  return unused.length === 0 ? 'kept' : 'reduced'
}

function countHolders(holders: Holders, usage: Usage, from: number): ReadonlyMap<string, RoleAdvice['holders']> {
  const counts = new Map<string, { judged: number; young: number; undated: number }>()
  const count = (role: string, since: number | undefined): void => {
    const of = counts.get(role) ?? { judged: 0, young: 0, undated: 0 }
    counts.set(role, of)
    if (since !== undefined && since > from) of.young += 1
    else of.judged += 1
    if (since === undefined) of.undated += 1
  }
  for (const [, grants] of holders) for (const { role, since } of grants) count(role, since)
  // Of those whom no grant names, the log may have told the roles.
  for (const [key, { roles }] of usage.callers) {
    const granted = holders.rolesAt(key)
    for (const role of roles) if (!granted.includes(role)) count(role, undefined)
  }
  return counts
}

/** What every role would allow. */
export function proposedRoles(known: KnownRoles, advice: readonly RoleAdvice[]): RolePermissions {
  return new Map(
    advice.map(({ role, standing, unused }) => {
      const now = known.permissionsOf(role)
      return [role, standing === 'reduced' ? new Set([...now].filter((permission) => !unused.includes(permission))) : now]
    }),
  )
}

/** Roles that another one makes needless, as they are and as they would be. */
export function findSubsets(known: KnownRoles, proposal: RolePermissions, holders: Holders): readonly SubsetAdvice[] {
  const roles = known.access.roles.filter((role) => !known.isDenying(role))
  return roles.flatMap((role, at) =>
    roles.flatMap((of, other): readonly SubsetAdvice[] => {
      const now = relation(known.permissionsOf(role), known.permissionsOf(of))
      const then = relation(proposal.get(role) ?? NONE, proposal.get(of) ?? NONE)
      // Equal ones are told once.
      const isTold = (one: typeof now): boolean => one === 'subset' || (one === 'equal' && at < other)
      if (role === of || !(isTold(now) || isTold(then))) return []
      const found = isTold(now) ? now : then
      const heldTogether = [...holders].filter(([, grants]) => holds(grants, role) && holds(grants, of)).length
      return [{ role, of, equal: found === 'equal', proposed: !isTold(now), heldTogether }]
    }),
  )
}

function relation(some: ReadonlySet<string>, others: ReadonlySet<string>): 'subset' | 'equal' | 'other' {
  if (some.size > others.size || ![...some].every((one) => others.has(one))) return 'other'
  return some.size === others.size ? 'equal' : 'subset'
}

function holds(grants: readonly RoleGrant[], role: string): boolean {
  return grants.some((grant) => grant.role === role)
}

/**
 * Callers whose grants are all as old as the window, and who have more than they used.
 * @param from milliseconds since the epoch: the window's begin
 */
export function adviseOnCallers(
  known: KnownRoles,
  holders: Holders,
  usage: Usage,
  proposal: RolePermissions,
  from: number,
): readonly CallerAdvice[] {
  const found: CallerAdvice[] = []
  for (const [key, grants] of holders) {
    const [first] = grants
    if (first === undefined || grants.some(({ since }) => (since ?? 0) > from)) continue
    const roles = [...new Set(grants.map(({ role }) => role))]
    const may = known.together(roles)
    const use: CallerUse['used'] = usage.callers.get(key)?.used ?? new Set()
    const used = [...use].filter((permission) => may.has(permission))
    const unused = [...may].filter((permission) => !use.has(permission))
    if (unused.length === 0) continue
    const proposed = smallest(known, roles, may, used, proposal)
    found.push({ subject: first.subject, tenant: first.tenant, roles, used, unused, proposed })
  }
  return found.sort((one, other) => other.unused.length - one.unused.length)
}

/** Of the roles that give nothing beyond what is held, as few permissions as cover what was used. Greedy: good, not always the best. */
function smallest(
  known: KnownRoles,
  held: readonly string[],
  may: ReadonlySet<string>,
  used: readonly string[],
  proposal: RolePermissions,
): readonly string[] {
  const denying = held.filter((role) => known.isDenying(role))
  const candidates = known.access.roles
    .filter((role) => !known.isDenying(role))
    .filter((role) => [...(proposal.get(role) ?? NONE)].every((permission) => may.has(permission)))
    .filter((role) => reachesNoFurther(known, role, held, proposal))
    .map((role) => ({ role, permissions: known.proposed([role], proposal, held) }))
  const fromDenying = known.together(denying)
  const missing = new Set(used.filter((permission) => !fromDenying.has(permission)))
  const chosen: string[] = []
  while (missing.size > 0) {
    const gain = ({ permissions }: { permissions: ReadonlySet<string> }): number =>
      [...missing].filter((permission) => permissions.has(permission)).length
    const [best] = candidates
      .filter((one) => gain(one) > 0)
      .sort((one, other) => gain(other) - gain(one) || one.permissions.size - other.permissions.size)
    // Nothing but what he holds gives all of it.
    if (best === undefined) return held
    chosen.push(best.role)
    for (const permission of best.permissions) missing.delete(permission)
  }
  const next = [...chosen, ...denying]
  const covered = known.proposed(next, proposal, held)
  if (!used.every((permission) => covered.has(permission))) return held
  const now = known.proposed(held, proposal, held)
  return covered.size < now.size || (covered.size === now.size && next.length < held.length) ? next : held
}

function reachesNoFurther(known: KnownRoles, role: string, held: readonly string[], proposal: RolePermissions): boolean {
  return [...(proposal.get(role) ?? NONE)].every((permission) => {
    const now = known.reaches(held, known.alone, permission)
    return [...known.reaches([role], proposal, permission)].every((reach) => now.has(reach))
  })
}
