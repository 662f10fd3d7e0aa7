import { type HeaderList, type MergedHeaders, mergeHeaders } from '@portcullis/core'
import { describe, expect, test } from 'vitest'
import {
  type CspDirectives,
  cspNonce,
  type HstsOptions,
  pageContentSecurityPolicy,
  type SecurityHeadersOptions,
  securityHeaders,
  TransportError,
  type TransportErrorCode,
} from '../src/index.ts'
import { request } from './request.ts'

const plain = { client: { secure: false } }

function lines(options?: SecurityHeadersOptions, req = request()): HeaderList {
  const decision = securityHeaders(options)(req)
  if (decision instanceof Promise || decision.type !== 'continue') throw new Error('it did not continue at once')
  return decision.headers ?? []
}

function header(name: string, options?: SecurityHeadersOptions, req = request()): string | undefined {
  return lines(options, req).find(([given]) => given === name)?.[1]
}

function code(make: () => unknown): TransportErrorCode {
  try {
    make()
  } catch (error) {
    if (error instanceof TransportError) return error.code
    throw error
  }
  throw new Error('it was accepted')
}

test('v5.0.0-3.4.3 to -3.4.6, -14.3.2: an API’s answers over TLS', () => {
  expect(lines()).toEqual([
    ['Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"],
    ['X-Content-Type-Options', 'nosniff'],
    ['Referrer-Policy', 'no-referrer'],
    ['Cross-Origin-Opener-Policy', 'same-origin'],
    ['Cross-Origin-Resource-Policy', 'same-origin'],
    ['Permissions-Policy', 'camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()'],
    ['Cache-Control', 'no-store'],
    ['Strict-Transport-Security', 'max-age=63072000; includeSubDomains'],
  ])
})

test('the list is made once: a request allocates nothing', () => {
  const guard = securityHeaders()
  const decision = guard(request())
  expect(guard(request())).toBe(decision)
  expect(guard(request(plain))).toBe(guard(request(plain)))
  expect(Object.isFrozen(decision)).toBe(true)
})

describe('v5.0.0-3.4.1: Strict-Transport-Security', () => {
  test('is not sent over plain HTTP (RFC 6797 §7.2; helmet 8.3 sends it)', () => {
    expect(header('Strict-Transport-Security', {}, request(plain))).toBeUndefined()
    expect(lines({}, request(plain))).toHaveLength(lines().length - 1)
  })

  test.each<[HstsOptions | false, string | undefined]>([
    [{}, 'max-age=63072000; includeSubDomains'],
    [{ maxAge: 31_536_000 }, 'max-age=31536000; includeSubDomains'],
    [{ includeSubDomains: false }, 'max-age=63072000'],
    [{ preload: true }, 'max-age=63072000; includeSubDomains; preload'],
    [{ maxAge: 0 }, 'max-age=0; includeSubDomains'],
    [false, undefined],
  ])('%j', (hsts, value) => {
    expect(header('Strict-Transport-Security', { hsts })).toBe(value)
  })

  test.each<HstsOptions>([
    { maxAge: 31_535_999 },
    { maxAge: 365 },
    { maxAge: -1 },
    { maxAge: Number.NaN },
    { maxAge: Number.POSITIVE_INFINITY },
    { maxAge: 63_072_000.5 },
    { preload: true, includeSubDomains: false },
    { preload: true, maxAge: 0 },
  ])('%j is refused', (hsts) => {
    expect(code(() => securityHeaders({ hsts }))).toBe('transport.hsts_invalid')
  })
})

describe('options', () => {
  test('directives replace those of the same name, and the others stay', () => {
    expect(
      header('Content-Security-Policy', { contentSecurityPolicy: { 'frame-ancestors': ["'self'"], 'img-src': ['data:'] } }),
    ).toBe("default-src 'none'; frame-ancestors 'self'; base-uri 'none'; form-action 'self'; img-src data:")
  })

  test('features are allowed to named origins', () => {
    const permissionsPolicy = { camera: [], geolocation: ['self', 'https://maps.example:443'] }
    expect(header('Permissions-Policy', { permissionsPolicy })).toBe('camera=(), geolocation=(self "https://maps.example")')
  })

  test('caching can be decided elsewhere', () => {
    expect(header('Cache-Control', { cacheControl: 'private, max-age=60' })).toBe('private, max-age=60')
    expect(header('Cache-Control', { cacheControl: false })).toBeUndefined()
  })

  test.each<[TransportErrorCode, object]>([
    ['transport.header_invalid', { referrerPolicy: 'unsafe-url' }],
    ['transport.header_invalid', { crossOriginOpenerPolicy: 'same-origin\r\nX: y' }],
    ['transport.header_invalid', { crossOriginResourcePolicy: 'none' }],
    ['transport.header_invalid', { cacheControl: 'no-store\r\nSet-Cookie: a=b' }],
    ['transport.header_invalid', { cacheControl: '' }],
    ['transport.header_invalid', { permissionsPolicy: { 'camera=()': [] } }],
    ['transport.header_invalid', { permissionsPolicy: { camera: ['https://a.test") , usb=*'] } }],
    ['transport.header_invalid', { permissionsPolicy: { camera: ['*'] } }],
    ['transport.csp_invalid', { contentSecurityPolicy: { 'img-src': ["'self'; script-src *"] } }],
  ])('%s: %j', (expected, options) => {
    expect(code(() => securityHeaders(options as SecurityHeadersOptions))).toBe(expected)
  })
})

describe('a Content-Security-Policy cannot be broken out of', () => {
  test.each<[string, object]>([
    ['another directive', { 'img-src': ['a.test;script-src'] }],
    ['another policy', { 'img-src': ['a.test,default-src'] }],
    ['another source', { 'img-src': ['a.test *'] }],
    ['another header', { 'img-src': ['a.test\r\nSet-Cookie:a=b'] }],
    ['a line feed', { 'img-src': ['a.test\n'] }],
    ['a control character', { 'img-src': ['a\u0000b'] }],
    ['another alphabet', { 'img-src': ['ä.test'] }],
    ['nothing', { 'img-src': [''] }],
    ['an empty list', { 'script-src': [] }],
    ['a string for a list', { 'img-src': "'self'" }],
    ['a keyword without quotes, which is a host', { 'script-src': ['none'] }],
    ["'none' beside others, which is ignored", { 'script-src': ["'none'", "'self'"] }],
    ['a directive with a semicolon', { 'img-src x; script-src': ["'self'"] }],
  ])('%s', (_name, directives) => {
    expect(code(() => pageContentSecurityPolicy({ directives: directives as CspDirectives }))).toBe('transport.csp_invalid')
  })
})

describe('pages', () => {
  test('load their own files, and nothing frames them', () => {
    expect(pageContentSecurityPolicy()).toEqual([
      'Content-Security-Policy',
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    ])
  })

  test('a nonce allows one answer’s scripts and styles', () => {
    const nonce = cspNonce()
    const [, value] = pageContentSecurityPolicy({ nonce, directives: { 'style-src': ["'none'"] } })
    expect(value).toContain(`script-src 'self' 'nonce-${nonce}';`)
    expect(value).toContain(`style-src 'nonce-${nonce}';`)
  })

  test('nonces have 128 bits, and no two are equal', () => {
    const nonces = Array.from({ length: 1000 }, cspNonce)
    expect(new Set(nonces).size).toBe(1000)
    for (const nonce of nonces) expect(Buffer.from(nonce, 'base64')).toHaveLength(16)
  })

  test.each(['', 'short', "x' 'unsafe-inline", `${'a'.repeat(22)};`, `${'a'.repeat(22)}\n`])('%j is no nonce', (nonce) => {
    expect(code(() => pageContentSecurityPolicy({ nonce }))).toBe('transport.csp_invalid')
  })

  test('a directive without sources stands alone', () => {
    expect(pageContentSecurityPolicy({ directives: { 'upgrade-insecure-requests': [] } })[1]).toMatch(
      /; upgrade-insecure-requests$/,
    )
  })

  test('an endpoint’s own policy takes the place of the entrance’s', () => {
    const merged: MergedHeaders = new Map()
    mergeHeaders(merged, lines())
    mergeHeaders(merged, [pageContentSecurityPolicy(), ['Cache-Control', 'private']])
    expect(merged.get('content-security-policy')?.value).toBe(pageContentSecurityPolicy()[1])
    expect(merged.get('cache-control')?.value).toBe('private')
  })
})
