import type { Endpoint, Guard } from './decision.ts'
import type { RoutePolicy } from './policy.ts'

/** An endpoint with its place and its rule, as packages hand them to an adapter's `mount`. */
export interface EndpointRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** A literal path, without parameters: `/oauth/token`. */
  readonly path: string
  readonly policy: RoutePolicy
  /** Run before the policy. */
  readonly guards?: readonly Guard[]
  readonly endpoint: Endpoint
  /** The endpoint must see the bytes as sent; an adapter refuses at start-up to mount it behind a body parser. */
  readonly rawBody?: boolean
}

/** A route of an application, as an adapter lists it. */
export interface RouteInfo {
  /** Upper case; `*` where the route answers every method. */
  readonly method: string
  /** As the framework spells it, mount prefixes included. */
  readonly pattern: string
  /** The rule it declares; `undefined`: it declares none. */
  readonly policy?: RoutePolicy | undefined
  /** Why the declaration does not count, where there is one that does not (a handler stands before the guard). */
  readonly flaw?: string | undefined
  /** `file:line` of the handler, where it can be found out. */
  readonly source?: string | undefined
}
