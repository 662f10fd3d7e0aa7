import type { CoverageOptions, OpaqueHandler, RouteInfo } from '@portcullis/core'
import { assertAllCovered, describeHandlers, describeRoutes, isEntrance } from '@portcullis/core/node'
import type Koa from 'koa'
import type { Context } from 'koa'
import { findAll } from './stack.ts'

/**
 * Every route of every @koa/router in an application, those of nested routers and of what koa-mount has mounted included, and
 * middleware that comes after a guard in one list, as `* /*`.
 */
export function routes(app: Koa): RouteInfo[] {
  return describeRoutes(findAll(app).routes)
}

/** Middleware that may answer and has no rule: what {@link assertCovered} wants acknowledged. */
export function opaque(app: Koa): OpaqueHandler[] {
  return describeHandlers(findAll(app).handlers)
}

const patterns = new WeakMap<object, Map<string, string>>()

/** The pattern of the route that a guard stands on: as declared, with mount prefixes, and never with what was sent. */
export function patternOf(ctx: Context, guard: object): string {
  // The router sets `routerPath` for each layer right before that layer's functions: here it is this route's own.
  const own = String(ctx['routerPath'] ?? '*')
  // koa-mount takes its prefix off the path, and no router knows of it.
  if (ctx['mountPath'] === undefined) return own
  const known = patterns.get(guard) ?? new Map<string, string>()
  patterns.set(guard, known)
  const pattern = known.get(own) ?? learn(ctx.app, guard, own)
  known.set(own, pattern)
  return pattern
}

function learn(app: Koa, guard: object, own: string): string {
  const found = findAll(app).routes.filter(
    ({ stack, pattern }) => stack.includes(guard) && (own === '/' || pattern.endsWith(own)),
  )
  return [...new Set(found.map(({ pattern }) => pattern))].join(' | ') || own
}

/**
 * Refuses to start an application in which something may answer that no rule stands behind. Call it after the last route, before
 * `listen`: what is added afterwards is refused with `core.application_sealed`, where it is added.
 * @throws CoreError `core.entrance_missing`, `core.routes_uncovered` and `core.handlers_opaque` (they name every such route and
 *   handler, with file and line where they are known), `core.acknowledgement_stale`, `core.endpoint_needs_raw_body`
 */
export function assertCovered(app: Koa, options: CoverageOptions = {}): void {
  assertAllCovered(isEntrance(app.middleware[0]), findAll(app), options)
}
