import type { Principal, RouteInfo, StepUp } from '@portcullis/core'
import type { Access } from './access.ts'

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
}

/**
 * Routes × roles, sorted by pattern and method, so that the file it is kept in changes only when access does.
 * @throws AccessError `rbac.permission_unknown` when a route needs a permission that `access` does not define
 */
export function routeMatrix(access: Access, routes: readonly RouteInfo[]): readonly MatrixRow[] {
  return routes.map((route) => matrixRow(access, route)).sort(byRoute)
}

function matrixRow(access: Access, { method, pattern, policy, flaw }: RouteInfo): MatrixRow {
  const declared = flaw === undefined ? policy : undefined
  const cell = (principal: Principal): MatrixCell => {
    if (declared === undefined) return 'undeclared'
    if (declared.kind !== 'permission') return declared.kind
    const may = declared.permissions.every((permission) => access.canSome(principal, permission).allowed)
    // A policy that asks for nothing is none of ours: claim no more for it than that it may refuse.
    return may && declared.permissions.length > 0 ? 'allow' : 'deny'
  }
  const scopes = access.permissions.map((permission) => access.permission(permission).scope)
  const stepUp = declared?.stepUp
  return {
    method,
    pattern,
    rule: declared?.label ?? '',
    ...(stepUp?.acr === undefined && stepUp?.maxAge === undefined ? {} : { stepUp }),
    roles: Object.fromEntries(access.roles.map((role) => [role, cell({ subject: '', kind: 'user', roles: [role] })])),
    clients: cell({ subject: '', kind: 'client', roles: [], scopes }),
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
    ...roles.map((role) => (Object.hasOwn(row.roles, role) ? (row.roles[role] ?? '') : '')),
    row.clients,
  ])
  return [head, head.map(() => '---'), ...lines.map((line) => line.map(escapeCell))]
    .map((line) => `| ${line.join(' | ')} |\n`)
    .join('')
}

function formatStepUp(stepUp: StepUp | undefined): string {
  const acr = stepUp?.acr === undefined ? [] : [stepUp.acr.join(' or ')]
  const age = stepUp?.maxAge === undefined ? [] : [`within ${stepUp.maxAge} s`]
  return [...acr, ...age].join(', ')
}

// Patterns may be regular expressions, and reasons are free text: neither may end a cell or a row.
function escapeCell(text: string): string {
  return text
    .replaceAll(/[\\|]/g, '\\$&')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[<>]/g, (mark) => (mark === '<' ? '&lt;' : '&gt;'))
}

function byRoute(one: MatrixRow, other: MatrixRow): number {
  return compare(one.pattern, other.pattern) || compare(one.method, other.method)
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
