import { createEntrance, type EntranceOptions, markEntrance } from '@portcullis/core/node'
import type { Middleware } from 'koa'
import { proceed } from './response-port.ts'

/**
 * The first middleware of an application: `app.use(portcullis())`. It resolves the client behind trusted proxies, asks the
 * entrance's guards, and watches that no answer goes out which no decision stands behind.
 * @throws CoreError `core.proxy_list_invalid`
 */
export function portcullis(options: EntranceOptions = {}): Middleware {
  const entrance = createEntrance(options)
  return markEntrance<Middleware>((ctx, next) => {
    const view = entrance.enter(ctx.req, ctx.res)
    return proceed(view, entrance.decide(view), ctx, next)
  })
}
