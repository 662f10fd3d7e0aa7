import { METHODS } from 'node:http'
import { assertRoutesCovered } from './coverage.ts'
import type { RouteInfo } from './endpoint.ts'
import { CoreError } from './errors.ts'
import { locate } from './locate.ts'
import { endpointOf, policyOf } from './marks.ts'
import { assertAcknowledged, type CoverageOptions, describeHandlers, type FoundHandler } from './opaque.ts'

/** One method of one route, as an adapter finds it in its framework. */
export interface FoundRoute {
  /** Upper case, or `*`. */
  readonly method: string
  readonly pattern: string
  /** What runs for it, in order; its handler is the last. */
  readonly stack: readonly unknown[]
  /** Why nothing can be said of it, where that is so. */
  readonly flaw?: string | undefined
  /** The name of a body parser that runs before it. */
  readonly bodyParser?: string | undefined
}

/** What an adapter finds in an application. */
export interface FoundApplication {
  readonly routes: readonly FoundRoute[]
  /** What may answer and is no route; guards, entrances, body parsers and what stands behind a guard are not among them. */
  readonly handlers: readonly FoundHandler[]
  /** Closes the application: nothing comes late. */
  seal(): void
}

/**
 * What an adapter found, as routes: with their policies, and with file and line of their handlers. A method list that holds
 * every method becomes `*`, and HEAD is listed by itself only where it does not do what GET does.
 * @param everyMethod the methods that the framework can route; default: those of `node:http`
 */
export function describeRoutes(found: readonly FoundRoute[], everyMethod: readonly string[] = METHODS): RouteInfo[] {
  const routes = group(found).flatMap((alike) => fold(alike, everyMethod))
  const sources = locate(routes.map(({ stack }) => handlerOf(stack)))
  return routes.map(({ method, pattern, stack, flaw }, at) => {
    const first = stack.findIndex((step) => policyOf(step) !== undefined)
    return {
      method,
      pattern,
      policy: policyOf(stack[first]),
      flaw: flaw ?? (first > 0 ? 'a handler stands before the guard' : undefined),
      source: sources[at],
    }
  })
}

/**
 * Refuses an application in which something may answer that no rule stands behind, and closes one that it accepts.
 * @throws CoreError `core.entrance_missing`, `core.routes_uncovered`, `core.handlers_opaque`, `core.acknowledgement_stale`,
 *   `core.endpoint_needs_raw_body`
 */
export function assertAllCovered(
  entranceIsFirst: boolean,
  found: FoundApplication,
  options: CoverageOptions = {},
  everyMethod: readonly string[] = METHODS,
): void {
  if (!entranceIsFirst) {
    throw new CoreError(
      'core.entrance_missing',
      'portcullis() is not the first thing in the application: install it before all else',
    )
  }
  assertRoutesCovered(describeRoutes(found.routes, everyMethod))
  assertAcknowledged(describeHandlers(found.handlers), options)
  for (const { method, pattern, stack, bodyParser } of found.routes) {
    if (bodyParser !== undefined && stack.some((step) => endpointOf(step)?.rawBody)) {
      throw new CoreError(
        'core.endpoint_needs_raw_body',
        `${method} ${pattern} must see the body as sent, but the body parser ${bodyParser} runs before it: mount it first`,
      )
    }
  }
  found.seal()
}

/** Routes of one pattern that run the same functions stand together, in the order of the first. */
function group(found: readonly FoundRoute[]): FoundRoute[][] {
  const groups = new Map<string, FoundRoute[][]>()
  for (const route of found) {
    const ofPattern = groups.get(route.pattern) ?? []
    groups.set(route.pattern, ofPattern)
    const alike = ofPattern.find(([one]) => one !== undefined && isSame(one.stack, route.stack))
    if (alike) alike.push(route)
    else ofPattern.push([route])
  }
  return [...groups.values()].flat()
}

function fold(alike: readonly FoundRoute[], everyMethod: readonly string[]): FoundRoute[] {
  const methods = new Set(alike.map(({ method }) => method))
  const [one] = alike
  if (one !== undefined && everyMethod.every((method) => methods.has(method))) return [{ ...one, method: '*' }]
  return alike.filter(({ method }, at) => {
    const isRepeated = alike.findIndex((other) => other.method === method) < at
    return !isRepeated && !(method === 'HEAD' && methods.has('GET'))
  })
}

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((step, at) => step === b[at])
}

function handlerOf(stack: readonly unknown[]): unknown {
  const last = stack.at(-1)
  return endpointOf(last)?.endpoint ?? last
}
