import { decide, facts, type Guard, mergeHeaders, open, type Principal, type Reply } from '@portcullis/core'
import { parseList } from 'structured-headers'
import { describe, expect, it } from 'vitest'
import {
  byAddress,
  byPrincipal,
  createMemoryRateLimitStore,
  type LimitFacts,
  type LimitKey,
  type LimitOptions,
  limit,
  limitRefused,
  type Policy,
  type RateLimitStore,
} from '../src/index.ts'
import { caught, manualClock, request } from './support.ts'

const burst: Policy = { name: 'burst', quota: 100, window: 60 }
const daily: Policy = { name: 'daily', quota: 1000, window: 86_400 }

function header(of: Reply | { headers?: Reply['headers'] }, name: string): string | undefined {
  return of.headers?.find(([key]) => key === name)?.[1]
}

function pass(guard: Guard<LimitFacts>, ip = '192.0.2.1') {
  const decision = guard(request(ip))
  if (decision instanceof Promise || decision.type !== 'continue') throw new Error('not let through')
  return decision
}

function refuse(guard: Guard<LimitFacts>, ip = '192.0.2.1'): Reply {
  const decision = guard(request(ip))
  if (decision instanceof Promise || decision.type !== 'reply') throw new Error('not refused')
  return decision.reply
}

describe('limit', () => {
  it('stays synchronous with the memory store', () => {
    const guard = limit({ policies: [burst], key: byAddress() })
    expect(guard(request('192.0.2.1'))).not.toBeInstanceOf(Promise)
  })

  it('waits for a store that answers later', async () => {
    const memory = createMemoryRateLimitStore({ clock: manualClock() })
    const store: RateLimitStore = {
      consume: async (...check) => memory.consume(...check),
      adjust: async (...change) => memory.adjust(...change),
    }
    const guard = limit({ policies: [{ ...burst, quota: 1 }], key: byAddress(), store })
    expect(await guard(request('192.0.2.1'))).toMatchObject({ type: 'continue' })
    expect(await guard(request('192.0.2.1'))).toMatchObject({ type: 'reply', reply: { status: 429 } })
  })

  it('hands the handler what is left', async () => {
    const guard = limit({ policies: [burst, { ...daily, quota: 50 }], key: byAddress() })
    const req = request('192.0.2.1')
    await decide(req, [guard], open('test'))
    expect(facts(req, guard)).toMatchObject({ remaining: 49, degraded: false, results: [{ remaining: 99 }, { remaining: 49 }] })
  })

  it('charges what the request costs', () => {
    const guard = limit({ policies: [burst], key: byAddress(), cost: (req) => (req.method === 'GET' ? 40 : 1) })
    expect([pass(guard).facts?.remaining, pass(guard).facts?.remaining]).toEqual([60, 20])
    expect(refuse(guard).status).toBe(429)
  })

  it('answers 429 with the problem type, the policies and nothing cached [ASVS 2.4.1]', () => {
    const guard = limit({
      policies: [
        { ...burst, quota: 1 },
        { ...daily, quota: 1 },
      ],
      key: byAddress(),
    })
    pass(guard)
    const reply = refuse(guard)
    expect(header(reply, 'Content-Type')).toBe('application/problem+json')
    expect(header(reply, 'Cache-Control')).toBe('no-store')
    expect(JSON.parse(String(reply.body))).toEqual({
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      title: 'Request cannot be satisfied as assigned quota has been exceeded',
      status: 429,
      'violated-policies': ['burst', 'daily'],
    })
  })

  it('names only the policies that refused', () => {
    const guard = limit({ policies: [{ ...burst, quota: 1 }, daily], key: byAddress() })
    pass(guard)
    expect(JSON.parse(String(refuse(guard).body))['violated-policies']).toEqual(['burst'])
  })
})

describe('headers (draft-ietf-httpapi-ratelimit-headers-10)', () => {
  const clock = manualClock()

  it('announces all policies, and what is left of the one closest to being exhausted', () => {
    const guard = limit({ policies: [burst, daily], key: byAddress(), clock })
    for (let n = 0; n < 49; n++) pass(guard)
    const { headers } = pass(guard)
    expect(headers).toEqual([
      ['RateLimit-Policy', '"burst";q=100;w=60, "daily";q=1000;w=86400'],
      ['RateLimit', '"burst";r=50;t=30'],
    ])
  })

  it('never lets r and t suggest a higher rate than the policy', () => {
    const guard = limit({ policies: [{ name: 'p', quota: 10_000, window: 1_000 }], key: byAddress(), clock })
    for (let n = 0; n < 10_000; n++) {
      const [[, parameters]] = parseList(header(pass(guard), 'RateLimit')!) as [[string, Map<string, number>]]
      const [r, t] = [parameters.get('r')!, parameters.get('t')!]
      expect(r / Math.max(t, 1)).toBeLessThanOrEqual(10)
      expect(t).toBeLessThanOrEqual(1_000)
    }
  })

  it('says of nothing left when the next unit comes', () => {
    const guard = limit({ policies: [{ name: 'p', quota: 2, window: 60 }], key: byAddress(), clock })
    pass(guard)
    expect(header(pass(guard), 'RateLimit')).toBe('"p";r=0;t=30')
  })

  it('writes lists that a parser of structured fields reads', () => {
    const guard = limit({ policies: [burst, { name: 'a.b_c-1', quota: 1e9, window: 0.5 }], key: byAddress(), clock })
    const reply = pass(guard)
    expect(parseList(header(reply, 'RateLimit-Policy')!)).toEqual([
      [
        'burst',
        new Map([
          ['q', 100],
          ['w', 60],
        ]),
      ],
      // Whole seconds: half a second is announced as one.
      [
        'a.b_c-1',
        new Map([
          ['q', 1e9],
          ['w', 1],
        ]),
      ],
    ])
    expect(parseList(header(reply, 'RateLimit')!)).toHaveLength(1)
  })

  it('has a Retry-After that is never early, true to the second, and not before t', () => {
    const own = manualClock()
    const guard = limit({ policies: [{ name: 'p', quota: 7, window: 10 }], key: byAddress(), clock: own })
    for (let n = 0; n < 7; n++) pass(guard)
    for (let n = 0; n < 1_000; n++) {
      own.time += 37
      const decision = guard(request('192.0.2.1'))
      if (decision instanceof Promise || decision.type === 'continue') continue
      const seconds = Number(header(decision.reply, 'Retry-After'))
      expect(header(decision.reply, 'RateLimit')).toBe(`"p";r=0;t=${seconds}`)
      const before = own.time
      own.time += (seconds - 1) * 1000
      expect(guard(request('192.0.2.1'))).toMatchObject({ type: seconds === 0 ? 'continue' : 'reply' })
      own.time = before + seconds * 1000
      expect(guard(request('192.0.2.1'))).toMatchObject({ type: 'continue' })
    }
  })

  it('asks to wait for the policy that refuses longest', () => {
    const guard = limit({
      policies: [
        { name: 'minute', quota: 1, window: 60 },
        { name: 'hour', quota: 1, window: 3600 },
      ],
      key: byAddress(),
      clock,
    })
    pass(guard)
    const reply = refuse(guard)
    expect(header(reply, 'Retry-After')).toBe('3600')
    expect(header(reply, 'RateLimit')).toBe('"hour";r=0;t=3600')
  })

  it('does not tell a request that costs more than the burst to come again', () => {
    const guard = limit({ policies: [{ ...burst, burst: 10 }], key: byAddress(), cost: () => 11, clock })
    expect(header(refuse(guard), 'Retry-After')).toBeUndefined()
  })

  it('keeps both limits of a route in one answer', async () => {
    const first = limit({ policies: [burst], key: byAddress(), clock })
    const second = limit({ policies: [{ ...daily, quota: 1 }], key: byAddress(), clock })
    const verdicts = [await decide(request('192.0.2.1'), [first, second]), await decide(request('192.0.2.1'), [first, second])]
    const [allowed, refused] = verdicts.map((verdict) => {
      const merged: Parameters<typeof mergeHeaders>[0] = new Map()
      for (const list of verdict.headers) mergeHeaders(merged, list)
      if (verdict.type === 'reply') mergeHeaders(merged, verdict.reply.headers ?? [])
      return merged
    })
    expect(allowed!.get('ratelimit-policy')?.value).toBe('"burst";q=100;w=60, "daily";q=1;w=86400')
    expect(allowed!.get('ratelimit')?.value).toBe('"burst";r=99;t=60, "daily";r=0;t=86400')
    expect(refused!.get('ratelimit')?.value).toBe('"burst";r=98;t=59, "daily";r=0;t=86400')
  })

  it('can be left out, all but Retry-After', () => {
    const guard = limit({ policies: [{ ...burst, quota: 1 }], key: byAddress(), headers: 'none' })
    expect(pass(guard).headers).toBeUndefined()
    const reply = refuse(guard)
    expect(header(reply, 'RateLimit')).toBeUndefined()
    expect(header(reply, 'Retry-After')).toBe('60')
  })
})

describe('keys', () => {
  const one: Policy = { name: 'one', quota: 1, window: 60 }
  const same = (guard: Guard<LimitFacts>, a: Parameters<typeof request>, b: Parameters<typeof request>): boolean => {
    guard(request(...a))
    const decision = guard(request(...b))
    return !(decision instanceof Promise) && decision.type === 'reply'
  }

  it.each([
    ['an IPv4 address', '192.0.2.1', '192.0.2.2', false],
    ['an IPv6 host moving within its /64', '2001:db8:1:2::1', '2001:db8:1:2:ffff::9', true],
    ['two IPv6 networks', '2001:db8:1:2::1', '2001:db8:1:3::1', false],
    ['an IPv4 address and its mapped form', '192.0.2.1', '::ffff:192.0.2.1', true],
    ['the mapped form in hexadecimal', '192.0.2.1', '::ffff:c000:201', true],
    ['two mapped addresses', '::ffff:192.0.2.1', '::ffff:192.0.2.2', false],
    ['two zones of one address', 'fe80::1%eth0', 'fe80::1%eth1', true],
  ])('counts %s: %s and %s together: %s', (_, a, b, together) => {
    expect(same(limit({ policies: [one], key: byAddress() }), [a], [b])).toBe(together)
  })

  it.each([
    [128, '2001:db8::1', '2001:db8::2', false],
    [56, '2001:db8:0:100::', '2001:db8:0:1ff::', true],
    [56, '2001:db8:0:100::', '2001:db8:0:200::', false],
    [33, '2001:db8::', '2001:db8:7fff::', true],
    [33, '2001:db8::', '2001:db8:8000::', false],
  ])('counts IPv6 by /%i: %s and %s together: %s', (ipv6Prefix, a, b, together) => {
    expect(same(limit({ policies: [one], key: byAddress({ ipv6Prefix }) }), [a], [b])).toBe(together)
  })

  const ada: Principal = { subject: 'ada', kind: 'user', tenant: 'acme', roles: [], clientId: 'web' }

  it.each<[string, Principal, boolean]>([
    ['the same user elsewhere', { ...ada, roles: ['owner'], clientId: 'cli' }, true],
    ['another user', { ...ada, subject: 'grace' }, false],
    ['another tenant', { ...ada, tenant: 'globex' }, false],
    ['a client named like the user', { ...ada, kind: 'client' }, false],
    ['a subject that spells a tenant', { subject: '4:acme:ada', kind: 'user', roles: [] }, false],
  ])('tells a principal from %s', (_, other, together) => {
    expect(same(limit({ policies: [one], key: byPrincipal() }), ['192.0.2.1', ada], ['192.0.2.9', other])).toBe(together)
  })

  it('does not let a colon move from the tenant to the subject', () => {
    const a: Principal = { ...ada, tenant: 'a:b', subject: 'c' }
    const b: Principal = { ...ada, tenant: 'a', subject: 'b:c' }
    expect(same(limit({ policies: [one], key: byPrincipal() }), ['x', a], ['x', b])).toBe(false)
  })

  it('counts all users of a client, or of a tenant, where it is asked to', () => {
    const grace: Principal = { ...ada, subject: 'grace' }
    expect(same(limit({ policies: [one], key: byPrincipal({ per: 'client' }) }), ['x', ada], ['x', grace])).toBe(true)
    expect(same(limit({ policies: [one], key: byPrincipal({ per: 'tenant' }) }), ['x', ada], ['x', grace])).toBe(true)
    expect(
      same(limit({ policies: [one], key: byPrincipal({ per: 'client' }) }), ['x', ada], ['x', { ...ada, clientId: 'cli' }]),
    ).toBe(false)
  })

  it.each<[string, LimitKey]>([
    ['an address', byAddress()],
    ['a principal', byPrincipal()],
    ['a client', byPrincipal({ per: 'client' })],
    ['a value of its own function', () => undefined],
    ['anything but an empty string', () => ''],
  ])('does not let a request without %s through, nor count it with all others', async (_, key) => {
    const guard = limit({ policies: [one], key })
    expect(await caught(() => guard(request(undefined)))).toMatchObject({ code: 'rate_limit.key_missing', status: 500 })
    expect(await decide(request(undefined), [guard], open('test'))).toMatchObject({ type: 'reply', reply: { status: 500 } })
  })

  it('keeps limiters of one store apart by name, and joins them by name', () => {
    const store = createMemoryRateLimitStore()
    const make = (name: string): Guard<LimitFacts> => limit({ policies: [one], key: byAddress(), store, name })
    pass(make('api'))
    pass(make('uploads'))
    expect(refuse(make('api')).status).toBe(429)
  })
})

describe('a refusal', () => {
  it('is published with policies and sort of key, and without the key', () => {
    const seen: unknown[] = []
    const stop = limitRefused.subscribe((event) => seen.push(event))
    const secret: LimitKey = Object.assign(() => 'sk_live_secret', { kind: 'api key' })
    const guard = limit({ policies: [{ ...burst, quota: 1 }], key: secret, clock: manualClock() })
    pass(guard)
    refuse(guard)
    stop()
    expect(seen).toMatchObject([
      { type: 'rate_limit.refused', ip: '192.0.2.1', data: { policies: ['burst'], keyKind: 'api key', degraded: false } },
    ])
    expect(JSON.stringify(seen)).not.toContain('sk_live_secret')
  })
})

describe('declaring', () => {
  it.each<[string, Partial<LimitOptions>, string]>([
    ['a cost that never passes', { cost: 101 }, 'rate_limit.cost_invalid'],
    ['a cost of half a unit', { cost: 0.5 }, 'rate_limit.cost_invalid'],
    ['a malformed name', { name: 'a b' }, 'rate_limit.options_invalid'],
    ['no policies', { policies: [] }, 'rate_limit.policy_invalid'],
  ])('refuses %s', async (_, options, code) => {
    expect(await caught(() => limit({ policies: [burst], key: byAddress(), ...options }))).toMatchObject({ code })
  })

  it('refuses two limiters of one name with different numbers in one store', async () => {
    const store = createMemoryRateLimitStore()
    limit({ policies: [burst], key: byAddress(), store })
    expect(await caught(() => limit({ policies: [{ ...burst, quota: 9 }], key: byAddress(), store }))).toMatchObject({
      code: 'rate_limit.policy_conflict',
    })
  })

  it.each([0, 31, 129, 64.5])('refuses an IPv6 prefix of %s bits', async (ipv6Prefix) => {
    expect(await caught(() => byAddress({ ipv6Prefix }))).toMatchObject({ code: 'rate_limit.options_invalid' })
  })

  it('throws at a request whose cost is no number', async () => {
    const guard = limit({ policies: [burst], key: byAddress(), cost: () => Number.NaN })
    expect(await caught(() => guard(request('192.0.2.1')))).toMatchObject({ code: 'rate_limit.cost_invalid' })
  })
})
