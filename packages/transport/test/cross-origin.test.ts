import { type Client, type Guard, type RequestHeaders, type RequestView, type SecurityEvent, subscribe } from '@portcullis/core'
import { afterEach, describe, expect, test } from 'vitest'
import { type CrossOriginProtectionOptions, crossOriginProtection, crossOriginRefused, TransportError } from '../src/index.ts'
import { request } from './request.ts'

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

function passes(guard: Guard, req: RequestView): boolean {
  const decision = guard(req)
  if (decision instanceof Promise) throw new Error('the guard was asynchronous')
  if (decision.type === 'reply') {
    expect(decision.reply.status).toBe(403)
    expect(decision.cause?.code).toBe('transport.cross_origin')
  }
  return decision.type === 'continue'
}

function post(headers: RequestHeaders, client: Partial<Client> = {}): RequestView {
  return request({ method: 'POST', headers: { cookie: 'session=1', ...headers }, client })
}

const guard = crossOriginProtection({ allowedOrigins: ['https://app.test', 'http://dev.test:80', 'https://[2001:db8::1]:8443'] })

describe('v5.0.0-3.5.1, -3.5.8: Sec-Fetch-Site', () => {
  test.each<[boolean, RequestHeaders]>([
    [true, { 'sec-fetch-site': 'same-origin' }],
    [true, { 'sec-fetch-site': 'same-origin', origin: 'https://api.test' }],
    [true, { 'sec-fetch-site': 'none' }],
    [false, { 'sec-fetch-site': 'cross-site' }],
    [false, { 'sec-fetch-site': 'same-site' }],
    [false, { 'sec-fetch-site': '' }],
    [false, { 'sec-fetch-site': 'Same-Origin' }],
    [false, { 'sec-fetch-site': 'same-origin, cross-site' }],
    [false, { 'sec-fetch-site': ['same-origin', 'same-origin'] }],
    [false, { 'sec-fetch-site': 'cross-site', origin: 'https://evil.test' }],
    [false, { 'sec-fetch-site': 'cross-site', origin: 'null' }],
    // The browser's word stands over what host and origin look like.
    [false, { 'sec-fetch-site': 'cross-site', origin: 'https://api.test' }],
    [false, { 'sec-fetch-site': 'same-site', origin: 'https://api.test' }],
    [true, { 'sec-fetch-site': 'cross-site', origin: 'https://app.test' }],
    [true, { 'sec-fetch-site': 'same-site', origin: 'https://app.test' }],
  ])('%s: %j', (expected, headers) => {
    expect(passes(guard, post(headers))).toBe(expected)
  })
})

describe('Origin, from browsers that do not send Sec-Fetch-Site', () => {
  const api = { secure: true, host: 'api.test' }
  test.each<[boolean, string | readonly string[], Partial<Client>]>([
    [true, 'https://api.test', api],
    [true, 'HTTPS://API.test', api],
    [true, 'https://api.test:443', api],
    [true, 'https://api.test', { secure: true, host: 'api.test:443' }],
    [true, 'http://api.test', { secure: false, host: 'api.test:80' }],
    [true, 'http://api.test:80', { secure: false, host: 'api.test' }],
    [true, 'https://api.test:8443', { secure: true, host: 'api.test:8443' }],
    [true, 'https://[2001:db8::2]', { secure: true, host: '[2001:db8::2]' }],
    [true, 'https://[2001:db8::2]:8443', { secure: true, host: '[2001:db8:0:0::2]:8443' }],
    [true, 'https://xn--bcher-kva.test', { secure: true, host: 'xn--bcher-kva.test' }],
    [false, 'http://api.test', api],
    [false, 'https://api.test', { secure: false, host: 'api.test' }],
    [false, 'https://api.test:80', { secure: true, host: 'api.test:80:443' }],
    [false, 'https://api.test:8443', api],
    [false, 'https://api.test', { secure: true, host: 'api.test:8443' }],
    [false, 'http://api.test:443', { secure: true, host: 'api.test' }],
    [false, 'https://evil.test', api],
    [false, 'https://api.test.evil.test', api],
    [false, 'https://evilapi.test', api],
    [false, 'https://sub.api.test', api],
    [false, 'https://[2001:db8::3]', { secure: true, host: '[2001:db8::2]' }],
    [false, 'https://api.test', { secure: true, host: '' }],
    [false, 'https://', { secure: true, host: '' }],
    // Not what a browser sends as an origin.
    [false, 'null', api],
    [false, '', api],
    [false, 'api.test', api],
    [false, '//api.test', api],
    [false, 'https:api.test', api],
    [false, 'https:\\\\api.test', api],
    [false, 'https://api.test/', api],
    [false, 'https://api.test/path', api],
    [false, 'https://api%2etest', api],
    [false, 'https://api.test?x', api],
    [false, 'https://api.test#x', api],
    [false, 'https://api.test@evil.test', api],
    [false, 'https://user@api.test', api],
    [false, 'https://api.test, https://evil.test', api],
    [false, 'https://api.test https://evil.test', api],
    [false, ' https://api.test', api],
    [false, ['https://api.test', 'https://evil.test'], api],
    [false, ['https://api.test'], api],
    [false, 'file://', api],
    [false, 'chrome-extension://api.test', api],
    [false, 'ws://api.test', api],
    // The allow-list.
    [true, 'https://app.test', api],
    [true, 'https://app.test:443', api],
    [true, 'http://dev.test', api],
    [true, 'https://[2001:db8::1]:8443', api],
    [false, 'http://app.test', api],
    [false, 'https://app.test:8443', api],
    [false, 'https://x.app.test', api],
    [false, 'https://app.test.evil.test', api],
    [false, 'https://[2001:db8::1]', api],
  ])('%s: %j to %j', (expected, origin, client) => {
    expect(passes(guard, post({ origin }, client))).toBe(expected)
  })
})

describe('what is looked at', () => {
  const foreign = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.test' }

  test('without either header the client is no browser', () => {
    expect(passes(guard, post({}))).toBe(true)
  })

  test.each(['GET', 'HEAD', 'OPTIONS'])('v5.0.0-3.5.3: %s is safe, and passes', (method) => {
    expect(passes(guard, request({ method, headers: foreign }))).toBe(true)
  })

  test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'get', 'PROPFIND', 'QUERY'])('%s is not', (method) => {
    expect(passes(guard, request({ method, headers: foreign }))).toBe(false)
  })

  test('v5.0.0-4.4.2: a WebSocket handshake from another origin is refused though it is a GET', () => {
    const upgrade = { upgrade: 'websocket', connection: 'Upgrade' }
    expect(passes(guard, request({ headers: { ...upgrade, origin: 'https://evil.test' } }))).toBe(false)
    expect(passes(guard, request({ headers: { ...upgrade, ...foreign } }))).toBe(false)
    expect(passes(guard, request({ headers: { ...upgrade, origin: 'https://api.test' } }))).toBe(true)
    expect(passes(guard, request({ headers: upgrade }))).toBe(true)
  })

  test('login CSRF: a request without a cookie is refused like others', () => {
    expect(passes(guard, request({ method: 'POST', headers: foreign }))).toBe(false)
  })

  test.each<[boolean, string]>([
    [true, 'Bearer abc'],
    [true, 'bearer abc'],
    [true, 'DPoP abc'],
    // A browser adds these by itself, as it does cookies.
    [false, 'Basic dTpw'],
    [false, 'Digest username="u"'],
    [false, 'Negotiate abc'],
    [false, 'Bearerx abc'],
    [false, 'Basic Bearer abc'],
    [false, ''],
  ])('a token is proof of no forgery, a credential that a browser adds is not: %s, %j', (expected, authorization) => {
    expect(passes(guard, post({ ...foreign, authorization }))).toBe(expected)
  })
})

describe('exempt paths', () => {
  const exempting = crossOriginProtection({ exempt: ['/oauth/token'] })
  test.each<[boolean, string]>([
    [true, '/oauth/token'],
    [true, '/oauth/token?x=1'],
    [false, '/OAUTH/token'],
    [false, '/oauth/token/'],
    [false, '/oauth/%74oken'],
    [false, '//oauth/token'],
    [false, '/oauth/token;x'],
    [false, '/oauth/token/../authorize'],
    [false, '/oauth/tokens'],
    [false, '/oauth'],
    [false, 'https://api.test/oauth/token'],
    [false, '/oauth/authorize?/oauth/token'],
    [false, '/api#/oauth/token'],
  ])('%s: %s', (expected, target) => {
    expect(passes(exempting, request({ method: 'POST', target, headers: { origin: 'https://evil.test' } }))).toBe(expected)
  })
})

test.each<[string, CrossOriginProtectionOptions]>([
  ['transport.origin_invalid', { allowedOrigins: ['null'] }],
  ['transport.origin_invalid', { allowedOrigins: ['*'] }],
  ['transport.origin_invalid', { allowedOrigins: ['https://*.app.test/'] }],
  ['transport.origin_invalid', { allowedOrigins: ['https://*.app.test'] }],
  ['transport.origin_invalid', { allowedOrigins: ['app.test'] }],
  ['transport.origin_invalid', { allowedOrigins: ['https://app.test/path'] }],
  ['transport.path_invalid', { exempt: ['oauth/token'] }],
  ['transport.path_invalid', { exempt: ['/'] }],
  ['transport.path_invalid', { exempt: ['/oauth/*'] }],
  ['transport.path_invalid', { exempt: ['/oauth/:x'] }],
  ['transport.path_invalid', { exempt: ['/oauth/token?x'] }],
])('%s: %j', (code, options) => {
  expect(() => crossOriginProtection(options)).toThrow(TransportError)
  expect(() => crossOriginProtection(options)).toThrow(expect.objectContaining({ code }))
})

test('a refusal is an event, with the client’s texts cut short', () => {
  const events: SecurityEvent[] = []
  stops.push(subscribe((event) => events.push(event)))
  const stamped = crossOriginProtection({ clock: { now: () => 1234 } })
  passes(stamped, post({ origin: `https://${'x'.repeat(5000)}.test`, 'sec-fetch-site': 'cross-site' }))
  passes(stamped, post({ 'sec-fetch-site': 'same-origin' }))
  expect(events).toHaveLength(1)
  expect(events[0]).toMatchObject({
    type: crossOriginRefused.type,
    time: 1234,
    ip: '203.0.113.7',
    data: { method: 'POST', host: 'api.test', fetchSite: 'cross-site' },
  })
  expect(events[0]!.data).toHaveProperty('origin.length', 256)
})
