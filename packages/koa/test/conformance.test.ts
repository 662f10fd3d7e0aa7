import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import Router, { type RouterOptions } from '@koa/router'
import {
  type AppDescription,
  adapterSuite,
  type HandlerAnswer,
  type Part,
  type RoutePart,
  type RunningApp,
} from '@portcullis/conformance/adapter'
import Koa, { type Context, type Middleware } from 'koa'
import { assertCovered, facts, guard, mount, portcullis, principalOf, routes } from '../src/index.ts'

adapterSuite({
  name: 'Koa',
  start,
  parsersReachEndpoints: true,
  routerSettings: {
    defaults: {},
    sensitive: { sensitive: true },
    strict: { strict: true },
    exclusive: { exclusive: true },
    'exclusive by specificity': { exclusive: 'specificity' },
  },
})

async function start({ entrance = {}, before = [], parts, router: settings = {} }: AppDescription): Promise<RunningApp> {
  const app = new Koa()
  app.on('error', () => {}) // no stack traces on the console
  const early = before.filter(({ kind }) => kind !== 'route').map(middlewareOf)
  for (const each of early) app.use(each)
  const earlyRouter = new Router()
  build(
    earlyRouter,
    before.filter(({ kind }) => kind === 'route'),
    settings,
  )
  if (earlyRouter.stack.length > 0) app.use(earlyRouter.routes())
  if (entrance) app.use(portcullis(entrance))
  // What is no route comes before a router as middleware of the application, in an order of its own.
  let router: Router | undefined
  for (const part of parts) {
    if (part.kind === 'route' || part.kind === 'nested') {
      if (router === undefined) {
        router = new Router(settings)
        app.use(router.routes()).use(router.allowedMethods())
      }
      build(router, [part], settings)
    } else {
      router = undefined
      app.use(middlewareOf(part))
    }
  }
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    routes: () => routes(app),
    assertCovered: () => assertCovered(app),
    close: () => new Promise((done) => server.close(() => done())),
  }
}

function build(into: Router, parts: readonly Part[], settings: RouterOptions): void {
  for (const part of parts) {
    if (part.kind === 'route') addRoute(into, part)
    else if (part.kind === 'nested') {
      const nested = new Router(settings)
      build(nested, part.parts, settings)
      into.use(part.prefix, nested.routes())
    } else into.use(middlewareOf(part))
  }
}

function middlewareOf(part: Part): Middleware {
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
    send(ctx, await handler({ facts: (of) => facts(ctx, of), principal: () => principalOf(ctx) }))
  }
  into[method.toLowerCase() as 'get'](path, ...early, ...enforce, handle)
}

function send(ctx: Context, { status = 200, headers = [], body = '' }: HandlerAnswer): void {
  for (const [name, value] of headers) ctx.append(name, value)
  ctx.body = typeof body === 'string' ? body : Readable.from(body)
  ctx.status = status
}
