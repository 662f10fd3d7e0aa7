import { assertAllCovered, isEntrance } from '@portcullis/core/node'
import type { Application } from 'express'
import { findRoutes, firstOf } from './stack.ts'

/**
 * Refuses to start an application that has a route without a rule. Call it after the last route, before `listen`.
 * @throws CoreError `core.entrance_missing`, `core.routes_uncovered` (names every such route, with file and line where they are
 *   known), `core.endpoint_needs_raw_body`
 */
export function assertCovered(app: Application): void {
  assertAllCovered(isEntrance(firstOf(app)), findRoutes(app))
}
