import { answer, viewOf } from '@portcullis/core/node'
import { assertCovered, guard, mount, portcullis, problem, type Reply, routes } from '@portcullis/express'
import express, { type NextFunction, type Request, type Response } from 'express'
import type { ApiRoute } from '../api.ts'
import type { Application, Assembled } from './application.ts'
import { failure } from './failure.ts'

/** Ledger on Express. */
export async function onExpress({ entrance, api, endpoints }: Application): Promise<Assembled> {
  const app = express()
  app.disable('x-powered-by')
  app.use(portcullis(entrance))
  app.use(mount(endpoints))
  for (const { method, path, guards, policy, handle } of api) {
    app.route(path)[lower(method)](guard(guards, policy), async (req: Request<Record<string, string>>, res: Response) => {
      const view = viewOf(req)
      send(res, await answer(view, () => handle({ view, params: req.params })))
    })
  }
  app.use(notFound)
  app.use((error: unknown, _req: Request, res: Response, next: NextFunction) => {
    if (res.headersSent) next(error)
    else send(res, failure(error))
  })
  assertCovered(app, { opaque: ['notFound'] })
  return { listener: app, routes: routes(app), close: async () => {} }
}

function notFound(_req: Request, res: Response): void {
  send(res, problem({ status: 404 }))
}

function send(res: Response, { status, headers = [], body }: Reply): void {
  res.status(status)
  for (const [name, value] of headers) res.setHeader(name, value)
  res.end(body)
}

function lower(method: ApiRoute['method']): Lowercase<ApiRoute['method']> {
  return method.toLowerCase() as Lowercase<ApiRoute['method']>
}
