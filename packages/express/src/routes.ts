import type { CoverageOptions, OpaqueHandler, RouteInfo } from '@portcullis/core'
import { assertAllCovered, describeHandlers, describeRoutes } from '@portcullis/core/node'
import type { Application, Request } from 'express'
import { findAll } from './stack.ts'

/**
 * Every route of an application, those of nested routers and mounted applications included, and middleware that stands behind a guard
 * of the same path: `app.use('/files', guard([], open('files')), express.static('public'))` is `* /files/*`.
 */
export function routes(app: Application): RouteInfo[] {
  return describeRoutes(findAll(app).routes)
}

/** Middleware that may answer and has no rule: what {@link assertCovered} wants acknowledged. */
export function opaque(app: Application): OpaqueHandler[] {
  return describeHandlers(findAll(app).handlers)
}

const patterns = new WeakMap<object, readonly string[]>()

/** The pattern of the route that matched: as declared, with mount prefixes, and never with what was sent. */
export function patternOf(req: Request): string {
  const route = req.route as { path: unknown } | undefined
  if (route === undefined) return '*'
  const all = patterns.get(route) ?? learn(req.app, route)
  // A router mounted twice, or a list of paths: where what was sent is the pattern letter by letter, it says which.
  const exact = all.find((pattern) => pattern === `${req.baseUrl}${route.path}` || pattern === `${req.baseUrl}${req.path}`)
  return exact ?? (all.join(' | ') || String(route.path))
}

function learn(app: Application, route: object): readonly string[] {
  let root = app as Application & { parent?: Application }
  while (root.parent !== undefined) root = root.parent
  const found = findAll(root).routes.filter((one) => one.route === route)
  const all = [...new Set(found.map(({ pattern }) => pattern))]
  patterns.set(route, all)
  return all
}

/**
 * Refuses to start an application in which something may answer that no rule stands behind. Call it after the last route, before
 * `listen`: what is added afterwards is refused with `core.application_sealed`, where it is added.
 * @throws CoreError `core.entrance_missing`, `core.routes_uncovered` and `core.handlers_opaque` (they name every such route and
 *   handler, with file and line where they are known), `core.acknowledgement_stale`, `core.endpoint_needs_raw_body`
 */
export function assertCovered(app: Application, options: CoverageOptions = {}): void {
  const found = findAll(app)
  assertAllCovered(found.entranceIsFirst, found, options)
}
