import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { decide, type Guard, type RoutePolicy } from '@portcullis/core'
import { apply, createEntrance, type ResponsePort } from '@portcullis/core/node'

const port: ResponsePort<ServerResponse> = {
  get: (res, name) => res.getHeader(name),
  set: (res, name, value) => void res.setHeader(name, value),
  send: (res, status, body) => void res.writeHead(status).end(body),
}

export interface Served {
  /** Of 127.0.0.1. */
  readonly port: number
  readonly origin: string
  close(): Promise<void>
}

/** What a route asks for, by its path. */
export type Routes = (origin: string) => {
  readonly guards: readonly Guard[]
  readonly policies: Readonly<Record<string, RoutePolicy>>
}

/** Serves guarded routes as an adapter would; a request that passes is answered 200. @param tls for HTTPS */
export async function serve(make: Routes, tls?: ServerOptions): Promise<Served> {
  const entrance = createEntrance({ production: false })
  let routes: ReturnType<Routes> = { guards: [], policies: {} }
  const listener: RequestListener = async (req, res) => {
    const view = entrance.enter(req, res)
    const path = new URL(req.url ?? '/', 'http://ignored.example').pathname
    const policy = routes.policies[path]
    if (policy === undefined) return void res.writeHead(404).end()
    view.route = { pattern: path, policy }
    if (apply(view, await decide(view, routes.guards, policy), port, res)) res.writeHead(200).end('{}')
  }
  const server: Server = tls === undefined ? createServer(listener) : createSecureServer(tls, listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const at = (server.address() as AddressInfo).port
  const origin = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${at}`
  routes = make(origin)
  return {
    port: at,
    origin,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}
