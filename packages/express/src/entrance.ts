import { applyThen, createEntrance, type EntranceOptions, markEntrance } from '@portcullis/core/node'
import type { RequestHandler } from 'express'
import { response } from './response-port.ts'

/**
 * The first middleware of an application: `app.use(portcullis())`. It resolves the client behind trusted proxies, asks the
 * entrance's guards, and watches that no answer goes out which no decision stands behind.
 * @throws CoreError `core.proxy_list_invalid`
 */
export function portcullis(options: EntranceOptions = {}): RequestHandler {
  const entrance = createEntrance(options)
  return markEntrance((req, res, next) => {
    const view = entrance.enter(req, res)
    applyThen(view, entrance.decide(view), response, res, next)
  })
}
