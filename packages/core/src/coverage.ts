import type { RouteInfo } from './endpoint.ts'
import { CoreError } from './errors.ts'

/**
 * Refuses an application that has a route without a rule.
 * @throws CoreError `core.routes_uncovered`; its message names every such route, with file and line where they are known
 */
export function assertRoutesCovered(routes: readonly RouteInfo[]): void {
  const bare = routes.filter((route) => route.policy === undefined || route.flaw !== undefined)
  if (bare.length === 0) return
  const lines = bare.map(({ method, pattern, source, flaw }) => {
    return `  ${method} ${pattern}${source ? ` (${source})` : ''}: ${flaw ?? 'declares no policy'}`
  })
  throw new CoreError(
    'core.routes_uncovered',
    `${bare.length} of ${routes.length} routes have no rule. Give each a guard(guards, policy) with a permission, authenticated() or open('reason'):\n${lines.join('\n')}`,
  )
}
