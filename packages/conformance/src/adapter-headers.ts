import { type HeaderList, json } from '@portcullis/core'
import { assert } from 'vitest'
import { endpoint, refuses, route, says } from './adapter-parts.ts'
import type { AdapterBehaviour } from './adapter-subject.ts'

const basic = says(['WWW-Authenticate', 'Basic realm="a"'])

export const headers: readonly AdapterBehaviour[] = [
  {
    title: 'two WWW-Authenticate lines from two guards both go out, each by itself',
    async check({ ask }) {
      const guards = [basic, refuses(401, [['WWW-Authenticate', 'Bearer']])]
      const response = await ask({ parts: [route({ guards })] })
      assert.equal(response.status, 401)
      assert.deepEqual(response.lines('www-authenticate'), ['Basic realm="a"', 'Bearer'])
    },
  },
  {
    title: 'two WWW-Authenticate lines go out as well when one comes from the entrance',
    async check({ ask }) {
      const guards = [refuses(401, [['WWW-Authenticate', 'Bearer']])]
      const response = await ask({ entrance: { guards: [basic] }, parts: [route({ guards })] })
      assert.deepEqual(response.lines('www-authenticate'), ['Basic realm="a"', 'Bearer'])
    },
  },
  {
    title: 'cookies of guards, of middleware and of the handler all go out, once each',
    async check({ ask }) {
      const response = await ask({
        entrance: { guards: [says(['Set-Cookie', 'a=1'])] },
        parts: [
          { kind: 'headers', headers: [['Vary', 'Accept']] },
          route({
            guards: [says(['Set-Cookie', 'b=2']), says(['Set-Cookie', 'c=3'])],
            handler: () => ({ headers: [['Set-Cookie', 'd=4']], body: 'x' }),
          }),
        ],
      })
      assert.deepEqual(response.lines('set-cookie'), ['a=1', 'b=2', 'c=3', 'd=4'])
    },
  },
  {
    title: "a cookie and a Vary that middleware has set stay beside the guard's",
    async check({ ask }) {
      const set: HeaderList = [
        ['Set-Cookie', 'app=1'],
        ['Vary', 'Accept-Encoding'],
      ]
      const response = await ask({
        parts: [{ kind: 'headers', headers: set }, route({ guards: [says(['Set-Cookie', 'g=1'], ['Vary', 'Origin'])] })],
      })
      assert.deepEqual(response.lines('set-cookie'), ['app=1', 'g=1'])
      assert.deepEqual(response.lines('vary').join(', '), 'Accept-Encoding, Origin')
    },
  },
  {
    title: 'RateLimit fields of two guards are joined into one list',
    async check({ ask }) {
      const first = says(['RateLimit', '"ip";r=9'], ['RateLimit-Policy', '"ip";q=10'])
      const second = says(['RateLimit', '"user";r=4'], ['RateLimit-Policy', '"user";q=5'])
      const response = await ask({ entrance: { guards: [first] }, parts: [route({ guards: [second] })] })
      assert.deepEqual(response.lines('ratelimit'), ['"ip";r=9, "user";r=4'])
      assert.deepEqual(response.lines('ratelimit-policy'), ['"ip";q=10, "user";q=5'])
    },
  },
  {
    title: "of any other header the reply's own word is the last",
    async check({ ask }) {
      const guards = [says(['Cache-Control', 'public'], ['X-Seen', 'guard']), refuses(403)]
      const response = await ask({ parts: [route({ guards })] })
      assert.deepEqual(response.lines('cache-control'), ['no-store'])
      assert.deepEqual(response.lines('x-seen'), ['guard'])
    },
  },
  {
    title: "what guards say goes out on the framework's own error page too",
    async check({ ask }) {
      const response = await ask({
        entrance: { guards: [says(['Strict-Transport-Security', 'max-age=1'])] },
        parts: [
          route({
            guards: [says(['RateLimit', '"ip";r=9'], ['Set-Cookie', 'a=1'])],
            handler: () => Promise.reject(new TypeError('handler')),
          }),
        ],
      })
      assert.equal(response.status, 500)
      assert.deepEqual(response.lines('strict-transport-security'), ['max-age=1'])
      assert.deepEqual(response.lines('ratelimit'), ['"ip";r=9'])
      assert.deepEqual(response.lines('set-cookie'), ['a=1'])
    },
  },
  {
    title: "an entrance guard's headers go out where no route matches",
    async check({ ask }) {
      const response = await ask(
        { entrance: { guards: [says(['X-Seen', 'entrance'])] }, parts: [route()] },
        { target: '/nowhere' },
      )
      assert.equal(response.status, 404)
      assert.deepEqual(response.lines('x-seen'), ['entrance'])
    },
  },
  {
    title: "an endpoint's reply goes out as it is, with what its guards said",
    async check({ ask }) {
      const guards = [says(['Set-Cookie', 'a=1'], ['Vary', 'Origin'])]
      const run = async () => json({ ok: 'é' }, { status: 201, headers: [['Set-Cookie', 'b=2']] })
      const response = await ask(
        { parts: [{ kind: 'mount', endpoints: [endpoint(run, { guards })] }] },
        { method: 'POST', target: '/endpoint' },
      )
      assert.equal(response.status, 201)
      assert.deepEqual(response.lines('content-type'), ['application/json'])
      assert.deepEqual(response.lines('content-length'), ['11'])
      assert.deepEqual(response.lines('set-cookie'), ['a=1', 'b=2'])
      assert.deepEqual(response.lines('vary'), ['Origin'])
      assert.equal(Buffer.from(response.body, 'latin1').toString(), '{"ok":"é"}')
    },
  },
  {
    title: 'a reply without a body is empty, and keeps its status',
    async check({ ask }) {
      for (const status of [200, 204, 303, 401]) {
        const run = async () => ({ status, headers: [['Location', '/x']] as const })
        const response = await ask(
          { parts: [{ kind: 'mount', endpoints: [endpoint(run)] }] },
          { method: 'POST', target: '/endpoint' },
        )
        assert.equal(response.status, status)
        assert.equal(response.body, '')
        assert.deepEqual(response.lines('location'), ['/x'])
      }
    },
  },
]
