import { assertAllCovered } from '@portcullis/core/node'
import type { FastifyInstance } from 'fastify'
import { findRoutes } from './stack.ts'

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
