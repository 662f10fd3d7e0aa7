import type { RouteInfo } from '@portcullis/core'
import { assertAllCovered, describeRoutes, isEntrance } from '@portcullis/core/node'
import type { Application, Request } from 'express'
import { findRoutes, firstOf } from './stack.ts'

/**
 * Every route of an application, those of nested routers included. An application that is mounted inside another one can't be
 * looked into, and is listed as a route without a rule.
 */
export function routes(app: Application): RouteInfo[] {
  return describeRoutes(findRoutes(app))
}

const patterns = new WeakMap<object, readonly string[]>()

/** The pattern of the route that matched: as declared, with mount prefixes, and never with what was sent. */
export function patternOf(req: Request): string {
  const route = req.route as { path: unknown } | undefined
  if (route === undefined) return '*'
  const all = patterns.get(route) ?? learn(req.app, route)
  // A router mounted twice, or a list of paths: where the prefix is literal, it says which.
  return all.find((pattern) => pattern === `${req.baseUrl}${route.path}`) ?? (all.join(' | ') || String(route.path))
}

function learn(app: Application, route: object): readonly string[] {
  const found = findRoutes(app).filter((one) => one.route === route)
  const all = [...new Set(found.map(({ pattern }) => `${app.path()}${pattern}`))]
  patterns.set(route, all)
  return all
}

/**
 * Refuses to start an application that has a route without a rule. Call it after the last route, before `listen`.
 * @throws CoreError `core.entrance_missing`, `core.routes_uncovered` (names every such route, with file and line where they are
 *   known), `core.endpoint_needs_raw_body`
 */
export function assertCovered(app: Application): void {
  assertAllCovered(isEntrance(firstOf(app)), findRoutes(app))
}
