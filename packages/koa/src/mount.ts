import Router from '@koa/router'
import type { EndpointRoute } from '@portcullis/core'
import { answer, markEndpoint, respond, viewOf } from '@portcullis/core/node'
import type { Middleware } from 'koa'
import { guard } from './guard.ts'
import { response } from './response-port.ts'

/**
 * Endpoints, each behind its guards and policy, as a router's middleware. Paths match exactly: letter case and trailing slash
 * count. Mount it before any body parser.
 *
 * @example app.use(mount(authorizationServer.endpoints))
 */
export function mount(endpoints: readonly EndpointRoute[]): ReturnType<Router['routes']> {
  const router = new Router({ sensitive: true, strict: true })
  for (const route of endpoints) {
    router.register(route.path, [route.method], [guard(route.guards ?? [], route.policy), handlerOf(route)], router.opts)
  }
  return router.routes()
}

function handlerOf(route: EndpointRoute): Middleware {
  return markEndpoint<Middleware>(async (ctx) => {
    const view = viewOf(ctx.req)
    respond(view, await answer(view, route.endpoint), response, ctx)
  }, route)
}
