import type { FoundApplication, FoundHandler, FoundRoute } from '@portcullis/core/node'
import { isEntrance, policyOf, seal } from '@portcullis/core/node'
import type Koa from 'koa'
import { isAllowedMethods, mountedIn, stepsOf } from './known-middleware.ts'

// What @koa/router 15 keeps; `routes()` gives a function that carries its router.
interface Dispatch {
  readonly router?: Router
}
interface Router {
  readonly stack: Layer[]
  readonly _events?: { readonly _handlers?: ReadonlyMap<string, readonly unknown[]> }
}
interface Layer {
  readonly path: string | RegExp
  readonly methods: readonly string[]
  readonly stack: unknown[]
  match(path: string): boolean
}

interface Findings {
  readonly routes: readonly FoundRoute[]
  readonly handlers: readonly FoundHandler[]
  readonly lists: readonly unknown[][]
}

/** The functions of koa-bodyparser, @koa/bodyparser and koa-body, by what they are called. */
const parserNames = /body/i
/** Those of them that are known not to answer by themselves. */
const knownParsers = /^(?:bodyParser|koaBody|koaBodyMiddleware)$/

/** Walks the middleware of an application: routers, and what koa-mount and koa-compose have put together. */
export function findAll(app: Koa): FoundApplication {
  const { routes, handlers, lists } = walk(app.middleware as unknown[], '', app)
  return {
    routes,
    handlers,
    seal() {
      for (const list of [app.middleware as unknown[], ...lists]) seal(list, nameOf)
    },
  }
}

function nameOf(entry: unknown): string {
  const { name, path, methods } = entry as { readonly name?: string } & Partial<Layer>
  return path === undefined ? name || 'a middleware' : `${methods?.at(-1) ?? ''} ${path}`.trim()
}

/** A list of middleware, of which each runs what comes after it. Routers nested in a router stand in its stack, prefixes applied. */
function walk(middleware: readonly unknown[], prefix: string, app: Koa, outside?: string): Findings {
  let bodyParser = outside
  let guard: unknown
  const isTop = middleware === app.middleware
  const everything = `${prefix}/*`
  return merge(
    middleware.map((each, at): Findings => {
      const { router } = each as Dispatch
      if (router !== undefined) return walkRouter(router, prefix, bodyParser)
      if (isEntrance(each)) return isTop && at === 0 ? nothing : twice(everything)
      if (policyOf(each) !== undefined) {
        guard ??= each
        return nothing
      }
      const mounted = mountedIn(each)
      if (mounted !== undefined) return walk(mounted.middleware, `${prefix}${mounted.prefix}`, app, bodyParser)
      const name = (each as { readonly name: string }).name
      if (parserNames.test(name)) bodyParser ??= name
      if (knownParsers.test(name) || isAllowedMethods(each)) return nothing
      // Whatever comes after a guard in one list runs when the guard has let it.
      if (guard !== undefined) return { ...nothing, routes: [{ method: '*', pattern: everything, stack: [guard, each] }] }
      return { ...nothing, handlers: [{ place: everything, handler: each }] }
    }),
  )
}

function twice(pattern: string): Findings {
  return { ...nothing, routes: [{ method: '*', pattern, stack: [], flaw: 'portcullis() stands here a second time' }] }
}

function walkRouter({ stack, _events }: Router, prefix: string, outside: string | undefined): Findings {
  const parsers: [Layer, name: string][] = []
  const missing = _events?._handlers?.get('not-found') ?? []
  const layers = stack.map((layer): Findings => {
    const functions = layer.stack.filter(isStep)
    const lists = [layer.stack]
    const pattern = join(prefix, layer.path)
    if (layer.methods.length === 0) {
      const parser = functions.find(({ name }) => parserNames.test(name))
      if (parser) parsers.push([layer, parser.name])
      // Also behind a guard of the router: which of its middleware runs is for `exclusive` to say.
      const free = functions.filter((each) => policyOf(each) === undefined && !knownParsers.test(each.name))
      return {
        routes: [],
        handlers: free.map((handler) => ({ place: `a router's ${pattern.replace(pathless, '/*')}`, handler })),
        lists,
      }
    }
    // The router itself says whether the parser runs for that path.
    const bodyParser = outside ?? parsers.find(([parser]) => parser.match(String(layer.path)))?.[1]
    const steps = functions.flatMap(stepsOf)
    return { routes: layer.methods.map((method) => ({ method, pattern, stack: steps, bodyParser })), handlers: [], lists }
  })
  const handlers = missing.map((handler) => ({ place: `not found by a router under ${prefix}/*`, handler }))
  return merge([...layers, { routes: [], handlers, lists: [stack] }])
}

/** What the router has for the path of a middleware that was given none. */
const pathless = /(?:\(\?:\\\/\|\$\)|\{\/\*rest\})$/

function join(prefix: string, path: string | RegExp): string {
  return prefix !== '' && path === '/' ? prefix : `${prefix}${path}`
}

type Step = (...args: never) => unknown

/** `router.param` puts its functions in front of everything; they load what a path names, as Express's do, and don't answer. */
function isStep(step: unknown): step is Step {
  return typeof step === 'function' && !('param' in step)
}

const nothing: Findings = { routes: [], handlers: [], lists: [] }

function merge(all: readonly Findings[]): Findings {
  return {
    routes: all.flatMap(({ routes }) => routes),
    handlers: all.flatMap(({ handlers }) => handlers),
    lists: all.flatMap(({ lists }) => lists),
  }
}
