import {
  type Clock,
  type EndpointRoute,
  type Guard,
  type Principal,
  type Reply,
  type RequestView,
  type RoutePolicy,
  requirePrincipal,
} from '@portcullis/core'
import { answering } from './authzen-request.ts'
import type { AccessDecider } from './decider-port.ts'

/** Whom a request asks about; without `id` about all of a type. */
export interface AskedAbout {
  readonly type: string
  readonly id?: string
}

/** What all endpoints share. */
export interface Pdp {
  readonly base: string
  readonly decider: AccessDecider
  readonly guards: readonly Guard[]
  readonly policy: RoutePolicy
  readonly maxBytes: number
  readonly clock: Clock
  /** @throws AuthzenRequestError 403 */
  assertMayAsk(caller: Principal, about: readonly AskedAbout[]): Promise<void>
}

/** An endpoint of a policy decision point. @param path below the identifier's */
export function endpointOf(
  { base, policy, guards }: Pdp,
  path: string,
  answer: (req: RequestView, caller: Principal) => Promise<Reply>,
): EndpointRoute {
  const endpoint = answering(async (req) => answer(req, requirePrincipal(req)))
  return { method: 'POST', path: `${base}${path}`, policy, guards, endpoint, rawBody: true }
}
