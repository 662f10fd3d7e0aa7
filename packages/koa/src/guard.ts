import { decide, type Guard, type RoutePolicy } from '@portcullis/core'
import { markPolicy, viewOf } from '@portcullis/core/node'
import type { Middleware } from 'koa'
import { proceed } from './response-port.ts'
import { patternOf } from './routes.ts'

/**
 * Enforces a policy on one route. It comes first among the route's middleware; the guards run before the policy.
 * Its answer to a request without the entrance is `core.entrance_missing`, thrown.
 *
 * @example router.get('/invoices/:id', guard([bearer], permit('invoice:read')), handler)
 */
export function guard(guards: readonly Guard[], policy: RoutePolicy): Middleware {
  const enforce: Middleware = (ctx, next) => {
    const view = viewOf(ctx.req)
    view.route = { pattern: patternOf(ctx, enforce), policy }
    view.parsedBody = () => (ctx.request as { body?: unknown }).body
    return proceed(view, decide(view, guards, policy), ctx, next)
  }
  return markPolicy(enforce, policy)
}
