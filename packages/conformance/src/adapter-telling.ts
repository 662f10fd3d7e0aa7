import { authenticated, defineEvent, type Guard, json } from '@portcullis/core'
import { assert } from 'vitest'
import { endpoint, knows, refuses, route, showClient } from './adapter-parts.ts'
import type { AdapterBehaviour } from './adapter-subject.ts'
import { send } from './adapter-wire.ts'

const noted = defineEvent<'test.noted', { readonly target: string }>('test.noted')

const notes: Guard = (request) => {
  noted.publish({ target: request.target }, { request })
  return { type: 'continue' }
}

export const telling: readonly AdapterBehaviour[] = [
  {
    title: 'a decision names the rule, the whole pattern of the route, and the caller; never the path that was sent',
    async check({ ask, events, eventsOf }) {
      const inner = route({
        path: '/invoices/:id',
        guards: [knows({ tenant: 'acme', clientId: 'web' })],
        policy: authenticated(),
      })
      const app = { parts: [{ kind: 'nested', prefix: '/t/:tenant', parts: [inner] }] } as const
      assert.equal((await ask(app, { target: '/t/s3cret/invoices/s3cret?q=s3cret' })).status, 200)
      assert.deepEqual(
        eventsOf('core.decision').map(({ data }) => data),
        [
          {
            outcome: 'allowed',
            method: 'GET',
            route: '/t/:tenant/invoices/:id',
            policy: { kind: 'authenticated', label: 'authenticated' },
            status: undefined,
            principal: { subject: 'ada', kind: 'user', tenant: 'acme' },
            clientId: 'web',
            reason: undefined,
          },
        ],
      )
      assert.notInclude(JSON.stringify(events), 's3cret')
    },
  },
  {
    title: 'a refusal names its reason for the log, which the client never sees',
    async check({ ask, eventsOf }) {
      const response = await ask({ parts: [route({ path: '/a/:b', guards: [knows(), refuses(403)] })] }, { target: '/a/1' })
      assert.equal(response.status, 403)
      assert.notInclude(response.raw, 'for the log')
      const [event] = eventsOf('core.decision')
      assert.include(event?.data, { outcome: 'refused', route: '/a/:b', status: 403 })
      assert.deepInclude(event?.data, { reason: { code: 'test.refused', message: 'for the log' } })
    },
  },
  {
    title: 'a guard and an endpoint see the matched pattern and its rule; the entrance sees none',
    async check({ ask }) {
      const seen: unknown[] = []
      const looks: Guard = ({ route: matched }) => {
        seen.push(matched?.pattern, matched?.policy?.kind)
        return { type: 'continue' }
      }
      const run: Parameters<typeof endpoint>[0] = async (req) => {
        seen.push(req.route?.pattern)
        return json({})
      }
      const mounted = { kind: 'mount', endpoints: [endpoint(run, { method: 'GET', guards: [looks] })] } as const
      await ask(
        { entrance: { guards: [looks] }, parts: [{ kind: 'nested', prefix: '/in', parts: [mounted] }] },
        { target: '/in/endpoint' },
      )
      assert.deepEqual(seen, [undefined, undefined, '/in/endpoint', 'open', '/in/endpoint'])
    },
  },
  {
    title: 'the target is what was sent, mount prefix, query and absolute form included',
    async check({ start, eventsOf }) {
      const inner = route({ path: '/b', guards: [notes] })
      const app = await start({ parts: [{ kind: 'nested', prefix: '/a', parts: [inner] }] })
      const targets = ['/a/b?c=%64', 'http://api.example/a/b?x']
      for (const target of targets) await send(app.port, { target })
      assert.deepEqual(
        eventsOf('test.noted').map(({ data }) => data),
        targets.map((target) => ({ target })),
      )
    },
  },
  {
    title: 'all events of a request bear one id, and every request another',
    async check({ start, events }) {
      const app = await start({
        entrance: { guards: [notes] },
        parts: [
          route({ guards: [notes, refuses(403)] }),
          { kind: 'mount', endpoints: [endpoint(() => Promise.reject(new RangeError('x')), { guards: [notes] })] },
        ],
      })
      const headers = [['X-Request-Id', 'chosen']] as const
      await send(app.port, { headers })
      await send(app.port, { headers, method: 'POST', target: '/endpoint' })
      const [first, second] = [events.slice(0, 3), events.slice(3)]
      assert.deepEqual(
        events.map(({ type }) => type),
        ['test.noted', 'test.noted', 'core.decision', 'test.noted', 'test.noted', 'core.decision', 'core.endpoint_failed'],
      )
      const ids = [first, second].map((some) => [...new Set(some.map(({ correlationId }) => correlationId))])
      assert.deepEqual(
        ids.map(({ length }) => length),
        [1, 1],
      )
      assert.notEqual(ids[0]?.[0], ids[1]?.[0])
      assert.match(ids[0]?.[0] ?? '', /^[0-9a-f-]{36}$/)
    },
  },
]

interface ProxyCase {
  readonly title: string
  readonly trusted: readonly string[]
  readonly headers: readonly (readonly [string, string])[]
  readonly client: object
}

const here = { ip: '127.0.0.1', secure: false, host: 'api.example' }
const proxyCases: readonly ProxyCase[] = [
  {
    title: 'a peer that is not trusted cannot say where a request came from',
    trusted: ['10.0.0.0/8'],
    headers: [
      ['X-Forwarded-For', '203.0.113.9'],
      ['X-Forwarded-Proto', 'https'],
      ['X-Forwarded-Host', 'evil.example'],
      ['Forwarded', 'for=203.0.113.9;proto=https;host=evil.example'],
    ],
    client: here,
  },
  {
    title: 'a trusted peer is believed',
    trusted: ['127.0.0.1'],
    headers: [
      ['X-Forwarded-For', '203.0.113.9'],
      ['X-Forwarded-Proto', 'https'],
      ['X-Forwarded-Host', 'www.example'],
    ],
    client: { ip: '203.0.113.9', secure: true, host: 'www.example' },
  },
  {
    title: 'of two values of X-Forwarded-Proto, the nearest proxy wrote the last',
    trusted: ['127.0.0.1'],
    headers: [
      ['X-Forwarded-For', '203.0.113.9'],
      ['X-Forwarded-Proto', 'https, http'],
    ],
    client: { ...here, ip: '203.0.113.9' },
  },
  {
    title: 'two lines of X-Forwarded-Proto are read as one list',
    trusted: ['127.0.0.1'],
    headers: [
      ['X-Forwarded-For', '198.51.100.1, 203.0.113.9'],
      ['X-Forwarded-Proto', 'https'],
      ['X-Forwarded-Proto', 'http'],
    ],
    client: { ...here, ip: '203.0.113.9' },
  },
  {
    title: 'two trusted proxies are walked from the right',
    trusted: ['127.0.0.1', '10.0.0.0/8'],
    headers: [
      ['X-Forwarded-For', '6.6.6.6, 203.0.113.9, 10.1.1.1'],
      ['X-Forwarded-Proto', 'http, https, http'],
    ],
    client: { ip: '203.0.113.9', secure: true, host: 'api.example' },
  },
]

export const proxies: readonly AdapterBehaviour[] = proxyCases.map(({ title, trusted, headers, client }) => ({
  title,
  async check({ ask }) {
    const app = { entrance: { trustedProxies: trusted }, parts: [route({ guards: [showClient] })] }
    assert.deepEqual(JSON.parse((await ask(app, { headers })).body), client)
  },
}))
