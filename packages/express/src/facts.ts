import { facts as factsOf, type Guard, type Principal, principalOf as principalOn } from '@portcullis/core'
import type { Request } from 'express'

/**
 * What a guard found out about this request, typed by the guard.
 * @throws CoreError `core.facts_missing` when that guard did not run or gave no facts
 * @example app.get('/me', guard([bearer], authenticated()), (req, res) => res.json(facts(req, bearer).claims))
 */
export function facts<F>(req: Request, guard: Guard<F>): F {
  return factsOf(req, guard)
}

/** Who is calling, once a guard has said so. */
export function principalOf(req: Request): Principal | undefined {
  return principalOn(req)
}
