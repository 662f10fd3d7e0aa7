import { assert } from 'vitest'
import { anyone, bare, codeOf, endpoint, failureOf, middleware, refuses, route } from './adapter-parts.ts'
import type { AdapterBehaviour, AdapterContext, Part, RoutePart, RunningApp } from './adapter-subject.ts'
import { type RawRequest, send } from './adapter-wire.ts'

/** A way to declare a route, in which one without a rule could hide. */
interface Form {
  parts(declare: (over?: Partial<RoutePart>) => Part): readonly Part[]
  /** As it is listed. */
  readonly listed: string
  readonly request: RawRequest
  readonly needsRegExp?: boolean
}

const nested = (prefix: string, ...parts: readonly Part[]): Part => ({ kind: 'nested', prefix, parts })
const app = (prefix: string, ...parts: readonly Part[]): Part => ({ kind: 'app', prefix, parts })

const forms: Readonly<Record<string, Form>> = {
  'a route of the application': {
    parts: (declare) => [declare({ path: '/x' })],
    listed: 'GET /x',
    request: { target: '/x' },
  },
  'a nested router': {
    parts: (declare) => [nested('/a', nested('/b', declare({ path: '/x' })))],
    listed: 'GET /a/b/x',
    request: { target: '/a/b/x' },
  },
  'a mounted application': {
    parts: (declare) => [app('/a', declare({ path: '/x' }))],
    listed: 'GET /a/x',
    request: { target: '/a/x' },
  },
  'a router of an application in a mounted application': {
    parts: (declare) => [app('/a', app('/b', nested('/c', declare({ path: '/x' }))))],
    listed: 'GET /a/b/c/x',
    request: { target: '/a/b/c/x' },
  },
  'the root of a mounted application': {
    parts: (declare) => [app('/a', declare({ path: '/' }))],
    listed: 'GET /a',
    request: { target: '/a' },
  },
  'a route for every method': {
    parts: (declare) => [declare({ path: '/x', method: 'ALL' })],
    listed: '* /x',
    request: { target: '/x', method: 'DELETE' },
  },
  'the second of a list of paths': {
    parts: (declare) => [declare({ path: ['/w', '/x'] })],
    listed: 'GET /x',
    request: { target: '/x' },
  },
  'a RegExp': {
    parts: (declare) => [declare({ path: /^\/x\d+$/ })],
    listed: 'GET /^\\/x\\d+$/',
    request: { target: '/x1' },
    needsRegExp: true,
  },
  // Fastify (run): the automatic HEAD.
  'the HEAD that comes with GET': {
    parts: (declare) => [declare({ path: '/x' })],
    listed: 'GET /x',
    request: { target: '/x', method: 'HEAD' },
  },
  'a HEAD of its own beside a guarded GET': {
    parts: (declare) => [declare({ path: '/x', method: 'HEAD' }), route({ path: '/x', guards: [refuses(403)] })],
    listed: 'HEAD /x',
    request: { target: '/x', method: 'HEAD' },
  },
  'another method beside a guarded one': {
    parts: (declare) => [route({ path: '/x', guards: [refuses(403)] }), declare({ path: '/x', method: 'POST' })],
    listed: 'POST /x',
    request: { target: '/x', method: 'POST', body: '' },
  },
}

function formsOf({ regExpPaths }: AdapterContext): readonly (readonly [string, Form])[] {
  return Object.entries(forms).filter(([, { needsRegExp = false }]) => regExpPaths || !needsRegExp)
}

function listing(running: RunningApp): readonly string[] {
  return running.routes().map(({ method, pattern }) => `${method} ${pattern}`)
}

export const formsOfRoutes: readonly AdapterBehaviour[] = [
  {
    title: 'however a route is declared, one without a rule stops the start, by its name, with file and line',
    async check(context) {
      for (const [what, { parts, listed }] of formsOf(context)) {
        const running = await context.start({ parts: [route({ path: '/first' }), ...parts(bare)] })
        const failure = await failureOf(() => running.assertCovered())
        assert.equal(failure?.code, 'core.routes_uncovered', what)
        const line = failure?.message.split('\n').find((one) => one.startsWith(`  ${listed} (`))
        assert.match(line ?? failure?.message ?? '', /\(.+\.[cm]?[jt]s:\d+\): declares no policy$/, what)
        assert.include(listing(running), listed, what)
      }
    },
  },
  {
    title: 'however a route is declared, one with a rule is asked, lets the application start, and is told by its whole pattern',
    async check(context) {
      for (const [what, { parts, listed, request }] of formsOf(context)) {
        const before = context.eventsOf('core.decision').length
        const running = await context.start({ parts: parts(route) })
        assert.equal(await codeOf(() => running.assertCovered()), 'none', what)
        assert.equal((await send(running.port, request)).status, 200, what)
        const [event] = context.eventsOf('core.decision').slice(before)
        assert.include(event?.data, { route: listed.split(' ')[1] }, what)
      }
      assert.isEmpty(context.eventsOf('core.undecided_response'))
    },
  },
  {
    title: 'however a route is declared, what one without a rule answers becomes a 500 and an event',
    async check(context) {
      for (const [what, { parts, request }] of formsOf(context)) {
        const before = context.eventsOf('core.undecided_response').length
        const running = await context.start({ entrance: { production: false }, parts: parts(bare) })
        const response = await send(running.port, request)
        assert.equal(response.status, 500, what)
        assert.notInclude(response.body, 'handled', what)
        assert.lengthOf(context.eventsOf('core.undecided_response').slice(before), 1, what)
      }
    },
  },
  {
    title: 'what comes after the check is refused where it is added, and answers nothing',
    async check({ start, eventsOf }) {
      const late: Readonly<Record<string, Part>> = {
        'a route': bare({ path: '/late' }),
        'a route with a rule': route({ path: '/late' }),
        'a route for every method': bare({ path: '/late', method: 'ALL' }),
        'a nested router': nested('/late', bare()),
        'a mounted application': app('/late', bare()),
        middleware: middleware({ path: '/late' }),
        'endpoints of a package': { kind: 'mount', endpoints: [endpoint(async () => ({ status: 200 }), { path: '/late' })] },
      }
      for (const [what, part] of Object.entries(late)) {
        const running = await start({ parts: [route()] })
        await running.assertCovered()
        const refused = await Promise.resolve()
          .then(() => running.add(part))
          .then(
            () => undefined,
            (error: unknown) => error,
          )
        assert.instanceOf(refused, Error, what)
        for (const method of ['GET', 'POST']) {
          assert.equal((await send(running.port, { target: '/late', method })).status, 404, `${method} to ${what}`)
        }
        assert.equal((await send(running.port)).status, 200, what)
        assert.equal(await codeOf(() => running.assertCovered()), 'none', `${what}, and checked again`)
      }
      assert.isEmpty(eventsOf('core.undecided_response'))
    },
  },
  {
    title: 'what comes late into an application that nobody has checked meets the tripwire',
    async check({ start, eventsOf }) {
      const running = await start({ entrance: { production: false }, parts: [route()] })
      const added = await Promise.resolve()
        .then(() => running.add(bare({ path: '/late' })))
        .then(
          () => true,
          () => false,
        )
      const { status } = await send(running.port, { target: '/late' })
      assert.equal(status, added ? 500 : 404)
      assert.lengthOf(eventsOf('core.undecided_response'), added ? 1 : 0)
    },
  },
  {
    // Express (run): method override after the guard.
    title: 'a method that a header has put in place of the one sent asks the rule of its own route',
    async check({ start }) {
      const asked: string[] = []
      const notes = (name: string, allow: boolean): Partial<RoutePart> => ({
        guards: [
          (req) => {
            asked.push(name)
            return allow ? { type: 'continue' } : refuses(403)(req)
          },
        ],
        handler: () => ({ body: name }),
      })
      const running = await start({
        parts: [
          { kind: 'override' },
          route({ path: '/x', method: 'POST', ...notes('POST', true) }),
          route({ path: '/x', method: 'DELETE', ...notes('DELETE', false) }),
        ],
      })
      for (const value of ['DELETE', 'delete', 'GET', 'HEAD']) {
        asked.length = 0
        const headers = [['X-HTTP-Method-Override', value]] as const
        const response = await send(running.port, { method: 'POST', target: '/x', headers, body: '' })
        assert.notInclude(response.body, 'DELETE', value)
        if (response.status < 400) assert.deepEqual([response.body, ...asked], ['POST', 'POST'], value)
      }
    },
  },
  {
    title: 'a guard that is middleware is no rule of the routes under it',
    async check({ start, middlewareBelongsToRoutes }) {
      const shapes: Readonly<Record<string, readonly Part[]>> = {
        'of the application': [{ kind: 'guard', policy: anyone }, bare({ path: '/x' })],
        'of a router': [nested('/a', { kind: 'guard', policy: anyone }, bare({ path: '/x' }))],
      }
      for (const [what, parts] of Object.entries(shapes)) {
        const running = await start({ parts })
        // Where it belongs to the routes of a plugin, and to no path, nobody gets around it.
        const code = middlewareBelongsToRoutes ? 'none' : 'core.routes_uncovered'
        assert.equal(await codeOf(() => running.assertCovered()), code, what)
      }
    },
  },
  {
    // Fastify (run): a hook in a sibling plugin.
    title: 'a guard of one router or plugin is no rule of another one, of the same prefix or not',
    async check({ start }) {
      const guarded = nested('/a', { kind: 'guard', guards: [refuses(403)], policy: anyone }, route({ path: '/own' }))
      for (const prefix of ['/a', '/b']) {
        const running = await start({ entrance: { production: false }, parts: [guarded, nested(prefix, bare({ path: '/x' }))] })
        const failure = await failureOf(() => running.assertCovered())
        assert.include(failure?.message, `  GET ${prefix}/x (`)
        assert.notEqual((await send(running.port, { target: `${prefix}/x` })).status, 200)
      }
    },
  },
]
