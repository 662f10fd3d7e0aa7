import type { Guard, Outcome } from './decision.ts'
import { CoreError } from './errors.ts'
import type { RoutePolicy } from './policy.ts'
import type { Principal } from './principal.ts'
import type { RequestView } from './view.ts'

/** `Symbol.for`, so that two copies of this package in one process agree. */
export const STATE: unique symbol = Symbol.for('portcullis.state') as never

/** Everything that was found out about one request. Shared by the view and the framework's own request object. */
export interface RequestState {
  facts: Map<Guard<never>, unknown> | undefined
  principal: Principal | undefined
  /** The policy behind the answer, once one was asked. */
  decidedBy: RoutePolicy | undefined
  correlationId: string | undefined
  settles: ((outcome: Outcome) => void)[] | undefined
  outcome: Outcome | undefined
}

/** A thing that carries a request's state: a view, or what an adapter put it on. */
export interface Carrier {
  [STATE]?: RequestState
}

/** The state of a request, made on first use. */
export function stateOf(carrier: object): RequestState {
  const holder = carrier as Carrier
  holder[STATE] ??= {
    facts: undefined,
    principal: undefined,
    decidedBy: undefined,
    correlationId: undefined,
    settles: undefined,
    outcome: undefined,
  }
  return holder[STATE]
}

/** Frameworks wrap the request of `node:http`, which an entrance has put the state on: Fastify as `raw`, Koa as `req`. */
function findState(carrier: object): RequestState | undefined {
  const { raw, req } = carrier as { readonly raw?: Carrier; readonly req?: Carrier }
  return (carrier as Carrier)[STATE] ?? raw?.[STATE] ?? req?.[STATE]
}

/**
 * What a guard found out about this request, typed by the guard.
 * @param carrier the view, or what a framework hands to its handlers: Express's and Fastify's request, Koa's context
 * @throws CoreError `core.facts_missing` when that guard did not run or gave no facts
 * @example const { token } = facts(req, bearer)
 */
export function facts<F>(carrier: object, guard: Guard<F>): F {
  const map = findState(carrier)?.facts
  const found = map?.get(guard as Guard<never>)
  if (found === undefined) {
    throw new CoreError(
      'core.facts_missing',
      `guard ${guard.name || '(anonymous)'} gave no facts for this request: is it listed on the route?`,
    )
  }
  return found as F
}

/** Who is calling, once a guard has said so. @param carrier as for {@link facts} */
export function principalOf(carrier: object): Principal | undefined {
  return findState(carrier)?.principal
}

/** The id under which all events of this request are published: 128 random bits, ours, never taken from a header. */
export function correlationId(req: RequestView): string {
  const state = stateOf(req)
  state.correlationId ??= crypto.randomUUID()
  return state.correlationId
}
