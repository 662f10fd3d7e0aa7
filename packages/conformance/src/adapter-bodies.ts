import { type Endpoint, json, PortcullisError, readForm, readJson } from '@portcullis/core'
import { assert } from 'vitest'
import { codeOf, endpoint, gate, route, watcher } from './adapter-parts.ts'
import type { AdapterBehaviour, Part } from './adapter-subject.ts'
import { bytesOf, open, type RawRequest, send } from './adapter-wire.ts'

const mounted = (run: Endpoint, over: Parameters<typeof endpoint>[1] = {}): Part => {
  return { kind: 'mount', endpoints: [endpoint(run, over)] }
}

const post = (type: string, body: string, over: Partial<RawRequest> = {}): RawRequest => {
  return { method: 'POST', target: '/endpoint', headers: [['Content-Type', type]], body, ...over }
}

const echo: Endpoint = async (req) => {
  const body = await req.body(1000)
  return json('raw' in body ? { raw: Buffer.from(body.raw).toString() } : body)
}

export const bodies: readonly AdapterBehaviour[] = [
  {
    title: 'an endpoint reads the bytes as sent, whatever their type',
    async check({ start }) {
      const app = await start({ parts: [mounted(echo)] })
      for (const type of ['application/json', 'application/x-www-form-urlencoded', 'text/plain', 'application/whatever']) {
        const response = await send(app.port, post(type, ' {"a" : 1}\n'))
        assert.deepEqual(JSON.parse(response.body), { raw: ' {"a" : 1}\n' }, type)
      }
      const untyped = await send(app.port, { method: 'POST', target: '/endpoint', body: 'x', chunked: true })
      assert.deepEqual(JSON.parse(untyped.body), { raw: 'x' })
      const empty = await send(app.port, { method: 'POST', target: '/endpoint' })
      assert.deepEqual(JSON.parse(empty.body), { raw: '' })
    },
  },
  {
    title: 'a body is read once, however often it is asked for',
    async check({ ask }) {
      const run: Endpoint = async (req) => {
        const [first, second] = [await req.body(10), await req.body(10)]
        return json(first === second)
      }
      assert.equal((await ask({ parts: [mounted(run)] }, post('text/plain', 'x'))).body, 'true')
    },
  },
  {
    title: 'JSON reaches an endpoint behind a body parser as well',
    async check({ start }) {
      const app = await start({ parts: [{ kind: 'parser' }, mounted(async (req) => json(await readJson(req)))] })
      const response = await send(app.port, post('application/json', '{"a":[1]}'))
      assert.deepEqual(JSON.parse(response.body), { a: [1] })
      assert.equal((await send(app.port, post('text/plain', '{}'))).status, 415)
      assert.equal((await send(app.port, post('application/json', '{'))).status, 400)
    },
  },
  {
    title: 'a form behind a parser of JSON is read from the bytes',
    async check({ ask }) {
      const run: Endpoint = async (req) => json({ ...(await readForm(req)) })
      const response = await ask(
        { parts: [{ kind: 'parser' }, mounted(run)] },
        post('application/x-www-form-urlencoded', 'a=1&b=%C3%A9'),
      )
      assert.deepEqual(JSON.parse(Buffer.from(response.body, 'latin1').toString()), { a: '1', b: 'é' })
    },
  },
  {
    title: 'a form that names a field twice is answered with 400',
    async check({ ask }) {
      const run: Endpoint = async (req) => json({ ...(await readForm(req)) })
      const response = await ask({ parts: [mounted(run)] }, post('application/x-www-form-urlencoded', 'a=1&a=2'))
      assert.equal(response.status, 400)
      assert.deepEqual(response.lines('content-type'), ['application/problem+json'])
    },
  },
  {
    title: 'a body that is too large is answered with 413, announced or chunked, and however large',
    async check({ start, eventsOf }) {
      const app = await start({ parts: [mounted(echo), route()] })
      for (const size of [1001, 200_000]) {
        for (const chunked of [false, true]) {
          const response = await send(app.port, post('text/plain', 'x'.repeat(size), { chunked }))
          assert.equal(response.status, 413, `${size} ${chunked ? 'chunked' : 'announced'}`)
          assert.deepEqual(response.lines('content-type'), ['application/problem+json'])
        }
      }
      assert.isEmpty(eventsOf('core.endpoint_failed'))
      assert.equal((await send(app.port, post('text/plain', 'x'.repeat(1000)))).status, 200)
    },
  },
  {
    title: 'a body that ends early is an error of the client to the endpoint, and the guards are settled once',
    async check({ start, eventsOf }) {
      const [watch, started, failed] = [watcher(), gate(), gate<unknown>()]
      const run: Endpoint = async (req) => {
        started.open()
        try {
          return json(await req.body(100))
        } catch (error) {
          failed.open(error)
          throw error
        }
      }
      const app = await start({ parts: [mounted(run, { guards: [watch.guard] }), route()] })
      const socket = await open(app.port)
      socket.write(bytesOf(post('text/plain', '', { headers: [['Content-Length', '10']] })).replace('Content-Length: 0\r\n', ''))
      socket.write('123')
      await started.passed
      socket.destroy()
      const error = await failed.passed
      assert.instanceOf(error, PortcullisError)
      assert.include(error, { code: 'core.body_unreadable', status: 400 })
      assert.equal((await send(app.port)).status, 200)
      await watch.settled
      assert.lengthOf(watch.outcomes, 1)
      assert.isFalse(watch.outcomes[0]?.completed)
      assert.isEmpty(eventsOf('core.endpoint_failed'))
    },
  },
  {
    title: 'an endpoint is told when something has read the body before it',
    async check({ ask, eventsOf }) {
      const response = await ask({ parts: [{ kind: 'drain' }, mounted(echo)] }, post('text/plain', 'x'))
      assert.equal(response.status, 500)
      assert.include(eventsOf('core.endpoint_failed')[0]?.data, { code: 'core.body_consumed' })
    },
  },
  {
    title: 'an endpoint that needs the bytes as sent gets them, or the application does not start',
    async check({ start, parsersReachEndpoints }) {
      const needy = mounted(echo, { rawBody: true })
      const behind = await start({ parts: [{ kind: 'parser' }, needy] })
      if (parsersReachEndpoints) assert.equal(await codeOf(() => behind.assertCovered()), 'core.endpoint_needs_raw_body')
      else assert.include((await send(behind.port, post('application/json', ' {}'))).body, '" {}"')
      const nested = await start({ parts: [{ kind: 'nested', prefix: '/in', parts: [{ kind: 'parser' }, needy] }] })
      assert.equal(await codeOf(() => nested.assertCovered()), parsersReachEndpoints ? 'core.endpoint_needs_raw_body' : 'none')
      const outside = await start({ parts: [{ kind: 'parser' }, { kind: 'nested', prefix: '/in', parts: [needy] }] })
      assert.equal(await codeOf(() => outside.assertCovered()), parsersReachEndpoints ? 'core.endpoint_needs_raw_body' : 'none')
    },
  },
  {
    title: 'an endpoint that needs the bytes as sent may stand before a body parser, or beside one',
    async check({ start }) {
      const needy = mounted(echo, { rawBody: true })
      const before = await start({ parts: [needy, { kind: 'parser' }, route()] })
      assert.equal(await codeOf(() => before.assertCovered()), 'none')
      assert.include((await send(before.port, post('application/json', ' {}'))).body, '" {}"')
      const beside = await start({ parts: [{ kind: 'nested', prefix: '/api', parts: [{ kind: 'parser' }] }, needy] })
      assert.equal(await codeOf(() => beside.assertCovered()), 'none')
    },
  },
  {
    title: 'an endpoint that throws is answered with 500, and nothing of its error gets out',
    async check({ ask, events, eventsOf }) {
      const run: Endpoint = async () => {
        throw new RangeError('s3cret of the error')
      }
      const response = await ask({ parts: [mounted(run)] }, { method: 'POST', target: '/endpoint' })
      assert.equal(response.status, 500)
      assert.deepEqual(JSON.parse(response.body), { type: 'about:blank', title: 'Internal Server Error', status: 500 })
      assert.notInclude(response.raw, 's3cret')
      assert.notInclude(JSON.stringify(events), 's3cret')
      assert.deepEqual(eventsOf('core.endpoint_failed')[0]?.data, { route: '/endpoint', error: 'RangeError', code: undefined })
    },
  },
  {
    title: 'HEAD on a GET endpoint is answered without a body, with its length',
    async check({ ask }) {
      const app = { parts: [mounted(async () => json({ a: 1 }), { method: 'GET' })] }
      const response = await ask(app, { method: 'HEAD', target: '/endpoint' })
      assert.deepEqual([response.status, response.body], [200, ''])
      assert.deepEqual(response.lines('content-type'), ['application/json'])
      assert.deepEqual(response.lines('content-length'), ['7'])
    },
  },
  {
    title: 'an endpoint asks its guards and its policy first',
    async check({ start }) {
      let ran = 0
      const run: Endpoint = async () => {
        ran++
        return json({})
      }
      const guards = [() => ({ type: 'reply', reply: { status: 403 } }) as const]
      const app = await start({ parts: [mounted(run, { guards, method: 'GET' })] })
      for (const method of ['GET', 'HEAD']) assert.equal((await send(app.port, { method, target: '/endpoint' })).status, 403)
      assert.equal(ran, 0)
    },
  },
]
