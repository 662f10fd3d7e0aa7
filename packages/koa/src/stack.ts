import type { FoundRoute } from '@portcullis/core/node'
import type Koa from 'koa'

// What @koa/router 15 keeps; `routes()` gives a function that carries its router.
interface Dispatch {
  readonly router?: { readonly stack: readonly Layer[] }
}
interface Layer {
  readonly path: string | RegExp
  readonly methods: readonly string[]
  readonly stack: readonly unknown[]
  match(path: string): boolean
}

/** The functions of koa-bodyparser, @koa/bodyparser and koa-body, by what they are called. */
const parserNames = /body/i

/** Walks the routers of an application. Nested routers stand in their parent's stack already, prefixes applied. */
export function findRoutes(app: Koa): FoundRoute[] {
  const found: FoundRoute[] = []
  let bodyParser: string | undefined
  for (const middleware of app.middleware) {
    const router = (middleware as Dispatch).router
    if (router !== undefined) found.push(...walk(router.stack, bodyParser))
    else if (parserNames.test(middleware.name)) bodyParser ??= middleware.name
  }
  return found
}

function walk(stack: readonly Layer[], outside: string | undefined): FoundRoute[] {
  const parsers: [Layer, name: string][] = []
  return stack.flatMap((layer) => {
    const functions = layer.stack.filter(isStep)
    if (layer.methods.length === 0) {
      const parser = functions.find(({ name }) => parserNames.test(name))
      if (parser) parsers.push([layer, parser.name])
    }
    const pattern = String(layer.path)
    // The router itself says whether the parser runs for that path.
    const bodyParser = outside ?? parsers.find(([parser]) => parser.match(pattern))?.[1]
    return layer.methods.map((method) => ({ method, pattern, stack: functions, bodyParser }))
  })
}

type Step = (...args: never) => unknown

/** `router.param` puts its functions in front of everything; they load what a path names, as Express's do, and don't answer. */
function isStep(step: unknown): step is Step {
  return typeof step === 'function' && !('param' in step)
}
