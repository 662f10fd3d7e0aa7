import { decide, facts, guardFailedEvent, open, PortcullisError, type Principal, principalOf, subscribe } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import {
  addressDenied,
  byAddress,
  byPrincipal,
  createMemoryRateLimitStore,
  type LimitOptions,
  type LimitPolicy,
  limit,
  limitWouldRefuse,
  plans,
  type RateLimitStore,
} from '../src/index.ts'
import { caught, manualClock, request } from './support.ts'

const minute: LimitPolicy = { name: 'minute', quota: 3, window: 60 }

/** How many of so many requests pass. */
async function passing(guard: ReturnType<typeof limit>, count: number, req = request('192.0.2.1')): Promise<number> {
  let passed = 0
  for (let n = 0; n < count; n++) if ((await guard(req)).type === 'continue') passed += 1
  return passed
}

function heard<T>(event: { subscribe(listener: (event: { data: T }) => void): () => void }) {
  const data: T[] = []
  return { data, stop: event.subscribe((one) => data.push(one.data)) }
}

describe('a policy in shadow mode', () => {
  const shadow: LimitPolicy = { name: 'new', quota: 1, window: 60, shadow: true }
  const make = (options: Partial<LimitOptions> = {}) =>
    limit({ policies: [minute, shadow], key: byAddress(), clock: manualClock(), ...options })

  it('refuses nothing, and says what it would have refused', async () => {
    const { data, stop } = heard(limitWouldRefuse)
    expect(await passing(make(), 3)).toBe(3)
    stop()
    expect(data).toEqual(Array(2).fill({ limiter: 'limit', policies: ['new'], keyKind: 'address' }))
  })

  it('does not count what another policy refuses, as it would not if it were in force', async () => {
    const store = createMemoryRateLimitStore({ clock: manualClock() })
    const own: LimitPolicy = { ...shadow, quota: 10 }
    const guard = make({ policies: [minute, own], store })
    expect(await passing(guard, 100)).toBe(3)
    const { policies } = await guard.explain(request('192.0.2.1'))
    expect(policies.find(({ policy }) => policy === 'new')).toMatchObject({ remaining: 7, shadow: true })
  })

  it('keeps no other shadow from counting', async () => {
    const { data, stop } = heard(limitWouldRefuse)
    const guard = make({ policies: [shadow, { ...shadow, name: 'other', quota: 2 }] })
    expect(await passing(guard, 4)).toBe(4)
    stop()
    expect(data.map(({ policies }) => policies.join())).toEqual(['new', 'new', 'other', 'new', 'other'])
  })

  it('is not told to clients', async () => {
    const decision = await make({ headers: 'both' })(request('192.0.2.1'))
    expect(JSON.stringify(decision)).not.toContain('new')
    expect(await make({ policies: [shadow] })(request('192.0.2.1'))).not.toHaveProperty('headers')
  })

  it('lets a request without a key pass where nothing else counts it, and says so', async () => {
    const { data, stop } = heard(limitWouldRefuse)
    const keyless = { key: byPrincipal() }
    expect(await make({ ...keyless, policies: [shadow] })(request('192.0.2.1'))).toMatchObject({ type: 'continue' })
    expect(await caught(() => make(keyless)(request('192.0.2.1')))).toMatchObject({ code: 'rate_limit.key_missing' })
    stop()
    expect(data).toEqual([{ limiter: 'limit', policies: [], keyKind: 'principal' }])
  })

  it.each([
    [
      'at once',
      (error: Error): never => {
        throw error
      },
    ],
    ['later', (error: Error) => Promise.reject(error)],
  ])('fails no request when its store fails %s, and tells a mistake from an outage', async (_, fail) => {
    const failures = heard(guardFailedEvent)
    for (const error of [new PortcullisError('test.down', 'down', { status: 503 }), new TypeError('a mistake')]) {
      const store: RateLimitStore = { consume: () => fail(error), adjust: () => {} }
      const guard = make({ policies: [shadow], store, whenUnavailable: 'closed' })
      expect(await guard(request('192.0.2.1'))).toMatchObject({ type: 'continue' })
    }
    await new Promise(setImmediate)
    failures.stop()
    expect(failures.data).toMatchObject([{ guard: 'limit limit', error: 'TypeError' }])
  })

  it('keeps no request waiting for its store', async () => {
    const memory = createMemoryRateLimitStore()
    const store: RateLimitStore = {
      consume: (keys, policies, cost) =>
        policies[0]!.name === 'new' ? new Promise(() => {}) : memory.consume(keys, policies, cost),
      adjust: memory.adjust.bind(memory),
    }
    expect(make({ store })(request('192.0.2.1'))).toMatchObject({ type: 'continue' })
  })
})

describe('plans', () => {
  const table = {
    free: [{ name: 'daily', quota: 2, window: 86_400 }],
    pro: [{ name: 'daily', quota: 5, window: 86_400 }],
  } as const
  const caller = (subject: string, ...roles: string[]): Principal => ({ subject, kind: 'user', roles })
  const make = () =>
    limit({
      policies: plans(table, (req) => principalOf(req)?.roles[0] as 'free'),
      key: byPrincipal(),
      store: createMemoryRateLimitStore({ clock: manualClock() }),
    })

  it('give each caller the limits of his own', async () => {
    const guard = make()
    expect(await passing(guard, 10, request('x', caller('ada', 'pro')))).toBe(5)
    expect(await passing(guard, 10, request('x', caller('grace', 'free')))).toBe(2)
  })

  it('are told to clients and handlers, each its own', async () => {
    const guard = make()
    const req = request('x', caller('ada', 'pro'))
    const { headers } = (await decide(req, [guard], open('test'))) as { headers: readonly (readonly (readonly string[])[])[] }
    expect(headers[0]![0]).toEqual(['RateLimit-Policy', '"daily";q=5;w=86400'])
    expect(facts(req, guard)).toMatchObject({ plan: 'pro', remaining: 4 })
  })

  it.each(['platinum', 'constructor', '__proto__', ''])(
    'let nobody through whose plan is %j, which was not declared',
    async (plan) => {
      const error = await caught(() => make()(request('x', caller('ada', plan))))
      expect(error).toMatchObject({ code: 'rate_limit.plan_missing', status: 500 })
    },
  )

  it('let nobody through who has none', async () => {
    expect(await caught(() => make()(request('x', caller('ada'))))).toMatchObject({ code: 'rate_limit.plan_missing' })
  })

  it('fail at start-up when one of them is wrong', async () => {
    const wrong = plans({ free: [minute], pro: [{ ...minute, quota: 0 }] }, () => 'free')
    expect(await caught(() => limit({ policies: wrong, key: byAddress() }))).toMatchObject({ code: 'rate_limit.policy_invalid' })
    const narrow = plans({ free: [minute], pro: [{ ...minute, quota: 50 }] }, () => 'free')
    expect(await caught(() => limit({ policies: narrow, key: byAddress(), cost: 10 }))).toMatchObject({
      code: 'rate_limit.cost_invalid',
    })
    expect(await caught(() => limit({ policies: plans({}, () => undefined), key: byAddress() }))).toMatchObject({
      code: 'rate_limit.options_invalid',
    })
  })
})

describe('lists of addresses', () => {
  const make = (options: Partial<LimitOptions>) =>
    limit({ policies: [minute], key: byAddress(), clock: manualClock(), ...options })

  it.each([
    ['192.0.2.77', 20],
    ['::ffff:192.0.2.77', 20],
    ['2001:db8:7::1', 20],
    ['203.0.113.5', 20],
    ['203.0.113.6', 3],
    ['2001:db8:8::1', 3],
  ])('count nothing of %s where allow says so: %i of 20 pass', async (ip, passed) => {
    const guard = make({ allow: ['192.0.2.0/24', '2001:db8:7::/48', '203.0.113.5'] })
    expect(await passing(guard, 20, request(ip))).toBe(passed)
  })

  it('tell the handler, and nothing in headers', async () => {
    const guard = make({ allow: ['192.0.2.0/24'] })
    const req = request('192.0.2.1')
    expect(await decide(req, [guard], open('test'))).toMatchObject({ type: 'continue', headers: [] })
    expect(facts(req, guard)).toMatchObject({ listed: 'allow', remaining: Number.POSITIVE_INFINITY, results: [] })
  })

  it.each(['198.51.100.9', '::ffff:198.51.100.9', '::ffff:c633:6409'])('answer 403 to %s where deny says so', async (ip) => {
    const { data, stop } = heard(addressDenied)
    const guard = make({ deny: ['198.51.100.0/24'], allow: ['0.0.0.0/0'], name: 'api' })
    const decision = await guard(request(ip))
    stop()
    expect(decision).toMatchObject({ type: 'reply', reply: { status: 403 }, cause: { code: 'rate_limit.denied' } })
    expect(data).toEqual([{ limiter: 'api' }])
  })

  it('do not let a request pass whose address nobody knows', async () => {
    const key = () => 'a key that needs no address'
    const guards = [make({ key, deny: ['198.51.100.0/24'] }), make({ key, allow: ['198.51.100.0/24'] })]
    for (const guard of guards) {
      expect(await caught(() => guard(request(undefined)))).toMatchObject({ code: 'rate_limit.key_missing' })
    }
    expect(await make({ key })(request(undefined))).toMatchObject({ type: 'continue' })
  })

  it('may change while the server runs', async () => {
    const banned = new Set<string | undefined>()
    const guard = make({ deny: ({ client }) => banned.has(client.ip) })
    expect(await guard(request('192.0.2.1'))).toMatchObject({ type: 'continue' })
    banned.add('192.0.2.1')
    expect(await guard(request('192.0.2.1'))).toMatchObject({ reply: { status: 403 } })
  })

  it.each(['10.0.0.0/33', 'localhost', '', '0x7f.1', '10.0.0.0/8/8'])('refuse the entry %j when declared', async (entry) => {
    expect(await caught(() => make({ deny: [entry] }))).toMatchObject({ code: 'rate_limit.options_invalid' })
    expect(await caught(() => make({ allow: [entry] }))).toMatchObject({ code: 'rate_limit.options_invalid' })
  })
})

describe('the events of all this', () => {
  it('have as many different words as were declared, however many keys and addresses come', async () => {
    const seen = new Set<string>()
    const stop = subscribe(({ type, data }) => seen.add(JSON.stringify([type, data])))
    const guard = limit({
      policies: [minute, { name: 'new', quota: 1, window: 60, shadow: true }],
      key: byAddress(),
      deny: ['203.0.113.0/24'],
      clock: manualClock(),
    })
    for (let n = 0; n < 250; n++) {
      for (const ip of [`192.0.2.${n}`, `203.0.113.${n}`]) await passing(guard, 5, request(ip))
    }
    stop()
    expect([...seen].sort()).toEqual([
      '["rate_limit.denied",{"limiter":"limit"}]',
      '["rate_limit.refused",{"policies":["minute"],"keyKind":"address","degraded":false}]',
      '["rate_limit.would_refuse",{"limiter":"limit","policies":["new"],"keyKind":"address"}]',
    ])
  })
})
