import { authenticated, json, open as openTo } from '@portcullis/core'
import { assert } from 'vitest'
import { anyone, bare, codeOf, endpoint, failureOf, route, says } from './adapter-parts.ts'
import type { AdapterBehaviour } from './adapter-subject.ts'
import { open, send } from './adapter-wire.ts'

async function* endless(): AsyncIterable<string> {
  for (;;) {
    yield 'undecided '
    await new Promise((resolve) => setImmediate(resolve))
  }
}

export const coverage: readonly AdapterBehaviour[] = [
  {
    title: 'every route is listed with its method, its whole pattern and its rule',
    async check({ start }) {
      const app = await start({
        parts: [
          route({ path: '/healthz', policy: openTo('probe') }),
          route({ path: '/me', policy: authenticated() }),
          route({ path: '/me', method: 'PUT' }),
          route({ path: '/any', method: 'ALL' }),
          {
            kind: 'nested',
            prefix: '/tenants/:tenant',
            parts: [
              route({ path: '/invoices/:id' }),
              { kind: 'nested', prefix: '/deep', parts: [bare({ path: '/bare', method: 'DELETE' })] },
            ],
          },
          { kind: 'nested', prefix: '/oauth', parts: [{ kind: 'mount', endpoints: [endpoint(async () => json({}))] }] },
        ],
      })
      assert.equal(await codeOf(() => app.assertCovered()), 'core.routes_uncovered')
      assert.deepEqual(
        app.routes().map(({ method, pattern, policy }) => `${method} ${pattern} ${policy?.label}`),
        [
          'GET /healthz probe',
          'GET /me authenticated',
          'PUT /me conformance',
          '* /any conformance',
          'GET /tenants/:tenant/invoices/:id conformance',
          'DELETE /tenants/:tenant/deep/bare undefined',
          'POST /oauth/endpoint conformance',
        ],
      )
    },
  },
  {
    title: 'an application whose routes all declare a rule starts',
    async check({ start }) {
      const app = await start({ parts: [route(), { kind: 'mount', endpoints: [endpoint(async () => json({}))] }] })
      assert.equal(await codeOf(() => app.assertCovered()), 'none')
    },
  },
  {
    title: 'an application with a route that declares none does not start, and says which, with file and line',
    async check({ start }) {
      const nested = { kind: 'nested', prefix: '/deep', parts: [bare({ path: '/:id', method: 'POST' })] } as const
      const app = await start({ parts: [route(), bare({ path: '/bare' }), nested] })
      const failure = await failureOf(() => app.assertCovered())
      assert.equal(failure?.code, 'core.routes_uncovered')
      assert.match(failure?.message ?? '', /\n {2}GET \/bare \(.+\.[cm]?[jt]s:\d+\): declares no policy/)
      assert.match(failure?.message ?? '', /\n {2}POST \/deep\/:id \(/)
      assert.notMatch(failure?.message ?? '', /GET \/ /)
    },
  },
  {
    title: 'a handler in front of the guard makes the declaration void',
    async check({ start }) {
      const app = await start({ parts: [route({ guardIsLate: true })] })
      const failure = await failureOf(() => app.assertCovered())
      assert.equal(failure?.code, 'core.routes_uncovered')
      assert.include(failure?.message, 'a handler stands before the guard')
    },
  },
  {
    title: 'an application without an entrance does not start',
    async check({ start }) {
      const app = await start({ entrance: false, parts: [route()] })
      assert.equal(await codeOf(() => app.assertCovered()), 'core.entrance_missing')
    },
  },
  {
    title: 'an application with something before its entrance does not start',
    async check({ start }) {
      for (const before of [{ kind: 'headers', headers: [['X-Early', '1']] }, route({ path: '/early' })] as const) {
        const begin = async () => (await start({ before: [before], parts: [route()] })).assertCovered()
        assert.equal(await codeOf(begin), 'core.entrance_missing', before.kind)
      }
    },
  },
  {
    title: 'outside production an answer that no decision stands behind becomes a 500 and an event',
    async check({ ask, eventsOf }) {
      const guards = [says(['X-Seen', 'entrance'])]
      const handler = () => ({ headers: [['X-Leak', 'yes']] as const, body: 'undecided' })
      const response = await ask({ entrance: { production: false, guards }, parts: [bare({ handler })] })
      assert.equal(response.status, 500)
      assert.include(response.raw, 'HTTP/1.1 500 Internal Server Error')
      assert.deepEqual(response.lines('content-type'), ['application/problem+json'])
      assert.equal(JSON.parse(response.body).status, 500)
      assert.notInclude(response.raw, 'undecided')
      assert.isEmpty(response.lines('x-leak'))
      assert.deepEqual(response.lines('x-seen'), ['entrance'])
      assert.deepEqual(
        eventsOf('core.undecided_response').map(({ data }) => data),
        [{ method: 'GET', status: 200, replaced: true }],
      )
    },
  },
  {
    title: 'in production it goes out, and is an event',
    async check({ ask, eventsOf }) {
      const response = await ask({ entrance: { production: true }, parts: [bare({ handler: () => ({ body: 'undecided' }) })] })
      assert.deepEqual([response.status, response.body], [200, 'undecided'])
      assert.deepEqual(
        eventsOf('core.undecided_response').map(({ data }) => data),
        [{ method: 'GET', status: 200, replaced: false }],
      )
    },
  },
  {
    title: 'a redirect, an empty answer and an answer to HEAD are undecided answers as well',
    async check({ start, eventsOf }) {
      const app = await start({
        entrance: { production: false },
        parts: [
          bare({ handler: () => ({ status: 302, headers: [['Location', '/x']], body: '' }) }),
          bare({ path: '/empty', handler: () => ({ status: 204, body: '' }) }),
        ],
      })
      assert.equal((await send(app.port)).status, 500)
      assert.equal((await send(app.port, { target: '/empty' })).status, 500)
      assert.equal((await send(app.port, { method: 'HEAD' })).status, 500)
      assert.lengthOf(eventsOf('core.undecided_response'), 3)
    },
  },
  {
    title: 'an undecided stream that never ends is answered with 500 at once',
    async check({ start, eventsOf }) {
      const app = await start({ entrance: { production: false }, parts: [bare({ handler: () => ({ body: endless() }) })] })
      const socket = await open(app.port)
      socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      let text = ''
      for await (const chunk of socket) {
        text += chunk
        if (text.includes('\r\n\r\n{') && text.endsWith('}')) break
      }
      assert.match(text, /^HTTP\/1\.1 500 /)
      assert.notInclude(text, 'undecided ')
      assert.lengthOf(eventsOf('core.undecided_response'), 1)
    },
  },
  {
    title: 'a decided stream flows',
    async check({ ask, eventsOf }) {
      async function* three(): AsyncIterable<string> {
        yield* ['a', 'b', 'c']
      }
      const response = await ask({ parts: [route({ handler: () => ({ body: three() }) })] })
      assert.deepEqual([response.status, response.body], [200, 'abc'])
      assert.isEmpty(eventsOf('core.undecided_response'))
    },
  },
  {
    title: "a path that nothing answers is the framework's 404, and no undecided answer",
    async check({ ask, eventsOf }) {
      assert.equal((await ask({ parts: [route()] }, { target: '/nowhere' })).status, 404)
      assert.isEmpty(eventsOf('core.undecided_response'))
    },
  },
  {
    title: "the framework's own answer to OPTIONS is no undecided answer",
    async check({ ask, eventsOf }) {
      const response = await ask({ parts: [route()] }, { method: 'OPTIONS' })
      if (response.status < 400) assert.isNotEmpty(response.lines('allow'))
      assert.notEqual(response.status, 500)
      assert.isEmpty(eventsOf('core.undecided_response'))
    },
  },
  {
    title: 'a decision at one route does not cover the answer of another request',
    async check({ start }) {
      const app = await start({ entrance: { production: false }, parts: [route({ policy: anyone }), bare({ path: '/bare' })] })
      assert.equal((await send(app.port)).status, 200)
      assert.equal((await send(app.port, { target: '/bare' })).status, 500)
    },
  },
]
