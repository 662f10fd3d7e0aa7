import type { Verdict } from '@portcullis/core'
import { apply, isPromise, type NodeView, type ResponsePort } from '@portcullis/core/node'
import type { Context, Next } from 'koa'

/** Koa's response. The status comes after the body, which sets one of its own. */
export const response: ResponsePort<Context> = {
  get: (ctx, name) => ctx.res.getHeader(name),
  set: (ctx, name, value) => ctx.set(name, value),
  send: (ctx, status, body) => {
    ctx.body = body ?? null
    ctx.status = status
  },
}

/** Does what a verdict says. One that is there already costs no promise. */
export function proceed(
  view: NodeView,
  verdict: Verdict | Promise<Verdict>,
  ctx: Context,
  next: Next,
): Promise<unknown> | undefined {
  if (isPromise(verdict)) return verdict.then((late) => (apply(view, late, response, ctx) ? next() : undefined))
  return apply(view, verdict, response, ctx) ? next() : undefined
}
