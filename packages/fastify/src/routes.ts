import type { RouteInfo } from '@portcullis/core'
import { assertAllCovered, describeRoutes } from '@portcullis/core/node'
import type { FastifyInstance } from 'fastify'
import { findRoutes } from './stack.ts'

/**
 * Every route of an application, those of plugins included. Complete once the application is ready; empty without the entrance.
 */
export function routes(app: FastifyInstance): RouteInfo[] {
  return describeRoutes(findRoutes(app) ?? [], app.supportedMethods)
}

/**
 * Refuses to start an application that has a route without a rule. Waits until its plugins are loaded; await it before `listen`.
 * @throws CoreError `core.entrance_missing`, `core.routes_uncovered` (names every such route, with file and line where they are
 *   known)
 */
export async function assertCovered(app: FastifyInstance): Promise<void> {
  await app.ready()
  const found = findRoutes(app)
  assertAllCovered(found !== undefined, found ?? [], app.supportedMethods)
}
