import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decide, type EndpointRoute } from '@portcullis/core'
import { answer, apply, createEntrance, type ResponsePort, respond } from '@portcullis/core/node'

const port: ResponsePort<ServerResponse> = {
  get: (res, name) => res.getHeader(name),
  set: (res, name, value) => void res.setHeader(name, value),
  send: (res, status, body) => void res.writeHead(status).end(body),
}

export interface Served {
  readonly url: string
  close(): Promise<void>
}

/** Serves endpoints as an adapter would, on a port of its own. @param make is told the server's URL */
export async function serve(make: (url: string) => readonly EndpointRoute[]): Promise<Served> {
  const entrance = createEntrance({ production: false })
  let routes: readonly EndpointRoute[] = []
  const server: Server = createServer(async (req, res) => {
    const view = entrance.enter(req, res)
    const path = (req.url ?? '').split('?')[0]
    const route = routes.find((one) => one.method === req.method && one.path === path)
    if (route === undefined) return void res.writeHead(404).end()
    view.route = { pattern: route.path, policy: route.policy }
    if (apply(view, await decide(view, route.guards ?? [], route.policy), port, res)) {
      respond(view, await answer(view, route.endpoint), port, res)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  routes = make(url)
  return {
    url,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}
