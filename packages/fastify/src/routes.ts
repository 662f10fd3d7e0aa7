import type { CoverageOptions, OpaqueHandler, RouteInfo } from '@portcullis/core'
import { assertAllCovered, describeHandlers, describeRoutes, type FoundApplication } from '@portcullis/core/node'
import type { FastifyInstance } from 'fastify'
import { findAll } from './stack.ts'

/**
 * Every route of an application, those of plugins included. A guard that is an `onRequest` hook of a plugin holds for the plugin's
 * routes, and for its hooks that come later: these are listed as `* /prefix/*`. Complete once the application is ready; empty without
 * the entrance.
 */
export function routes(app: FastifyInstance): RouteInfo[] {
  return describeRoutes(findAll(app)?.routes ?? [], app.supportedMethods)
}

/** Hooks and not-found handlers that may answer and have no rule: what {@link assertCovered} wants acknowledged. */
export function opaque(app: FastifyInstance): OpaqueHandler[] {
  return describeHandlers(findAll(app)?.handlers ?? [])
}

const empty: FoundApplication = { routes: [], handlers: [], seal() {} }

/**
 * Refuses to start an application in which something may answer that no rule stands behind. Waits until its plugins are loaded; await
 * it before `listen`. Fastify itself refuses what is added afterwards.
 * @throws CoreError `core.entrance_missing`, `core.routes_uncovered` and `core.handlers_opaque` (they name every such route and
 *   handler, with file and line where they are known), `core.acknowledgement_stale`
 */
export async function assertCovered(app: FastifyInstance, options: CoverageOptions = {}): Promise<void> {
  await app.ready()
  const found = findAll(app)
  assertAllCovered(found !== undefined, found ?? empty, options, app.supportedMethods)
}
