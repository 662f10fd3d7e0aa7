import { CoreError } from '@portcullis/core'
import { applyThen, createEntrance, type EntranceOptions, markEntrance } from '@portcullis/core/node'
import type { FastifyInstance, FastifyPluginCallback, onRequestHookHandler } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { response } from './response-port.ts'
import { collectRoutes, internal } from './stack.ts'

/**
 * The first plugin of an application, and awaited: `await app.register(portcullis())`. It resolves the client behind trusted
 * proxies, asks the entrance's guards, collects the routes, and watches that no answer goes out which no decision stands behind.
 * @throws CoreError `core.proxy_list_invalid`; the plugin fails with `core.entrance_missing` when a route or a hook is there before
 */
export function portcullis(options: EntranceOptions = {}): FastifyPluginCallback {
  const entrance = createEntrance(options)
  const enter = markEntrance<onRequestHookHandler>((request, reply, next) => {
    const view = entrance.enter(request.raw, reply.raw)
    applyThen(view, entrance.decide(view), response, reply, next)
  })
  return fastifyPlugin(
    (app, _options, done) => {
      if (isLate(app)) {
        done(new CoreError('core.entrance_missing', 'routes or hooks were there before: await app.register(portcullis()) first'))
        return
      }
      collectRoutes(app)
      app.addHook('onRequest', enter)
      done()
    },
    { fastify: '5.x', name: '@portcullis/fastify' },
  )
}

/** A route that is there already fired no `onRoute`; a hook that is there already would run before the entrance. */
function isLate(app: FastifyInstance): boolean {
  const hooks = internal<{ readonly onRequest: readonly unknown[] }>(app, 'fastify.hooks')
  return app.printRoutes() !== '(empty tree)' || (hooks?.onRequest.length ?? 0) > 0
}
