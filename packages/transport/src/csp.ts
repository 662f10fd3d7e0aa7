import { randomBytes } from 'node:crypto'
import { TransportError } from './errors.ts'

/** Directives that take a list of sources (CSP Level 3 §6). */
export type CspDirective =
  | 'base-uri'
  | 'child-src'
  | 'connect-src'
  | 'default-src'
  | 'font-src'
  | 'form-action'
  | 'frame-ancestors'
  | 'frame-src'
  | 'img-src'
  | 'manifest-src'
  | 'media-src'
  | 'object-src'
  | 'report-to'
  | 'sandbox'
  | 'script-src'
  | 'script-src-attr'
  | 'script-src-elem'
  | 'style-src'
  | 'style-src-attr'
  | 'style-src-elem'
  | 'upgrade-insecure-requests'
  | 'worker-src'

/** Sources by directive, keywords with their quotes: `{ 'img-src': ["'self'", 'data:'] }`. */
export type CspDirectives = { readonly [Name in CspDirective]?: readonly string[] }

/** For answers that are data: nothing in them runs, loads or frames anything. */
export const API_DIRECTIVES: CspDirectives = Object.freeze({
  'default-src': ["'none'"],
  'frame-ancestors': ["'none'"],
  'base-uri': ["'none'"],
  'form-action': ["'self'"],
})

/** For server-rendered pages: their own files and nobody else's. */
const PAGE_DIRECTIVES: CspDirectives = Object.freeze({
  'default-src': ["'none'"],
  'script-src': ["'self'"],
  'style-src': ["'self'"],
  'img-src': ["'self'", 'data:'],
  'font-src': ["'self'"],
  'connect-src': ["'self'"],
  'frame-ancestors': ["'none'"],
  'base-uri': ["'none'"],
  'form-action': ["'self'"],
})

/** Options of {@link pageContentSecurityPolicy}. */
export interface PageContentSecurityPolicyOptions {
  /** From {@link cspNonce}, anew for each answer: allows the `<script>` and `<style>` elements that carry it. */
  readonly nonce?: string
  /** Replace the profile's own, each by name. */
  readonly directives?: CspDirectives
}

/**
 * The `Content-Security-Policy` of a page, as a header line for its reply. Where an endpoint gives it, it takes the place of
 * the API's policy that `securityHeaders` sets.
 *
 * A form whose answer redirects elsewhere (an authorization server's) must name that origin in `form-action`: Chrome holds the
 * redirect against it.
 * @throws TransportError `transport.csp_invalid`
 */
export function pageContentSecurityPolicy(
  options: PageContentSecurityPolicyOptions = {},
): readonly [name: 'Content-Security-Policy', value: string] {
  const { nonce, directives = {} } = options
  const merged = { ...PAGE_DIRECTIVES, ...directives }
  if (nonce === undefined) return ['Content-Security-Policy', formatCsp(merged)]
  if (!/^[A-Za-z0-9+/_-]{22,}={0,2}$/.test(nonce)) {
    throw new TransportError('transport.csp_invalid', 'a nonce is at least 128 bits in base64 (CSP Level 3 §7.1)')
  }
  const source = `'nonce-${nonce}'`
  return [
    'Content-Security-Policy',
    formatCsp({
      ...merged,
      'script-src': withSource(merged['script-src'], source),
      'style-src': withSource(merged['style-src'], source),
    }),
  ]
}

/** 128 random bits in base64: for one answer, never for two. */
export function cspNonce(): string {
  return randomBytes(16).toString('base64')
}

/** @throws TransportError `transport.csp_invalid` */
export function formatCsp(directives: CspDirectives): string {
  return Object.entries(directives)
    .filter(([, sources]) => sources !== undefined)
    .map(([name, sources]) => formatDirective(name, sources))
    .join('; ')
}

const WITHOUT_SOURCES = ['sandbox', 'upgrade-insecure-requests']

function formatDirective(name: string, sources: unknown): string {
  if (!/^[a-z]+(-[a-z]+)*$/.test(name)) throw new TransportError('transport.csp_invalid', 'a directive has no well-formed name')
  if (!Array.isArray(sources)) throw new TransportError('transport.csp_invalid', `${name} is not a list of sources`)
  if (sources.length === 0 && !WITHOUT_SOURCES.includes(name)) {
    // An empty list is legal and means 'none', but reads like "no limit": have it written out.
    throw new TransportError('transport.csp_invalid', `${name} is empty: write "'none'"`)
  }
  for (const source of sources) checkSource(name, source)
  if (sources.length > 1 && sources.includes("'none'")) {
    throw new TransportError('transport.csp_invalid', `${name} lists 'none' and others: browsers would ignore the 'none'`)
  }
  return [name, ...sources].join(' ')
}

function checkSource(directive: string, source: unknown): void {
  // `;` begins another directive, `,` another policy, white space another source; a line break another header.
  if (typeof source !== 'string' || !/^[\x21-\x2b\x2d-\x3a\x3c-\x7e]+$/.test(source)) {
    throw new TransportError('transport.csp_invalid', `a source of ${directive} is empty, or has white space, ; or , in it`)
  }
  if (/^(self|none|unsafe-[a-z-]+|strict-dynamic|nonce-.*|sha(256|384|512)-.*)$/.test(source)) {
    throw new TransportError('transport.csp_invalid', `${directive} has ${source} without its quotes: that would be a host`)
  }
}

function withSource(sources: readonly string[] | undefined, source: string): readonly string[] {
  return [...(sources ?? []).filter((other) => other !== "'none'"), source]
}
