import { TokenError } from './errors.ts'
import { secureUrl } from './secure-url.ts'

/**
 * Whether a proof's `htu` names the request that it came with: one of our own origins, and the path of the request's target. What
 * a client says about the host, in `Host`, `X-Forwarded-Host` or an absolute-form target, is never looked at.
 */
export type UrlCheck = (htu: string, target: string) => boolean

/**
 * @param origins what clients call us: `https://api.example.com`, or several
 * @param pathPrefix what a proxy in front has cut off the paths: `/v1`, or nothing
 * @throws TokenError `tokens.options_invalid`
 */
export function createUrlCheck(origins: string | readonly string[], pathPrefix = ''): UrlCheck {
  const all: readonly unknown[] = Array.isArray(origins) ? origins : [origins]
  if (all.length === 0) throw new TokenError('tokens.options_invalid', 'origin must name one or more')
  const ours = new Set(all.map(checkOrigin))
  if (typeof pathPrefix !== 'string' || !/^(?:\/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*$/.test(pathPrefix)) {
    throw new TokenError('tokens.options_invalid', 'pathPrefix must be a path such as /v1, without a slash at its end')
  }
  return (htu, target) => {
    const claimed = parseHtu(htu)
    return claimed !== undefined && ours.has(claimed.origin) && claimed.path === normalizePath(pathPrefix + pathOf(target))
  }
}

function checkOrigin(value: unknown): string {
  const url = secureUrl('origin', value)
  const { origin } = new URL(url)
  if (url !== origin) throw new TokenError('tokens.options_invalid', `origin must be written as ${origin}, and no more`)
  return origin
}

// RFC 3986 §3 for http and https, without user info. The path is compared as it is written: a URL parser would pass over white
// space, backslashes and a missing slash in silence.
const HTU = /^(https?:\/\/[A-Za-z0-9._[\]:-]+)((?:\/[^?#]*)?)(?:[?#].*)?$/i

/** The origin and the path of a URL, both normalized; RFC 9449 §4.3 leaves its query and fragment out of the comparison. */
function parseHtu(htu: string): { readonly origin: string; readonly path: string } | undefined {
  const [, authority = '', path = ''] = HTU.exec(htu) ?? []
  if (!URL.canParse(authority)) return undefined
  // RFC 3986 §6.2.2.1, §6.2.3: scheme and host have no letter case, and a default port may be left out.
  return { origin: new URL(authority).origin, path: normalizePath(path) }
}

// RFC 9112 §3.2: in origin form, or in absolute form as a proxy is asked.
const AUTHORITY = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?#]*/

function pathOf(target: string): string {
  const relative = target.startsWith('/') ? target : target.replace(AUTHORITY, '')
  const end = relative.search(/[?#]/)
  return end === -1 ? relative : relative.slice(0, end)
}

const TRIPLET = /%[0-9a-f]{2}/gi
const UNRESERVED = /^[A-Za-z0-9._~-]$/

/** RFC 3986 §6.2.2, §6.2.3: one spelling for each path. `%2F` is no slash, and stays what it is. */
function normalizePath(path: string): string {
  const spelled = path.includes('%') ? path.replace(TRIPLET, normalizeTriplet) : path
  return spelled.includes('/.') ? withoutDotSegments(spelled) : spelled || '/'
}

function normalizeTriplet(triplet: string): string {
  const character = String.fromCharCode(Number.parseInt(triplet.slice(1), 16))
  return UNRESERVED.test(character) ? character : triplet.toUpperCase()
}

// RFC 3986 §5.2.4 for a path that begins with a slash.
function withoutDotSegments(path: string): string {
  const kept: string[] = []
  const segments = path.split('/').slice(1)
  for (const segment of segments) {
    if (segment === '..') kept.pop()
    else if (segment !== '.') kept.push(segment)
  }
  const last = segments.at(-1)
  if (last === '.' || last === '..') kept.push('')
  return `/${kept.join('/')}`
}
