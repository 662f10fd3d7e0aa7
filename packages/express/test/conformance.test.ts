import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import {
  type AppDescription,
  adapterSuite,
  type HandlerAnswer,
  type HandlerRequest,
  type MiddlewarePart,
  type Part,
  type RoutePart,
  type RunningApp,
} from '@portcullis/conformance/adapter'
import express, { type Request, type RequestHandler, type Response, Router, type RouterOptions } from 'express'
import { assertCovered, facts, guard, mount, opaque, portcullis, principalOf, routes } from '../src/index.ts'

adapterSuite({
  name: 'Express',
  start,
  parsersReachEndpoints: true,
  regExpPaths: true,
  middlewareBelongsToRoutes: false,
  routerSettings: {
    defaults: {},
    'case sensitive': { caseSensitive: true },
    strict: { strict: true },
    'case sensitive, strict, merged parameters': { caseSensitive: true, strict: true, mergeParams: true },
  },
})

async function start({ entrance = {}, before = [], parts, router = {} }: AppDescription): Promise<RunningApp> {
  const app = application(router)
  build(app, before, router)
  if (entrance) app.use(portcullis(entrance))
  build(app, parts, router)
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    routes: () => routes(app),
    opaque: () => opaque(app),
    assertCovered: (options) => assertCovered(app, options),
    add: (part) => build(app, [part], router),
    close: () => new Promise((done) => server.close(() => done())),
  }
}

function application(settings: RouterOptions): express.Application {
  const app = express()
  app.set('env', 'test') // no stack traces on the console
  app.set('case sensitive routing', settings.caseSensitive)
  app.set('strict routing', settings.strict)
  return app
}

function build(into: Router, parts: readonly Part[], settings: RouterOptions): void {
  for (const part of parts) {
    if (part.kind === 'route') addRoute(into, part)
    else if (part.kind === 'mount') into.use(mount(part.endpoints))
    else if (part.kind === 'parser') into.use(part.path ?? '/', express.json())
    else if (part.kind === 'nested') {
      const nested = Router(settings)
      build(nested, part.parts, settings)
      into.use(part.prefix, nested)
    } else if (part.kind === 'app') {
      const mounted = application(settings)
      build(mounted, part.parts, settings)
      into.use(part.prefix, mounted)
    } else if (part.kind === 'guard') into.use(guard(part.guards ?? [], part.policy))
    else if (part.kind === 'middleware') addMiddleware(into, part)
    else if (part.kind === 'override') {
      into.use(function methodOverride(req, _res, next) {
        req.method = (req.get('X-HTTP-Method-Override') ?? req.method).toUpperCase()
        next()
      })
    } else if (part.kind === 'headers') {
      into.use((_req, res, next) => {
        for (const [name, value] of part.headers) res.set(name, value)
        next()
      })
    } else {
      into.use(async (req, _res, next) => {
        for await (const _ of req);
        next()
      })
    }
  }
}

function addMiddleware(into: Router, { name, path = '/', guards = [], policy, handler }: MiddlewarePart): void {
  const answers: RequestHandler = (req, res, next) => {
    const answer = handler(requestOf(req))
    if (answer === undefined) next()
    else void send(res, answer)
  }
  Object.defineProperty(answers, 'name', { value: name })
  into.use(path, ...(policy ? [guard(guards, policy)] : []), answers)
}

function requestOf(req: Request): HandlerRequest {
  return { facts: (of) => facts(req, of), principal: () => principalOf(req) }
}

function addRoute(into: Router, { method, path, guards = [], policy, guardIsLate, handler }: RoutePart): void {
  const early: RequestHandler[] = guardIsLate ? [(_req, _res, next) => next()] : []
  const enforce = policy ? [guard(guards, policy)] : []
  const handle: RequestHandler = async (req, res) => {
    await send(res, await handler(requestOf(req)))
  }
  into[method.toLowerCase() as 'get'](path as string, ...early, ...enforce, handle)
}

async function send(res: Response, { status = 200, headers = [], body = '' }: HandlerAnswer): Promise<void> {
  for (const [name, value] of headers) res.append(name, value)
  res.status(status)
  if (typeof body === 'string') res.send(body)
  else await pipeline(Readable.from(body), res).catch(() => {})
}
