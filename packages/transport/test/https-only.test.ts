import { type Guard, type RequestView, type SecurityEvent, subscribe } from '@portcullis/core'
import { afterEach, describe, expect, test } from 'vitest'
import { httpsOnly, plaintextRefused } from '../src/index.ts'
import { request } from './request.ts'

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

function run(guard: Guard, req: RequestView) {
  const decision = guard(req)
  if (decision instanceof Promise) throw new Error('the guard was asynchronous')
  return decision
}

const plain = { ip: '203.0.113.7', secure: false, host: 'api.test' }

describe('v5.0.0-4.1.2, -12.2.1: plain HTTP', () => {
  test('is refused with 403 and is not redirected', () => {
    const decision = run(httpsOnly(), request({ client: plain }))
    if (decision.type !== 'reply') throw new Error('it passed')
    expect(decision.reply.status).toBe(403)
    expect(JSON.parse(String(decision.reply.body))).toMatchObject({ type: 'about:blank', title: 'Forbidden', status: 403 })
    const names = decision.reply.headers?.map(([name]) => name.toLowerCase())
    expect(names).toEqual(['content-type', 'cache-control'])
    expect(decision.cause?.code).toBe('transport.plaintext')
  })

  test('HTTPS passes, and allocates nothing', () => {
    const guard = httpsOnly()
    const decision = run(guard, request())
    expect(decision.type).toBe('continue')
    expect(run(guard, request())).toBe(decision)
  })

  test('is an event that says whether a credential was exposed, and never which', () => {
    const events: SecurityEvent[] = []
    stops.push(subscribe((event) => events.push(event)))
    const guard = httpsOnly({ clock: { now: () => 1234 } })
    run(guard, request({ client: plain, method: 'POST', target: '/secret?token=s3cret' }))
    run(guard, request({ client: plain, headers: { authorization: 'Bearer s3cret' } }))
    run(guard, request({ client: plain, headers: { cookie: 'id=s3cret' } }))
    run(guard, request())
    expect(events.map((event) => event.data)).toEqual([
      { method: 'POST', host: 'api.test', credentialExposed: false },
      { method: 'GET', host: 'api.test', credentialExposed: true },
      { method: 'GET', host: 'api.test', credentialExposed: true },
    ])
    expect(events[0]).toMatchObject({ type: plaintextRefused.type, time: 1234, ip: '203.0.113.7' })
    expect(JSON.stringify(events)).not.toContain('s3cret')
  })
})

describe('loopback, where it is allowed', () => {
  test.each<[boolean, string | undefined, string, Record<string, string>?]>([
    [true, '127.0.0.1', 'localhost'],
    [true, '127.0.0.1', 'localhost:3000'],
    [true, '127.8.9.10', '127.0.0.1:3000'],
    [true, '::1', '[::1]:3000'],
    [true, '::1', '[::1]'],
    // A Host header alone must not grant it.
    [false, '203.0.113.7', 'localhost'],
    [false, '203.0.113.7', '127.0.0.1'],
    [false, '2001:db8::1', '[::1]'],
    [false, undefined, 'localhost'],
    // Nor an address alone: it may be a proxy's.
    [false, '127.0.0.1', 'api.test'],
    [false, '127.0.0.1', ''],
    [false, '::1', 'api.test:3000'],
    // Names and addresses that look like it.
    [false, '127.0.0.1', 'localhost.evil.test'],
    [false, '127.0.0.1', '127.0.0.1.evil.test'],
    [false, '127.0.0.1', '127.evil.test'],
    [false, '127.0.0.1', '0.0.0.0'],
    [false, '127.0.0.1', '[::2]'],
    [false, '127.0.0.1', 'localhost:3000:3000'],
    [false, '127.0.0.1', 'notlocalhost'],
    [false, '::2', 'localhost'],
    [false, '12.7.0.1', 'localhost'],
    // A proxy on this machine that hands on a Host of the client's choice.
    [false, '127.0.0.1', 'localhost', { 'x-forwarded-for': '203.0.113.7' }],
    [false, '127.0.0.1', 'localhost', { 'x-forwarded-proto': 'http' }],
    [false, '127.0.0.1', 'localhost', { 'x-forwarded-host': 'localhost' }],
    [false, '127.0.0.1', 'localhost', { forwarded: 'for=203.0.113.7' }],
    [false, '127.0.0.1', 'localhost', { via: '1.1 proxy' }],
    [false, '127.0.0.1', 'localhost', { 'x-real-ip': '203.0.113.7' }],
  ])('%s: %s to %j with %j', (passes, ip, host, headers = {}) => {
    const req = request({ client: { secure: false, ip, host }, headers })
    expect(run(httpsOnly({ allowLoopback: true }), req).type).toBe(passes ? 'continue' : 'reply')
    expect(run(httpsOnly(), req).type).toBe('reply')
  })
})
