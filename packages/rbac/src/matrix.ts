import type { Principal, RouteInfo, StepUp } from '@portcullis/core'
import type { Access } from './access.ts'
import { reachOf } from './matrix-reach.ts'

/** What of an access definition the matrix and the advisor read. */
export type MatrixAccess = Pick<Access, 'permissions' | 'roles' | 'permission' | 'bind'>

/**
 * What a role may do on a route. `open`: anybody may. `authenticated`: every known caller may. `undeclared`: the route has no
 * rule, or one that does not count.
 */
export type MatrixCell = 'allow' | 'deny' | 'open' | 'authenticated' | 'undeclared'

/** One route. Plain data, for JSON. */
export interface MatrixRow {
  readonly method: string
  readonly pattern: string
  /** The permissions, `authenticated`, or why the route is open; empty when it is undeclared. */
  readonly rule: string
  /** What else must be proven about the person, where something must. */
  readonly stepUp?: StepUp
  /** For each role, held alone. Token scope and tenant narrow it further. */
  readonly roles: Readonly<Record<string, MatrixCell>>
  /** For a program acting for itself that has every scope. */
  readonly clients: MatrixCell
  /**
   * For each role whose `allow` is not for every record of the caller's tenant: for which it is, in words. Two functions read alike,
   * whatever they do.
   */
  readonly reach?: Readonly<Record<string, string>>
  /** The same for a program acting for itself. */
  readonly clientsReach?: string
}

/**
 * Routes × roles, sorted by pattern and method, so that the file it is kept in changes only when access does.
 * @throws AccessError `rbac.permission_unknown` when a route needs a permission that `access` does not define
 */
export function routeMatrix(access: MatrixAccess, routes: readonly RouteInfo[]): readonly MatrixRow[] {
  return routes.map((route) => matrixRow(access, route)).sort(byRoute)
}

function matrixRow(access: MatrixAccess, { method, pattern, policy, flaw }: RouteInfo): MatrixRow {
  const declared = flaw === undefined ? policy : undefined
  const cell = (principal: Principal): MatrixCell => {
    if (declared === undefined) return 'undeclared'
    if (declared.kind !== 'permission') return declared.kind
    const may = declared.permissions.every((permission) => access.bind(principal).allows(access.permission(permission)))
    // A policy that asks for nothing is none of ours: claim no more for it than that it may refuse.
    return may && declared.permissions.length > 0 ? 'allow' : 'deny'
  }
  const reach = (principal: Principal): string | undefined => {
    if (declared === undefined || cell(principal) !== 'allow') return undefined
    const texts = declared.permissions.map((permission) => ({ permission, text: reachOf(access, principal, permission) }))
    const [only, ...others] = texts
    if (others.length === 0) return only?.text
    const told = texts.filter(({ text }) => text !== undefined).map(({ permission, text }) => `${permission} ${text}`)
    return told.length === 0 ? undefined : told.join('; ')
  }
  const scopes = access.permissions.map((permission) => access.permission(permission).scope)
  const client: Principal = { subject: '', kind: 'client', roles: [], scopes }
  const users = access.roles.map((role): readonly [string, Principal] => [role, { subject: '', kind: 'user', roles: [role] }])
  const reaches = users.flatMap(([role, user]) => {
    const text = reach(user)
    return text === undefined ? [] : [[role, text] as const]
  })
  const clientsReach = reach(client)
  const stepUp = declared?.stepUp
  return {
    method,
    pattern,
    rule: declared?.label ?? '',
    ...(stepUp?.acr === undefined && stepUp?.maxAge === undefined ? {} : { stepUp }),
    roles: Object.fromEntries(users.map(([role, user]) => [role, cell(user)])),
    clients: cell(client),
    ...(reaches.length === 0 ? {} : { reach: Object.fromEntries(reaches) }),
    ...(clientsReach === undefined ? {} : { clientsReach }),
  }
}

/** The matrix as a Markdown table, for a file that is reviewed. */
export function formatMatrix(rows: readonly MatrixRow[]): string {
  const roles = [...new Set(rows.flatMap((row) => Object.keys(row.roles)))]
  const head = ['method', 'route', 'rule', 'step-up', ...roles, 'clients']
  const lines = rows.map((row) => [
    row.method,
    row.pattern,
    row.rule,
    formatStepUp(row.stepUp),
    ...roles.map((role) => withReach(own(row.roles, role) ?? '', own(row.reach, role))),
    withReach(row.clients, row.clientsReach),
  ])
  return [head, head.map(() => '---'), ...lines.map((line) => line.map(escapeCell))]
    .map((line) => `| ${line.join(' | ')} |\n`)
    .join('')
}

function own<V>(members: Readonly<Record<string, V>> | undefined, name: string): V | undefined {
  return members !== undefined && Object.hasOwn(members, name) ? members[name] : undefined
}

function withReach(cell: string, reach: string | undefined): string {
  return reach === undefined ? cell : `${cell} ${reach}`
}

function formatStepUp(stepUp: StepUp | undefined): string {
  const acr = stepUp?.acr === undefined ? [] : [stepUp.acr.join(' or ')]
  const age = stepUp?.maxAge === undefined ? [] : [`within ${stepUp.maxAge} s`]
  return [...acr, ...age].join(', ')
}

// Patterns may be regular expressions, and reasons are free text: neither may end a cell or a row, become a link or emphasis, or be
// read in another order than it is written (Trojan Source, CVE-2021-42574).
function escapeCell(text: string): string {
  return text
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, codePoint)
    .replaceAll(/[\\|`*[\]~]/g, '\\$&')
    .replaceAll(/[&<>]/g, (mark) => (mark === '&' ? '&amp;' : mark === '<' ? '&lt;' : '&gt;'))
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`
}

function byRoute(one: MatrixRow, other: MatrixRow): number {
  return (
    compare(one.pattern, other.pattern) ||
    compare(one.method, other.method) ||
    // An application may declare one route twice: then the order is that of what the rows say.
    compare(JSON.stringify(one), JSON.stringify(other))
  )
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
