import type { Socket } from 'node:net'
import type { RoutePolicy } from './policy.ts'

/** Request headers as Node gives them: lower-case names. */
export type RequestHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** Who is at the other end, after trusted proxies. */
export interface Client {
  /** IPv4 or IPv6 in canonical text, IPv4-mapped addresses folded to IPv4; `undefined` on a socket without one. */
  readonly ip: string | undefined
  /** Whether the client's own hop is TLS. */
  readonly secure: boolean
  /** Host and optional port, lower case; empty when the request named none that is well-formed. */
  readonly host: string
}

/** The route that matched, as its framework spells it. */
export interface MatchedRoute {
  /** For example `/api/invoices/:id`. */
  readonly pattern: string
  readonly policy?: RoutePolicy
}

/** What {@link RequestView.body} gives: the bytes, or what a body parser of the framework made of them before. */
export type RequestBody = { readonly raw: Uint8Array } | { readonly parsed: unknown }

/** A request as guards and endpoints see it. No framework's object is reachable from here. */
export interface RequestView {
  readonly method: string
  /** Path and query as sent, mount prefix included. Never match routes on it: see `docs/architecture.md`. */
  readonly target: string
  readonly headers: RequestHeaders
  readonly client: Client
  /** The socket; a `TLSSocket` where TLS ends here. */
  readonly socket: Socket | undefined
  /** The matched route; `undefined` in guards of the entrance, which run before routing. */
  readonly route: MatchedRoute | undefined
  /**
   * Reads the body once, on demand; only endpoints call it.
   * @param limit the most bytes to accept
   * @throws CoreError `core.body_too_large` (413), `core.body_unreadable` (400), `core.body_consumed` (500)
   */
  body(limit: number): Promise<RequestBody>
  /** Aborts when the client leaves before the response is complete. */
  readonly signal: AbortSignal
}
