import type { RouteInfo } from '@portcullis/core'
import { describeRoutes } from '@portcullis/core/node'
import type Koa from 'koa'
import { findRoutes } from './stack.ts'

/** Every route of every @koa/router in an application, those of nested routers included. */
export function routes(app: Koa): RouteInfo[] {
  return describeRoutes(findRoutes(app))
}
