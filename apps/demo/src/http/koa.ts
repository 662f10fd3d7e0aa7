import Router from '@koa/router'
import { answer, viewOf } from '@portcullis/core/node'
import { assertCovered, guard, mount, portcullis, problem, type Reply, routes } from '@portcullis/koa'
import Koa, { type Context, type Next } from 'koa'
import type { Application, Assembled } from './application.ts'
import { failure } from './failure.ts'

/** Ledger on Koa. */
export async function onKoa({ entrance, api, endpoints }: Application): Promise<Assembled> {
  const app = new Koa()
  app.use(portcullis(entrance))
  app.use(problems)
  app.use(mount(endpoints))
  const router = new Router()
  for (const { method, path, guards, policy, handle } of api) {
    router.register(
      path,
      [method],
      [
        guard(guards, policy),
        async (ctx) => {
          const view = viewOf(ctx.req)
          send(ctx, await answer(view, () => handle({ view, params: ctx.params })))
        },
      ],
    )
  }
  app.use(router.routes())
  assertCovered(app, { opaque: ['problems'] })
  return { listener: app.callback(), routes: routes(app), close: async () => {} }
}

/** What is not found, and what fails, is answered as a problem. */
async function problems(ctx: Context, next: Next): Promise<void> {
  try {
    await next()
    if (ctx.status === 404 && ctx.body == null) send(ctx, problem({ status: 404 }))
  } catch (error) {
    send(ctx, failure(error))
  }
}

function send(ctx: Context, { status, headers = [], body }: Reply): void {
  ctx.status = status
  ctx.body = typeof body === 'string' ? body : body && Buffer.from(body)
  for (const [name, value] of headers) ctx.set(name, value)
}
