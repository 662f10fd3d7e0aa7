import type { RouteInfo } from '@portcullis/core'
import { describeRoutes } from '@portcullis/core/node'
import type { FastifyInstance } from 'fastify'
import { findRoutes } from './stack.ts'

/**
 * Every route of an application, those of plugins included. Complete once the application is ready; empty without the entrance.
 */
export function routes(app: FastifyInstance): RouteInfo[] {
  return describeRoutes(findRoutes(app) ?? [], app.supportedMethods)
}
