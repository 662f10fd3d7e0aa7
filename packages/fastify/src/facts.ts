import { facts as factsOf, type Guard, type Principal, principalOf as principalOn } from '@portcullis/core'
import type { FastifyRequest } from 'fastify'

/**
 * What a guard found out about this request, typed by the guard.
 * @throws CoreError `core.facts_missing` when that guard did not run or gave no facts
 * @example app.get('/me', guard([bearer], authenticated()), (request) => facts(request, bearer).claims)
 */
export function facts<F>(request: Pick<FastifyRequest, 'raw'>, guard: Guard<F>): F {
  return factsOf(request.raw, guard)
}

/** Who is calling, once a guard has said so. */
export function principalOf(request: Pick<FastifyRequest, 'raw'>): Principal | undefined {
  return principalOn(request.raw)
}
