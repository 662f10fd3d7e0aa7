import type { EndpointRoute } from '@portcullis/core'
import { answer, markEndpoint, respond, viewOf } from '@portcullis/core/node'
import { type RequestHandler, Router } from 'express'
import { guard } from './guard.ts'
import { response } from './response-port.ts'

/**
 * Endpoints, each behind its guards and policy, as a router. Paths match exactly: letter case and trailing slash count.
 * Mount it before any body parser.
 *
 * @example app.use(mount(authorizationServer.endpoints))
 */
export function mount(endpoints: readonly EndpointRoute[]): Router {
  const router = Router({ caseSensitive: true, strict: true })
  for (const route of endpoints) {
    const method = route.method.toLowerCase() as Lowercase<EndpointRoute['method']>
    router[method](route.path, guard(route.guards ?? [], route.policy), handlerOf(route))
  }
  return router
}

function handlerOf(route: EndpointRoute): RequestHandler {
  return markEndpoint<RequestHandler>(async (req, res) => {
    const view = viewOf(req)
    respond(view, await answer(view, route.endpoint), response, res)
  }, route)
}
