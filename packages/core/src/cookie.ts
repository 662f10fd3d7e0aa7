import type { RequestHeaders } from './view.ts'

/** When browsers send the cookie along with requests that begin on another site (RFC 6265bis §5.6.7). */
export type SameSite = 'Lax' | 'Strict'

// RFC 6265bis §4.1.3.2: browsers take a cookie with this prefix only over HTTPS, for this host alone and for all its paths.
const prefix = '__Host-'

/** Whether a name is a token (RFC 9110 §5.6.2) behind the `__Host-` prefix, in exactly that letter case. */
export function isHostCookieName(name: string): boolean {
  return name.startsWith(prefix) && /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/.test(name.slice(prefix.length))
}

/**
 * The value of every cookie that has exactly this name, as sent.
 *
 * Only a semicolon parts cookies, only space and tab around a name are dropped, letter case counts, and nothing is decoded or
 * unquoted (RFC 6265bis §5.7.3 is what browsers write). Each laxness of other parsers lets a neighbouring subdomain
 * plant a `__Host-` cookie: trimming Unicode white space, folding case, percent-decoding the name, or hiding a second cookie
 * inside a quoted value.
 */
export function cookieValues(headers: RequestHeaders, name: string): string[] {
  const { cookie } = headers
  if (cookie === undefined) return []
  const values: string[] = []
  for (const line of typeof cookie === 'string' ? [cookie] : cookie) {
    for (const pair of line.split(';')) {
      const at = pair.indexOf('=')
      if (at >= 0 && withoutBlanks(pair.slice(0, at)) === name) values.push(withoutBlanks(pair.slice(at + 1)))
    }
  }
  return values
}

/** How long a cookie lives, and along with what it goes. */
export interface HostCookieOptions {
  readonly sameSite: SameSite
  /** Seconds, 0 to remove it. Without it: as long as the browser's session. */
  readonly maxAge?: number
}

/** A `Set-Cookie` value with all that the `__Host-` prefix asks for, and `HttpOnly`. @param name see {@link isHostCookieName} */
export function setHostCookie(name: string, value: string, { sameSite, maxAge }: HostCookieOptions): string {
  const age = maxAge === undefined ? '' : `; Max-Age=${maxAge}`
  return `${name}=${value}; Path=/; Secure; HttpOnly; SameSite=${sameSite}${age}`
}

function withoutBlanks(text: string): string {
  let from = 0
  let to = text.length
  while (from < to && isBlank(text, from)) from++
  while (to > from && isBlank(text, to - 1)) to--
  return text.slice(from, to)
}

function isBlank(text: string, at: number): boolean {
  return text[at] === ' ' || text[at] === '\t'
}
