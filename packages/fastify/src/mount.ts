import type { EndpointRoute } from '@portcullis/core'
import { answer, markEndpoint, respond, viewOf } from '@portcullis/core/node'
import type { FastifyPluginCallback, RouteHandlerMethod } from 'fastify'
import { guard } from './guard.ts'
import { response } from './response-port.ts'

/**
 * Endpoints, each behind its guards and policy, as a plugin. No body parser of the application runs for them.
 *
 * @example await app.register(mount(authorizationServer.endpoints))
 */
export function mount(endpoints: readonly EndpointRoute[]): FastifyPluginCallback {
  return (app, _options, done) => {
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (_request, _payload, leaveUnread) => leaveUnread(null))
    for (const route of endpoints) {
      app.route({ method: route.method, url: route.path, ...guard(route.guards ?? [], route.policy), handler: handlerOf(route) })
    }
    done()
  }
}

function handlerOf(route: EndpointRoute): RouteHandlerMethod {
  return markEndpoint<RouteHandlerMethod>(async (request, reply) => {
    const view = viewOf(request.raw)
    const result = await answer(view, route.endpoint)
    // Nobody is left to answer: without this Fastify would answer with nothing.
    if (view.left) return reply.hijack()
    respond(view, result, response, reply)
    return reply
  }, route)
}
