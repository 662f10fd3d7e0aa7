import { OAuthError } from './errors.ts'

// Not parsed with URL: what is compared must be what was sent, byte by byte.
const LOOPBACK = /^http:\/\/(127\.0\.0\.1|\[::1\])(?::([1-9][0-9]{0,4}))?((?:[/?].*)?)$/
const LOCAL_HOSTS: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Checks a URI before it is registered: absolute, printable ASCII, without fragment, user name or wildcard. `https`; `http` on this
 * machine alone; or a private-use scheme with a dot in it (RFC 8252 §7.1), which leaves no room for `javascript:` and `data:`.
 * @throws OAuthError `oauth.redirect_uri_invalid`
 */
export function checkRedirectUri(uri: string): void {
  const flaw = flawOf(uri)
  if (flaw !== undefined) throw new OAuthError('oauth.redirect_uri_invalid', `a redirect URI ${flaw}`)
}

function flawOf(uri: string): string | undefined {
  if (!/^[\x21-\x7e]{1,2000}$/.test(uri)) return 'must be printable ASCII without spaces, and not longer than 2000 characters'
  if (/[\\*"<>^`{|}#]/.test(uri)) return 'has a fragment, a wildcard or a character that no URI has'
  if (!URL.canParse(uri)) return 'is not an absolute URI'
  const { protocol, username, password, hostname } = new URL(uri)
  if (username !== '' || password !== '') return 'names a user'
  if (protocol === 'https:') return undefined
  if (protocol === 'http:') return LOCAL_HOSTS.has(hostname) ? undefined : 'must use https, except on this machine'
  return protocol.includes('.') ? undefined : 'has a scheme without a dot: a private-use scheme is a domain name in reverse'
}

/**
 * Whether a client may be answered at a URI. Strings are compared exactly (RFC 9700 §2.1), and of a loopback address given as a
 * number every port will do (RFC 8252 §7.3): a native app listens where there is room. `localhost` is no such address (§8.3).
 */
export function isRegistered(uri: string, registered: readonly string[]): boolean {
  if (registered.includes(uri)) return true
  const sent = LOOPBACK.exec(uri)
  if (sent === null || flawOf(uri) !== undefined || Number(sent[2] ?? 80) > 65_535) return false
  return registered.some((one) => {
    const known = LOOPBACK.exec(one)
    return known !== null && known[1] === sent[1] && known[3] === sent[3]
  })
}

/**
 * What `form-action` must allow so that a form's answer may lead there: Chrome holds redirects after a POST to it as well.
 * A host source can't be an IPv6 address (CSP 3 §2.3.1), and a private scheme has no host: there the scheme stands alone.
 */
export function formActionOf(uri: string): string {
  const { protocol, origin, hostname } = new URL(uri)
  const web = protocol === 'https:' || protocol === 'http:'
  return web && !hostname.startsWith('[') ? origin : protocol
}

/** Adds parameters to a URI's query, and leaves what is there as it is (RFC 6749 §3.1.2). */
export function withParameters(uri: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.append(name, value)
  if (query.size === 0) return uri
  const separator = !uri.includes('?') ? '?' : /[?&]$/.test(uri) ? '' : '&'
  return `${uri}${separator}${query.toString()}`
}
