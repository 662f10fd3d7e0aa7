import { challenge } from './challenge.ts'
import { type Clock, epochSeconds, systemClock } from './clock.ts'
import type { Guard, Refusal } from './decision.ts'
import { CoreError } from './errors.ts'
import { principalOf } from './facts.ts'
import type { Principal } from './principal.ts'
import { problem } from './problem.ts'
import type { RequestView } from './view.ts'

/** The rule that a route declares. Without one an application does not start. */
export interface RoutePolicy<F = unknown> {
  readonly kind: 'permission' | 'authenticated' | 'open'
  /** What stands in listings and events: the permission, `authenticated`, or the reason a route is open. */
  readonly label: string
  /** Permissions that the caller needs, all of them; empty for the other kinds. */
  readonly permissions: readonly string[]
  readonly stepUp?: StepUp
  /** Decides; runs after the route's guards. */
  readonly guard: Guard<F>
}

/** How sure, and how recently sure, we must be of the person (RFC 9470). */
export interface StepUp {
  /** Acceptable `acr` values; one must have been reached. */
  readonly acr?: readonly string[]
  /** The most seconds since the person last proved who he is. */
  readonly maxAge?: number
}

/**
 * A route that anyone may call. The reason is for the reviewer of the route list.
 *
 * @example app.get('/healthz', guard([], open('load balancer probe')), handler)
 */
export function open(reason: string): RoutePolicy {
  return { kind: 'open', label: reason, permissions: [], guard: () => ({ type: 'continue' }) }
}

/** Options of {@link authenticated}. */
export interface AuthenticatedOptions extends StepUp {
  readonly clock?: Clock
}

/**
 * A route for every caller who is known. A guard before it must have named the principal.
 * @throws CoreError `core.principal_missing` when no authenticating guard ran: a mistake in wiring, answered with 500
 */
export function authenticated(options: AuthenticatedOptions = {}): RoutePolicy {
  const { clock = systemClock, ...stepUp } = options
  return {
    kind: 'authenticated',
    label: 'authenticated',
    permissions: [],
    stepUp,
    guard: (req) => stepUpRefusal(requirePrincipal(req), stepUp, clock) ?? { type: 'continue' },
  }
}

/** The principal of a request, for policies: @throws CoreError `core.principal_missing` */
export function requirePrincipal(req: RequestView): Principal {
  const principal = principalOf(req)
  if (principal === undefined) {
    throw new CoreError('core.principal_missing', 'the route needs a caller, but none of its guards authenticates one')
  }
  return principal
}

/** RFC 9470 §3: the refusal when a person is not proven well or recently enough, else `undefined`. */
export function stepUpRefusal(principal: Principal, needs: StepUp, clock: Clock): Refusal | undefined {
  const weak = needs.acr !== undefined && !(principal.acr !== undefined && needs.acr.includes(principal.acr))
  const stale =
    needs.maxAge !== undefined && !(principal.authTime !== undefined && epochSeconds(clock) - principal.authTime <= needs.maxAge)
  if (!weak && !stale) return undefined
  const headers = challenge(principal, {
    error: 'insufficient_user_authentication',
    error_description: weak ? 'A different authentication level is required' : 'More recent authentication is required',
    ...(needs.acr ? { acr_values: needs.acr.join(' ') } : {}),
    ...(needs.maxAge === undefined ? {} : { max_age: String(needs.maxAge) }),
  })
  return {
    type: 'reply',
    reply: problem({ status: 401, title: 'More authentication needed' }, headers),
    cause: weak
      ? {
          code: 'core.assurance_too_low',
          message: `acr is ${principal.acr ?? 'unknown'}, one of ${needs.acr?.join(', ')} is needed`,
        }
      : {
          code: 'core.authentication_too_old',
          message: `authentication is older than ${needs.maxAge} s, or its time is unknown`,
        },
  }
}
