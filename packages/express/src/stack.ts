import type { FoundApplication, FoundHandler, FoundRoute } from '@portcullis/core/node'
import { closureOf, isEntrance, policyOf, seal } from '@portcullis/core/node'
import type { Application } from 'express'

/** A route that was found, and the object by which Express knows it. */
export interface FoundExpressRoute extends FoundRoute {
  readonly route?: object
}

/** What was found in an application. */
export interface FoundExpressApplication extends FoundApplication {
  readonly routes: readonly FoundExpressRoute[]
  readonly entranceIsFirst: boolean
}

// What Express 5.3 keeps in a router's stack; its types say less.
interface Stack {
  readonly stack: Layer[]
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
  readonly stack: { readonly method?: string; readonly handle: unknown }[]
}
type Path = string | RegExp

interface Findings {
  readonly routes: readonly FoundExpressRoute[]
  readonly handlers: readonly FoundHandler[]
  readonly lists: readonly (Layer[] | Route['stack'])[]
}

/** The functions of body-parser, multer and express-fileupload. */
const parserNames = /^(?:(?:json|urlencoded|raw|text)Parser|multerMiddleware)$/

/** Walks the routers of an application, and the applications that are mounted in it. */
export function findAll(app: Application): FoundExpressApplication {
  const router = app.router as unknown as Stack
  const first = router.stack[0]
  const entrance = first?.rawPath === '/' && isEntrance(first.handle) ? first : undefined
  const { routes, handlers, lists } = walk(router, '', entrance)
  return {
    routes,
    handlers,
    entranceIsFirst: entrance !== undefined,
    seal() {
      for (const list of lists) seal<Layer | Route['stack'][number]>(list as Layer[], nameOf)
    },
  }
}

function nameOf(entry: Layer | Route['stack'][number]): string {
  return 'rawPath' in entry && entry.rawPath !== '/' ? String(entry.rawPath) : `${(entry as Layer).name || 'a handler'}`
}

function walk(router: Stack, prefix: string, entrance?: Layer): Findings {
  const parsers: Layer[] = []
  const guards: Layer[] = []
  const all = router.stack.map((layer): Findings => {
    if (layer === entrance) return nothing
    if (parserNames.test(layer.name)) {
      parsers.push(layer)
      return nothing
    }
    if (layer.route === undefined && policyOf(layer.handle) !== undefined) {
      guards.push(layer)
      return nothing
    }
    const inside = merge([layer.rawPath].flat().map((path) => look(layer, join(prefix, path as Path), guards)))
    // Express itself says whether a parser runs for that path.
    const parserOf = (pattern: string): string | undefined =>
      parsers.find((parser) => parser.match(pattern.slice(prefix.length) || '/'))?.name
    return { ...inside, routes: inside.routes.map((one) => ({ ...one, bodyParser: one.bodyParser ?? parserOf(one.pattern) })) }
  })
  return merge([...all, { ...nothing, lists: [router.stack] }])
}

function look(layer: Layer, pattern: string, guards: readonly Layer[]): Findings {
  const { route, handle } = layer
  if (route !== undefined) {
    return {
      ...nothing,
      routes: Object.keys(route.methods).map((method) => methodOf(route, method, pattern)),
      lists: [route.stack],
    }
  }
  const inner = routerIn(layer)
  if (inner !== undefined) return walk(inner, pattern === '/' ? '' : pattern)
  const everything = pattern === '/' ? '/*' : `${pattern}/*`
  const found = { method: '*', pattern: everything }
  if (isEntrance(handle)) return { ...nothing, routes: [{ ...found, stack: [], flaw: 'portcullis() stands here a second time' }] }
  if (layer.name === 'mounted_app') {
    return { ...nothing, routes: [{ ...found, stack: [], flaw: 'a mounted application hides its routes: mount a Router' }] }
  }
  // Middleware of errors has four parameters; it runs where something has failed.
  if (typeof handle === 'function' && handle.length > 3) return nothing
  const guard = guards.find(({ rawPath }) => isSamePath(rawPath, layer.rawPath))
  if (guard !== undefined) return { ...nothing, routes: [{ ...found, stack: [guard.handle, handle] }] }
  return { ...nothing, handlers: [{ place: everything, handler: handle }] }
}

/** The router of what is mounted: a router, or an application; Express keeps the latter in a closure. */
function routerIn({ name, handle }: Layer): Stack | undefined {
  const mounted = name === 'mounted_app' ? closureOf(handle, ['fn'])['fn'] : handle
  if (isStack(mounted)) return mounted
  const inner = typeof mounted === 'function' && 'set' in mounted && 'router' in mounted ? mounted.router : undefined
  return isStack(inner) ? inner : undefined
}

/**
 * Whether the one runs for every request for which the other does. A RegExp that remembers where it stopped does not: of two layers
 * that share it, the second matches where the first has failed.
 */
function isSamePath(a: Layer['rawPath'], b: Layer['rawPath']): boolean {
  const [some, others] = [[a].flat(), [b].flat()]
  return some.length === others.length && some.every((path, at) => isStateless(path as Path) && isEqual(path as Path, others[at]))
}

function isEqual(path: Path, other: unknown): boolean {
  return path === other || (path instanceof RegExp && other instanceof RegExp && String(path) === String(other))
}

function isStateless(path: Path): boolean {
  return !(path instanceof RegExp && (path.global || path.sticky))
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

const nothing: Findings = { routes: [], handlers: [], lists: [] }

function merge(all: readonly Findings[]): Findings {
  return {
    routes: all.flatMap(({ routes }) => routes),
    handlers: all.flatMap(({ handlers }) => handlers),
    lists: all.flatMap(({ lists }) => lists),
  }
}
