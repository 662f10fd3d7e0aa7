import { decide, type Guard, type RoutePolicy } from '@portcullis/core'
import { applyThen, markPolicy, viewOf } from '@portcullis/core/node'
import type { RequestHandler } from 'express'
import { response } from './response-port.ts'
import { patternOf } from './routes.ts'

/**
 * Enforces a policy on one route. It comes first among the route's handlers; the guards run before the policy.
 * Its answer to a request without the entrance is `core.entrance_missing`, thrown.
 *
 * @example app.get('/invoices/:id', guard([bearer], permit('invoice:read')), handler)
 */
export function guard(guards: readonly Guard[], policy: RoutePolicy): RequestHandler {
  return markPolicy<RequestHandler>((req, res, next) => {
    const view = viewOf(req)
    view.route = { pattern: patternOf(req), policy }
    view.parsedBody = () => req.body
    applyThen(view, decide(view, guards, policy), response, res, next)
  }, policy)
}
