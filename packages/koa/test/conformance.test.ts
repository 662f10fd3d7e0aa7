import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import Router, { type RouterOptions } from '@koa/router'
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
import Koa, { type Context, type Middleware } from 'koa'
import mountAt from 'koa-mount'
import { assertCovered, facts, guard, mount, opaque, portcullis, principalOf, routes } from '../src/index.ts'

adapterSuite({
  name: 'Koa',
  start,
  parsersReachEndpoints: true,
  regExpPaths: true,
  middlewareBelongsToRoutes: false,
  routerSettings: {
    defaults: {},
    sensitive: { sensitive: true },
    strict: { strict: true },
    exclusive: { exclusive: true },
    'exclusive by specificity': { exclusive: 'specificity' },
    'sensitive, strict, exclusive': { sensitive: true, strict: true, exclusive: true },
  },
})

async function start({ entrance = {}, before = [], parts, router: settings = {} }: AppDescription): Promise<RunningApp> {
  const app = new Koa()
  app.on('error', () => {}) // no stack traces on the console
  const early = before.filter(({ kind }) => kind !== 'route').map((part) => middlewareOf(part, settings))
  for (const each of early) app.use(each)
  const earlyRouter = new Router()
  build(
    earlyRouter,
    before.filter(({ kind }) => kind === 'route'),
    settings,
  )
  if (earlyRouter.stack.length > 0) app.use(earlyRouter.routes())
  if (entrance) app.use(portcullis(entrance))
  const add = assembler(app, settings)
  for (const part of parts) add(part)
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    routes: () => routes(app),
    opaque: () => opaque(app),
    assertCovered: (options) => assertCovered(app, options),
    add,
    close: () => new Promise((done) => server.close(() => done())),
  }
}

/** What is no route comes before a router as middleware of the application, in an order of its own. */
function assembler(app: Koa, settings: RouterOptions): (part: Part) => void {
  let router: Router | undefined
  return (part) => {
    if (part.kind === 'route' || part.kind === 'nested') {
      if (router === undefined) {
        router = new Router(settings)
        app.use(router.routes()).use(router.allowedMethods())
      }
      build(router, [part], settings)
    } else {
      router = undefined
      app.use(middlewareOf(part, settings))
    }
  }
}

function build(into: Router, parts: readonly Part[], settings: RouterOptions): void {
  for (const part of parts) {
    if (part.kind === 'route') addRoute(into, part)
    else if (part.kind === 'nested') {
      const nested = new Router(settings)
      build(nested, part.parts, settings)
      into.use(part.prefix, nested.routes())
    } else into.use(middlewareOf(part, settings))
  }
}

function middlewareOf(part: Part, settings: RouterOptions): Middleware {
  if (part.kind === 'app') {
    const inner = new Koa()
    const add = assembler(inner, settings)
    for (const each of part.parts) add(each)
    return mountAt(part.prefix, inner)
  }
  if (part.kind === 'guard') return guard(part.guards ?? [], part.policy)
  if (part.kind === 'middleware') return answering(part)
  if (part.kind === 'override') {
    return function methodOverride(ctx, next) {
      ctx.method = (ctx.get('X-HTTP-Method-Override') || ctx.method).toUpperCase()
      return next()
    }
  }
  if (part.kind === 'mount') return mount(part.endpoints) as Middleware
  if (part.kind === 'parser') return bodyParser
  if (part.kind === 'headers') {
    return (ctx, next) => {
      for (const [name, value] of part.headers) ctx.set(name, value)
      return next()
    }
  }
  return async (ctx, next) => {
    for await (const _ of ctx.req);
    return next()
  }
}

function answering({ name, path, guards = [], policy, handler }: MiddlewarePart): Middleware {
  const answers: Middleware = (ctx, next) => {
    const answer = handler(requestOf(ctx))
    if (answer === undefined) return next()
    return send(ctx, answer)
  }
  Object.defineProperty(answers, 'name', { value: name })
  const all = policy ? compose([guard(guards, policy), answers]) : answers
  return path === undefined || policy === undefined ? all : mountAt(path, all)
}

/** koa-compose, as Koa has it. */
function compose(list: Middleware[]): Middleware {
  return (new Koa() as unknown as { compose(list: Middleware[]): Middleware }).compose(list)
}

function requestOf(ctx: Context): HandlerRequest {
  return { facts: (of) => facts(ctx, of), principal: () => principalOf(ctx) }
}

/** What koa-bodyparser does, and by its name: what it can't parse it leaves as `{}`. */
async function bodyParser(ctx: Context, next: Koa.Next): Promise<void> {
  const request = ctx.request as { body?: unknown }
  request.body = {}
  if (ctx.is('json')) {
    let text = ''
    for await (const chunk of ctx.req) text += chunk
    try {
      request.body = JSON.parse(text)
    } catch {
      ctx.throw(400)
    }
  }
  await next()
}

function addRoute(into: Router, { method, path, guards = [], policy, guardIsLate, handler }: RoutePart): void {
  const early: Middleware[] = guardIsLate ? [(_ctx, next) => next()] : []
  const enforce = policy ? [guard(guards, policy)] : []
  const handle: Middleware = async (ctx) => {
    send(ctx, await handler(requestOf(ctx)))
  }
  into[method.toLowerCase() as 'get'](path as string, ...early, ...enforce, handle)
}

function send(ctx: Context, { status = 200, headers = [], body = '' }: HandlerAnswer): void {
  for (const [name, value] of headers) ctx.append(name, value)
  ctx.body = typeof body === 'string' ? body : Readable.from(body)
  ctx.status = status
}
