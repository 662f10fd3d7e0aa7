import { facts as factsOf, type Guard, type Principal, principalOf as principalOn } from '@portcullis/core'
import type { Context } from 'koa'

/**
 * What a guard found out about this request, typed by the guard.
 * @throws CoreError `core.facts_missing` when that guard did not run or gave no facts
 * @example router.get('/me', guard([bearer], authenticated()), (ctx) => { ctx.body = facts(ctx, bearer).claims })
 */
export function facts<F>(ctx: Pick<Context, 'req'>, guard: Guard<F>): F {
  return factsOf(ctx.req, guard)
}

/** Who is calling, once a guard has said so. */
export function principalOf(ctx: Pick<Context, 'req'>): Principal | undefined {
  return principalOn(ctx.req)
}
