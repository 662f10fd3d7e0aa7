import { type Clock, type Continue, type Guard, problem, type Refusal, type RequestView, systemClock } from '@portcullis/core'
import { TransportError } from './errors.ts'
import { crossOriginRefused } from './events.ts'
import { ownOrigin, parseOrigin } from './origin.ts'

/** Options of {@link crossOriginProtection}. */
export interface CrossOriginProtectionOptions {
  /** Other origins whose pages may send unsafe requests: `https://app.example.com`. Exact; there are no wildcards. */
  readonly allowedOrigins?: readonly string[]
  /**
   * Literal paths, mount prefix included, that no cookie authenticates and that pages of any origin may post to: `/oauth/token`.
   * Compared letter by letter: another spelling of the path is not exempt.
   */
  readonly exempt?: readonly string[]
  readonly clock?: Clock
}

/**
 * Refuses, with 403, unsafe requests that a page of another origin made a browser send (cross-site request forgery; ASVS
 * v5.0.0-3.5.1, -3.5.8), and such WebSocket handshakes (-4.4.2). No tokens in forms are needed.
 *
 * - `GET`, `HEAD` and `OPTIONS` pass: they must not change anything. An `Upgrade` is looked at whatever its method.
 * - `Sec-Fetch-Site: same-origin` or `none` passes; with another value, only an `Origin` of the allow-list does.
 * - Without it, `Origin` must be the server's own, scheme and port included, or be on the list. `null` never is.
 * - Without either header the client is no browser, and passes.
 * - `Authorization: Bearer` or `DPoP` passes: a page of another origin can't send it unless CORS lets it. `Basic`, `Digest` and
 *   `Negotiate` don't: a browser adds those by itself, like a cookie.
 *
 * Requests without a cookie are checked too: signing a victim in as somebody else needs none (login CSRF).
 * @throws TransportError `transport.origin_invalid`, `transport.path_invalid`
 */
export function crossOriginProtection(options: CrossOriginProtectionOptions = {}): Guard {
  const { clock = systemClock } = options
  const allowed = new Set((options.allowedOrigins ?? []).map(checkOrigin))
  const exempt = new Set((options.exempt ?? []).map(checkPath))

  return function crossOriginProtection(req: RequestView) {
    if (isSafe(req) || isOwn(req, allowed) || carriesToken(req) || exempt.has(pathOf(req))) return CONTINUE
    const { method, headers, client } = req
    if (crossOriginRefused.observed) {
      crossOriginRefused.publish(
        { method, host: client.host, origin: shown(headers['origin']), fetchSite: shown(headers['sec-fetch-site']) },
        { request: req, clock },
      )
    }
    return REFUSAL
  }
}

const CONTINUE: Continue = Object.freeze({ type: 'continue' })

const REFUSAL: Refusal = Object.freeze({
  type: 'reply',
  reply: Object.freeze(problem({ status: 403, detail: 'Requests from pages of other origins are refused.' })),
  cause: Object.freeze({ code: 'transport.cross_origin', message: 'a page of another origin caused the request' }),
})

function isSafe({ method, headers }: RequestView): boolean {
  return (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') && headers['upgrade'] === undefined
}

function isOwn({ headers, client }: RequestView, allowed: ReadonlySet<string>): boolean {
  const site = headers['sec-fetch-site']
  if (site === 'same-origin' || site === 'none') return true
  const text = headers['origin']
  if (text === undefined) return site === undefined
  const origin = typeof text === 'string' ? parseOrigin(text) : undefined
  if (origin === undefined) return false
  if (allowed.has(origin)) return true
  // A browser that calls the request cross-site is believed over what the host and the origin look like.
  return site === undefined && origin === ownOrigin(client)
}

function carriesToken({ headers }: RequestView): boolean {
  const credentials = headers['authorization']
  return typeof credentials === 'string' && /^(?:bearer|dpop) /i.test(credentials)
}

function pathOf({ target }: RequestView): string {
  const query = target.indexOf('?')
  return query === -1 ? target : target.slice(0, query)
}

function shown(header: string | readonly string[] | undefined): string | undefined {
  return header === undefined ? undefined : String(header).slice(0, 256)
}

function checkOrigin(text: string): string {
  const origin = typeof text === 'string' ? parseOrigin(text) : undefined
  if (origin === undefined) {
    throw new TransportError('transport.origin_invalid', `${JSON.stringify(text)} is not an origin of http or https`)
  }
  return origin
}

function checkPath(path: string): string {
  if (typeof path !== 'string' || !/^(?:\/[A-Za-z0-9._~-]+)+$/.test(path)) {
    throw new TransportError('transport.path_invalid', `${JSON.stringify(path)} is not a literal path`)
  }
  return path
}
