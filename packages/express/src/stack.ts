import type { FoundRoute } from '@portcullis/core/node'
import type { Application } from 'express'

/** A route that was found, and the object by which Express knows it. */
export interface FoundExpressRoute extends FoundRoute {
  readonly route?: object
}

// What Express 5.3 keeps in a router's stack; its types say less.
interface Stack {
  readonly stack: readonly Layer[]
}
interface Layer {
  readonly name: string
  readonly rawPath: Path | readonly Path[]
  readonly handle: unknown
  readonly route?: Route
  match(path: string): unknown
}
interface Route {
  readonly methods: Readonly<Record<string, boolean>>
  readonly stack: readonly { readonly method?: string; readonly handle: unknown }[]
}
type Path = string | RegExp

/** The functions of body-parser, multer and express-fileupload. */
const parserNames = /^(?:(?:json|urlencoded|raw|text)Parser|multerMiddleware)$/

/** Walks the routers of an application. */
export function findRoutes(app: Application): FoundExpressRoute[] {
  return walk(app.router as unknown as Stack, '')
}

/** What stands first in an application. */
export function firstOf(app: Application): unknown {
  const first = (app.router as unknown as Stack).stack[0]
  return first?.rawPath === '/' ? first.handle : undefined
}

function walk(router: Stack, prefix: string): FoundExpressRoute[] {
  const parsers: Layer[] = []
  const found: FoundExpressRoute[] = []
  for (const layer of router.stack) {
    if (parserNames.test(layer.name)) parsers.push(layer)
    const inside = [layer.rawPath].flat().flatMap((path) => look(layer, join(prefix, path as Path)))
    for (const one of inside) {
      // Express itself says whether the parser runs for that path.
      const path = one.pattern.slice(prefix.length) || '/'
      const bodyParser = one.bodyParser ?? parsers.find((parser) => parser.match(path))?.name
      found.push({ ...one, bodyParser })
    }
  }
  return found
}

function look(layer: Layer, pattern: string): FoundExpressRoute[] {
  const { route, handle } = layer
  if (route !== undefined) return Object.keys(route.methods).map((method) => methodOf(route, method, pattern))
  if (isStack(handle)) return walk(handle, pattern === '/' ? '' : pattern)
  if (layer.name !== 'mounted_app') return []
  return [{ method: '*', pattern: `${pattern}/*`, stack: [], flaw: 'a mounted application hides its routes: mount a Router' }]
}

function methodOf(route: Route, method: string, pattern: string): FoundExpressRoute {
  const runs = route.stack.filter((step) => step.method === undefined || step.method === method)
  return { method: method === '_all' ? '*' : method.toUpperCase(), pattern, stack: runs.map(({ handle }) => handle), route }
}

function isStack(handle: unknown): handle is Stack {
  return typeof handle === 'function' && 'stack' in handle && Array.isArray(handle.stack)
}

function join(prefix: string, path: Path): string {
  return prefix !== '' && path === '/' ? prefix : `${prefix}${path}`
}
