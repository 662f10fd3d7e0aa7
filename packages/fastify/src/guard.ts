import { decide, type Guard, type RoutePolicy } from '@portcullis/core'
import { applyThen, markPolicy, viewOf } from '@portcullis/core/node'
import type { onRequestHookHandler } from 'fastify'
import { response } from './response-port.ts'

/** Route options that enforce a policy. Spread them first when a route has others: `{ ...guard(…), schema }`. */
export interface GuardedRoute {
  readonly onRequest: onRequestHookHandler
  readonly config: { readonly portcullis: RoutePolicy }
}

/**
 * Enforces a policy on one route, and on the HEAD route that Fastify adds to it; the guards run before the policy, and both before
 * the body is parsed. Its answer to a request without the entrance is `core.entrance_missing`, thrown.
 *
 * @example app.get('/invoices/:id', guard([bearer], permit('invoice:read')), handler)
 */
export function guard(guards: readonly Guard[], policy: RoutePolicy): GuardedRoute {
  const enforce: onRequestHookHandler = (request, reply, done) => {
    const view = viewOf(request.raw)
    view.route = { pattern: request.routeOptions.url ?? '*', policy }
    view.parsedBody = () => request.body
    applyThen(view, decide(view, guards, policy), response, reply, done)
  }
  return { onRequest: markPolicy(enforce, policy), config: { portcullis: policy } }
}
