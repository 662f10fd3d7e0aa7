import type { FoundApplication, FoundHandler, FoundRoute } from '@portcullis/core/node'
import { isEntrance, policyOf } from '@portcullis/core/node'
import type { FastifyInstance, RouteOptions } from 'fastify'

const ROUTES = Symbol.for('portcullis.fastify.routes')

interface Collected {
  readonly method: string
  readonly pattern: string
  /** The plugin's instance, whose hooks run for the route. */
  readonly instance: FastifyInstance
  /** Kept, not copied: a later `onRoute` hook may still put something in front of the guard. */
  readonly options: RouteOptions
}

/** Phases in which a hook may answer by itself, in their order. A guard runs in the first. */
const phases = ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const
type Hooks = { readonly [phase in (typeof phases)[number]]: readonly unknown[] }

/** Collects from now on every route of an instance and of its plugins. */
export function collectRoutes(app: FastifyInstance): void {
  const collected: Collected[] = []
  app.decorate(ROUTES, collected)
  app.addHook('onRoute', function (options) {
    for (const method of [options.method].flat()) collected.push({ method, pattern: options.url, instance: this, options })
  })
}

/** What was collected; `undefined` when the entrance is not there. Complete once the application is ready. */
export function findAll(app: FastifyInstance): FoundApplication | undefined {
  const collected = (app as { readonly [ROUTES]?: readonly Collected[] })[ROUTES]
  if (collected === undefined) return undefined
  const hooks = instancesOf(app).flatMap(([instance, parent]) => hooksOf(instance, parent))
  const covered = hooks.flatMap((found) => ('stack' in found ? [found] : []))
  const handlers = hooks.flatMap((found) => ('place' in found ? [found] : []))
  // Fastify itself refuses routes and hooks once it is ready.
  return { routes: [...collected.map(routeOf), ...covered], handlers, seal() {} }
}

function routeOf({ method, pattern, instance, options }: Collected): FoundRoute {
  // What `config` says enforces nothing: only the function counts.
  const own = [options.onRequest ?? []].flat() as unknown[]
  // A plugin's hooks belong to its routes and to no path: a guard among them holds for all of these.
  const inherited = own.some((hook) => policyOf(hook)) ? [] : guardsOf(instance)
  return { method, pattern, stack: [...inherited, ...own, options.handler] }
}

/** The hooks that an instance adds to its parent's, and what answers there when nothing was found. */
function hooksOf(instance: FastifyInstance, parent: FastifyInstance | undefined): readonly (FoundRoute | FoundHandler)[] {
  const all = internal<Hooks>(instance, 'fastify.hooks')
  const below = parent && internal<Hooks>(parent, 'fastify.hooks')
  const everything = `${instance.prefix.replace(/\/$/, '')}/*`
  const found = phases.flatMap((phase) => {
    const list = all?.[phase] ?? []
    return list.flatMap((hook, at) => {
      if (below?.[phase].includes(hook) || isEntrance(hook) || policyOf(hook)) return []
      const before = phase === 'onRequest' ? list.slice(0, at) : guardsOf(instance)
      return [either(before, hook, everything, `${phase} of ${everything}`)]
    })
  })
  const missing = notFoundOf(instance)
  return missing ? [...found, either(guardsOf(instance), missing, everything, `not found under ${everything}`)] : found
}

function either(before: readonly unknown[], handler: unknown, pattern: string, place: string): FoundRoute | FoundHandler {
  const guard = before.find((hook) => policyOf(hook))
  return guard === undefined ? { place, handler } : { method: '*', pattern, stack: [guard, handler] }
}

function guardsOf(instance: FastifyInstance): readonly unknown[] {
  return (internal<Hooks>(instance, 'fastify.hooks')?.onRequest ?? []).filter((hook) => policyOf(hook))
}

/** A handler that the application has set for what is not found; Fastify's own answers 404 and nothing else. */
function notFoundOf(instance: FastifyInstance): unknown {
  const handler = internal<{ readonly handler: () => unknown }>(instance, 'fastify.404ContextKey')?.handler
  return handler?.name === 'basic404' ? undefined : handler
}

/** An instance and those of its plugins, each with the one around it. */
function instancesOf(
  app: FastifyInstance,
  parent?: FastifyInstance,
): readonly (readonly [FastifyInstance, FastifyInstance | undefined])[] {
  const children = internal<readonly FastifyInstance[]>(app, 'fastify.children') ?? []
  return [[app, parent], ...children.flatMap((child) => instancesOf(child, app))]
}

/** What Fastify 5 keeps on an instance by a symbol of its own. */
export function internal<T>(app: FastifyInstance, description: string): T | undefined {
  const key = Object.getOwnPropertySymbols(app).find((symbol) => symbol.description === description)
  return key && (app as unknown as Record<symbol, T>)[key]
}
