import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { problem, subscribe } from '@portcullis/core'
import express, { type RequestHandler, Router } from 'express'
import { afterEach, expect, it } from 'vitest'
import { assertCovered, type Guard, guard, opaque, open, portcullis, routes } from '../src/index.ts'

const anyone = open('test')
const refuses: Guard = () => ({ type: 'reply', reply: problem({ status: 403 }) })
const answers: RequestHandler = (_req, res) => {
  res.send('secret')
}
const here = dirname(fileURLToPath(import.meta.url))

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

function application(): express.Application {
  const app = express()
  app.set('env', 'test') // no stack traces on the console
  app.use(portcullis({ production: false }))
  return app
}

async function listening(app: express.Application): Promise<(path: string) => Promise<Response>> {
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => server.close())
  return (path) => fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`)
}

function codeOf(app: express.Application): unknown {
  try {
    assertCovered(app)
    return 'none'
  } catch (error) {
    return (error as { code: unknown }).code
  }
}

it('an application that a router has mounted is looked into as well', () => {
  const [app, inner, router] = [application(), express(), Router()]
  inner.get('/x', answers)
  router.use('/inner', inner)
  app.use('/router', router)
  expect(() => assertCovered(app)).toThrow(/GET \/router\/inner\/x \(.+coverage\.test\.ts:\d+\): declares no policy/)
})

it('files are served under a rule, which is listed, or are acknowledged, and refused', async () => {
  const files = express.static(here)
  const ruled = application()
  ruled.use('/files', guard([], open('files of the page')), files)
  assertCovered(ruled)
  expect(routes(ruled)).toMatchObject([{ method: '*', pattern: '/files/*', policy: { label: 'files of the page' } }])
  expect((await (await listening(ruled))('/files/coverage.test.ts')).status).toBe(200)

  const known = application()
  known.use('/files', files)
  expect(opaque(known)).toMatchObject([{ name: 'serveStatic', place: '/files/*' }])
  expect(codeOf(known)).toBe('core.handlers_opaque')
  assertCovered(known, { opaque: ['serveStatic'] })
  expect((await (await listening(known))('/files/coverage.test.ts')).status).toBe(500)
})

it('a guard covers middleware of its own path alone', () => {
  const cases: readonly [guarded: string | RegExp | string[], behind: string | RegExp | string[], code: string][] = [
    ['/a', '/a', 'none'],
    [['/a', '/b'], ['/a', '/b'], 'none'],
    [/^\/a/, /^\/a/, 'none'],
    ['/a', '/', 'core.handlers_opaque'],
    ['/a', '/A', 'core.handlers_opaque'],
    ['/', '/a', 'core.handlers_opaque'],
    [['/a', '/b'], '/a', 'core.handlers_opaque'],
    [/^\/a/, /^\/a/i, 'core.handlers_opaque'],
  ]
  for (const [guarded, behind, code] of cases) {
    const app = application()
    app.use(guarded, guard([], anyone))
    app.use(behind, answers)
    expect(codeOf(app), `${guarded} ${behind}`).toBe(code)
  }
})

it('a RegExp that remembers where it stopped lets every other request around a guard: it covers nothing', async () => {
  for (const flags of ['g', 'y']) {
    const path = new RegExp('^/files', flags)
    const app = application()
    app.use(path, guard([refuses], anyone), answers)
    const get = await listening(app)
    const statuses = [(await get('/files')).status, (await get('/files')).status]
    // The attack: the second request starts where the first one's match ended, misses the guard, and finds the handler.
    expect(statuses).toEqual([403, 500])
    expect(codeOf(app)).toBe('core.handlers_opaque')
  }
})

it('a list of paths may hold a RegExp, and all of them are listed', () => {
  const app = application()
  app.get(['/w', /^\/x\d+$/], answers)
  expect(routes(app).map(({ pattern }) => pattern)).toEqual(['/w', '/^\\/x\\d+$/'])
  expect(codeOf(app)).toBe('core.routes_uncovered')
})

it('a list of paths is told by the path that matched, where that is literal', async () => {
  const told: unknown[] = []
  closing.push(subscribe(({ type, data }) => type === 'core.decision' && told.push((data as { route: unknown }).route)))
  const app = application()
  app.get(['/w', '/x/:id'], guard([], anyone), answers)
  const get = await listening(app)
  await get('/w')
  await get('/x/1')
  expect(told).toEqual(['/w', '/w | /x/:id'])
})

it('a handler of errors needs no acknowledgement', () => {
  const app = application()
  app.use((_error: unknown, _req: express.Request, res: express.Response, _next: express.NextFunction) => {
    res.sendStatus(500)
  })
  expect(codeOf(app)).toBe('none')
})

it('a second entrance is refused, wherever it stands', () => {
  for (const put of [
    (app: express.Application) => app.use(portcullis()),
    (app: express.Application) => app.use('/in', express().use(portcullis())),
  ]) {
    const app = application()
    put(app)
    expect(() => assertCovered(app)).toThrow(/\/\*: portcullis\(\) stands here a second time/)
  }
})

it('a handler that comes late to a route that is there is refused', () => {
  const app = application()
  const route = app.route('/x').get(guard([], anyone), answers)
  const nested = Router()
  nested.get('/y', guard([], anyone), answers)
  app.use('/nested', nested)
  assertCovered(app)
  const refused = expect.objectContaining({ code: 'core.application_sealed' })
  expect(() => route.post(answers)).toThrow(refused)
  expect(() => nested.get('/late', answers)).toThrow(
    expect.objectContaining({ message: expect.stringMatching(/^\/late comes after assertCovered\(\)/) }),
  )
  expect(() => app.use(answers)).toThrow(refused)
})
