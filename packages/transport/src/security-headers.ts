import type { Continue, Guard, HeaderList, RequestView } from '@portcullis/core'
import { API_DIRECTIVES, type CspDirectives, formatCsp } from './csp.ts'
import { TransportError } from './errors.ts'
import { formatHsts, type HstsOptions } from './hsts.ts'
import { formatPermissionsPolicy, type PermissionsPolicy } from './permissions-policy.ts'

const REFERRER_POLICIES = ['no-referrer', 'same-origin', 'strict-origin', 'strict-origin-when-cross-origin'] as const
const OPENER_POLICIES = ['same-origin', 'same-origin-allow-popups', 'noopener-allow-popups', 'unsafe-none'] as const
const RESOURCE_POLICIES = ['same-origin', 'same-site', 'cross-origin'] as const

/** Options of {@link securityHeaders}. */
export interface SecurityHeadersOptions {
  /** Replace those of the API's policy, each by name. */
  readonly contentSecurityPolicy?: CspDirectives
  /** Sent over TLS only. `false`: not at all, for a host whose subdomains can't do HTTPS yet. */
  readonly hsts?: HstsOptions | false
  /** Default `no-referrer`. Policies that send paths to other origins are not offered. */
  readonly referrerPolicy?: (typeof REFERRER_POLICIES)[number]
  /** Default `same-origin`. */
  readonly crossOriginOpenerPolicy?: (typeof OPENER_POLICIES)[number]
  /** Default `same-origin`. `cross-origin` lets other sites embed what is answered. */
  readonly crossOriginResourcePolicy?: (typeof RESOURCE_POLICIES)[number]
  /** Replaces the default, which turns off camera, display capture, geolocation, microphone, payment and USB. */
  readonly permissionsPolicy?: PermissionsPolicy
  /** Default `no-store` (ASVS v5.0.0-14.3.2); an answer that may be cached says so itself. `false`: not sent. */
  readonly cacheControl?: string | false
}

/**
 * Headers that tell browsers what an answer may do, on every answer of the entrance. They are put together once. An answer that
 * has one of these headers itself keeps its own.
 *
 * There is no `X-XSS-Protection` and no `X-Frame-Options`: the first is gone from browsers and had holes of its own, the second
 * is what `frame-ancestors` replaces.
 * @throws TransportError `transport.csp_invalid`, `transport.hsts_invalid`, `transport.header_invalid`
 */
export function securityHeaders(options: SecurityHeadersOptions = {}): Guard {
  const plain = headerList(options)
  const { hsts = {} } = options
  const overPlain = proceed(plain)
  // RFC 6797 §7.2: not over plain HTTP, where anybody on the way could have written it
  const overTls = hsts === false ? overPlain : proceed([...plain, ['Strict-Transport-Security', formatHsts(hsts)]])
  return function securityHeaders(req: RequestView) {
    return req.client.secure ? overTls : overPlain
  }
}

function headerList(options: SecurityHeadersOptions): HeaderList {
  const { referrerPolicy = 'no-referrer', crossOriginOpenerPolicy = 'same-origin' } = options
  const { crossOriginResourcePolicy = 'same-origin', cacheControl = 'no-store' } = options
  return [
    ['Content-Security-Policy', formatCsp({ ...API_DIRECTIVES, ...options.contentSecurityPolicy })],
    ['X-Content-Type-Options', 'nosniff'],
    ['Referrer-Policy', oneOf(REFERRER_POLICIES, 'Referrer-Policy', referrerPolicy)],
    ['Cross-Origin-Opener-Policy', oneOf(OPENER_POLICIES, 'Cross-Origin-Opener-Policy', crossOriginOpenerPolicy)],
    ['Cross-Origin-Resource-Policy', oneOf(RESOURCE_POLICIES, 'Cross-Origin-Resource-Policy', crossOriginResourcePolicy)],
    ['Permissions-Policy', formatPermissionsPolicy(options.permissionsPolicy)],
    ...(cacheControl === false ? [] : ([['Cache-Control', printable('Cache-Control', cacheControl)]] as const)),
  ]
}

function proceed(lines: HeaderList): Continue {
  const headers = Object.freeze(lines.map(([name, value]) => Object.freeze([name, value] as const)))
  return Object.freeze({ type: 'continue', headers })
}

function oneOf(values: readonly string[], header: string, value: string): string {
  if (!values.includes(value)) {
    throw new TransportError('transport.header_invalid', `${header} is none of ${values.join(', ')}`)
  }
  return value
}

function printable(header: string, value: string): string {
  if (!/^[\x21-\x7e]+( [\x21-\x7e]+)*$/.test(value)) {
    throw new TransportError('transport.header_invalid', `${header} is empty, or has a character that no header may hold`)
  }
  return value
}
