import type { EndpointRoute } from './endpoint.ts'
import type { RoutePolicy } from './policy.ts'

// How an adapter recognises its own functions again when it lists routes. `Symbol.for`: two copies of core agree.
const POLICY: unique symbol = Symbol.for('portcullis.policy') as never
const ENTRANCE = Symbol.for('portcullis.entrance')
const ENDPOINT: unique symbol = Symbol.for('portcullis.endpoint') as never

/** A function that enforces a policy, as an adapter's `guard` returns it. */
interface GuardedPolicy {
  [POLICY]?: RoutePolicy
}

/** Hangs a policy on the function that enforces it. */
export function markPolicy<T extends object>(enforcer: T, policy: RoutePolicy): T {
  return Object.defineProperty(enforcer, POLICY, { value: policy })
}

/** The policy that a function enforces. */
export function policyOf(enforcer: unknown): RoutePolicy | undefined {
  return isObject(enforcer) ? (enforcer as GuardedPolicy)[POLICY] : undefined
}

/** Hangs an endpoint on the handler that answers with it. */
export function markEndpoint<T extends object>(handler: T, endpoint: EndpointRoute): T {
  return Object.defineProperty(handler, ENDPOINT, { value: endpoint })
}

/** The endpoint that a handler answers with. */
export function endpointOf(handler: unknown): EndpointRoute | undefined {
  return isObject(handler) ? (handler as { [ENDPOINT]?: EndpointRoute })[ENDPOINT] : undefined
}

/** Says that a function is the entrance. */
export function markEntrance<T extends object>(entrance: T): T {
  return Object.defineProperty(entrance, ENTRANCE, { value: true })
}

/** Whether a function is an entrance. */
export function isEntrance(value: unknown): boolean {
  return isObject(value) && ENTRANCE in value
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}
