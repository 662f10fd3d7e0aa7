import type { RouteInfo } from '@portcullis/core'
import { assertAllCovered, describeRoutes, isEntrance } from '@portcullis/core/node'
import type Koa from 'koa'
import { findRoutes } from './stack.ts'

/** Every route of every @koa/router in an application, those of nested routers included. */
export function routes(app: Koa): RouteInfo[] {
  return describeRoutes(findRoutes(app))
}

/**
 * Refuses to start an application that has a route without a rule. Call it after the last route, before `listen`.
 * @throws CoreError `core.entrance_missing`, `core.routes_uncovered` (names every such route, with file and line where they are
 *   known), `core.endpoint_needs_raw_body`
 */
export function assertCovered(app: Koa): void {
  assertAllCovered(isEntrance(app.middleware[0]), findRoutes(app))
}
