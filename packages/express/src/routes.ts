import type { RouteInfo } from '@portcullis/core'
import { describeRoutes } from '@portcullis/core/node'
import type { Application, Request } from 'express'
import { type FoundExpressRoute, findRoutes } from './stack.ts'

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
  const [one, ...more] = patterns.get(route) ?? learn(req, route)
  if (more.length === 0) return one ?? String(route.path)
  // A router mounted twice, or a list of paths: where the prefix is literal, it says which.
  const all = [one, ...more]
  return all.find((pattern) => pattern === `${req.baseUrl}${route.path}`) ?? all.join(' | ')
}

function learn(req: Request, wanted: { path: unknown }): readonly string[] {
  const app: Application = req.app
  const found = new Map<object, string[]>([[wanted, []]])
  for (const { route, pattern } of findRoutes(app) as FoundExpressRoute[]) {
    if (route === undefined) continue
    const known = found.get(route) ?? []
    const full = `${app.path()}${pattern}`
    if (!known.includes(full)) known.push(full)
    found.set(route, known)
  }
  for (const [route, known] of found) patterns.set(route, known)
  return patterns.get(wanted) ?? []
}
