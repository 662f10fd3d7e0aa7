import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import Router from '@koa/router'
import { problem, subscribe } from '@portcullis/core'
import Koa, { type Middleware } from 'koa'
import mountAt from 'koa-mount'
import { afterEach, expect, it } from 'vitest'
import { assertCovered, type Guard, guard, opaque, open, portcullis, routes } from '../src/index.ts'

const anyone = open('test')
const refusesLater: Guard = async () => {
  await new Promise((resolve) => setImmediate(resolve))
  return { type: 'reply', reply: problem({ status: 403 }) }
}
const answers: Middleware = (ctx) => {
  ctx.body = 'secret'
}

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

/** With the types of Koa and not of its router, as applications have them. */
function application(...middleware: readonly (Middleware | ReturnType<Router['routes']>)[]): Koa {
  const app = new Koa()
  app.silent = true
  app.use(portcullis({ production: false }))
  for (const each of middleware) app.use(each as Middleware)
  return app
}

async function listening(app: Koa): Promise<(path: string) => Promise<Response>> {
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => server.close())
  return (path) => fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`)
}

function codeOf(app: Koa): unknown {
  try {
    assertCovered(app)
    return 'none'
  } catch (error) {
    return (error as { code: unknown }).code
  }
}

function compose(list: Middleware[]): Middleware {
  return (new Koa() as unknown as { compose(list: Middleware[]): Middleware }).compose(list)
}

it('Koa (run): a middleware that does not wait for next() gives nothing out before the guard has decided', async () => {
  let ran = 0
  const hasty: Record<string, Middleware> = {
    'that answers nothing': (_ctx, next) => {
      void next()
    },
    'that answers first': (ctx, next) => {
      ctx.body = 'early'
      void next()
    },
    'that answers afterwards': (ctx, next) => {
      void next()
      ctx.body = 'late'
    },
  }
  for (const [what, each] of Object.entries(hasty)) {
    const router = new Router()
    router.get('/x', guard([refusesLater], anyone), () => {
      ran++
    })
    const app = application(each, router.routes())
    const response = await (await listening(app))('/x')
    expect(response.status, what).toBeGreaterThanOrEqual(400)
    expect(await response.text(), what).not.toMatch(/early|late/)
    expect(ran, what).toBe(0)
    expect(codeOf(app), what).toBe('core.handlers_opaque')
  }
})

it('Koa (run): a guard that a router uses is no rule, least of all where the router is exclusive and skips it', async () => {
  for (const exclusive of [false, true]) {
    const router = new Router({ exclusive })
    router.use('/x', guard([refusesLater], anyone))
    router.get('/x', answers)
    const app = application(router.routes())
    expect(codeOf(app)).toBe('core.routes_uncovered')
    expect((await (await listening(app))('/x')).status).toBe(exclusive ? 500 : 403)
  }
})

it('middleware of a router is opaque also behind a guard of that router', () => {
  const router = new Router()
  router.use('/x', guard([], anyone))
  router.use('/x', answers)
  router.get('/x', guard([], anyone), answers)
  const app = application(router.routes())
  expect(opaque(app)).toMatchObject([{ name: 'answers', place: "a router's /x" }])
})

it('Koa (run): a rule is told by its own route, and not by `_matchedRoute` of another one that matched as well', async () => {
  const told: unknown[] = []
  closing.push(subscribe(({ type, data }) => type === 'core.decision' && told.push((data as { route: unknown }).route)))
  const router = new Router()
  router.get('/a/:id', guard([], open('one')), (_ctx, next) => next())
  router.get('/a/me', guard([], open('other')), answers)
  router.use('/a', (_ctx, next) => next())
  await (await listening(application(router.routes())))('/a/me')
  expect(told).toEqual(['/a/:id', '/a/me'])
})

it('what a router does with what it does not find may answer', () => {
  const router = new Router()
  router.on('not-found', function sendPage(ctx) {
    ctx.body = 'page'
  })
  const app = application(router.routes())
  expect(opaque(app)).toMatchObject([{ name: 'sendPage', place: 'not found by a router under /*' }])
  expect(codeOf(app)).toBe('core.handlers_opaque')
})

it('what koa-compose and koa-mount have put together is looked into, and told by its whole pattern', async () => {
  const told: unknown[] = []
  closing.push(subscribe(({ type, data }) => type === 'core.decision' && told.push((data as { route: unknown }).route)))
  const router = new Router()
  router.get('/x', compose([guard([], anyone), answers]))
  const inner = new Koa()
  inner.use(router.routes())
  const app = application(compose([mountAt('/a', inner), mountAt('/b', router.routes() as Middleware)]))
  assertCovered(app)
  expect(routes(app)).toMatchObject([{ pattern: '/a/x' }, { pattern: '/b/x' }])
  expect(await (await (await listening(app))('/a/x')).text()).toBe('secret')
  expect(told).toEqual(['/a/x | /b/x'])
})

it('a function that only looks like koa-mount stays opaque', () => {
  const downstream = compose([guard([], anyone), answers])
  const prefix = '/a'
  const looksLike: Middleware = async (ctx, upstream) => {
    ctx['mountPath'] = prefix
    if (ctx.path === '/b') ctx.body = 'secret'
    else await downstream(ctx, upstream)
  }
  expect(codeOf(application(looksLike))).toBe('core.handlers_opaque')
})

it('a second entrance is refused, wherever it stands', () => {
  for (const second of [portcullis(), mountAt('/in', new Koa().use(portcullis()))]) {
    expect(() => assertCovered(application(second))).toThrow(/\/\*: portcullis\(\) stands here a second time/)
  }
})

it('a RegExp, a redirect and a list of paths are routes like others', () => {
  const router = new Router()
  router.get(/^\/r\d+$/, answers)
  router.redirect('/old', '/new')
  router.get(['/w', '/x'], answers)
  const app = application(router.routes())
  expect(codeOf(app)).toBe('core.routes_uncovered')
  expect(routes(app).map(({ method, pattern }) => `${method} ${pattern}`)).toEqual([
    'GET /^\\/r\\d+$/',
    '* /old',
    'GET /w',
    'GET /x',
  ])
})

it('`router.param` that comes late, and would run before a guard, is refused', () => {
  const router = new Router()
  router.get('/:id', guard([], anyone), answers)
  assertCovered(application(router.routes()))
  expect(() => router.param('id', (_id, ctx) => answers(ctx, async () => {}))).toThrow(
    expect.objectContaining({ code: 'core.application_sealed' }),
  )
})
