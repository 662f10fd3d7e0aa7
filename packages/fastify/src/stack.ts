import type { FoundRoute } from '@portcullis/core/node'
import type { FastifyInstance, RouteOptions } from 'fastify'

const ROUTES = Symbol.for('portcullis.fastify.routes')

interface Collected {
  readonly method: string
  readonly pattern: string
  /** Kept, not copied: a later `onRoute` hook may still put something in front of the guard. */
  readonly options: RouteOptions
}

/** Collects from now on every route of an instance and of its plugins. */
export function collectRoutes(app: FastifyInstance): void {
  const collected: Collected[] = []
  app.decorate(ROUTES, collected)
  app.addHook('onRoute', (options) => {
    for (const method of [options.method].flat()) collected.push({ method, pattern: options.url, options })
  })
}

/** What was collected; `undefined` when the entrance is not there. */
export function findRoutes(app: FastifyInstance): FoundRoute[] | undefined {
  const collected = (app as { readonly [ROUTES]?: readonly Collected[] })[ROUTES]
  return collected?.map(({ method, pattern, options }) => {
    // What `config` says enforces nothing: only the function counts.
    return { method, pattern, stack: [...[options.onRequest ?? []].flat(), options.handler] }
  })
}
