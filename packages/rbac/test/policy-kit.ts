import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Decision, decide, type EndpointRoute, type Guard, type Principal, problem } from '@portcullis/core'
import { answer, apply, createEntrance, type ResponsePort, respond } from '@portcullis/core/node'
import { onTestFinished } from 'vitest'
import { type Access, defineAccess, type PermissionOf } from '../src/index.ts'

const port: ResponsePort<ServerResponse> = {
  get: (res, name) => res.getHeader(name),
  set: (res, name, value) => void res.setHeader(name, value),
  send: (res, status, body) => void res.writeHead(status).end(body),
}

/** Serves endpoints as an adapter would, on a port of its own, until the test is over. @param make is told the server's URL */
export function serve(make: (url: string) => readonly EndpointRoute[]): Promise<string> {
  const entrance = createEntrance({ production: false })
  let routes: readonly EndpointRoute[] | undefined
  return listen(async (req, res) => {
    routes ??= make(`http://${req.headers.host}`)
    const view = entrance.enter(req, res)
    const path = (req.url ?? '').split('?')[0]
    const route = routes.find((one) => one.method === req.method && one.path === path)
    if (route === undefined) return void res.writeHead(404).end()
    view.route = { pattern: route.path, policy: route.policy }
    if (apply(view, await decide(view, route.guards ?? [], route.policy), port, res)) {
      respond(view, await answer(view, route.endpoint), port, res)
    }
  })
}

/** A server of `node:http` that may do anything, until the test is over. @returns its URL */
export async function listen(handle: (req: IncomingMessage, res: ServerResponse) => unknown): Promise<string> {
  const server: Server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A guard that knows callers by `Authorization: Bearer <name>`. */
export function bearerOf(callers: Readonly<Record<string, Principal>>): Guard {
  return (req): Decision => {
    const name = String(req.headers['authorization'] ?? '').replace(/^Bearer /, '')
    const principal = Object.hasOwn(callers, name) ? callers[name] : undefined
    if (principal !== undefined) return { type: 'continue', principal }
    return { type: 'reply', reply: problem({ status: 401 }, [['WWW-Authenticate', 'Bearer realm="pdp"']]) }
  }
}

/** Posts JSON, or a text as it is. */
export async function post(
  url: string,
  body: unknown,
  { as = 'gateway', ...headers }: Record<string, string> = {},
): Promise<{ readonly status: number; readonly headers: Headers; readonly body: any }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${as}`, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return { status: response.status, headers: response.headers, body: await response.json() }
}

const resources = { invoice: ['read', 'create', 'update', 'refund'], audit: ['read'] } as const

/** A small application's rules. */
export const access: Access<PermissionOf<typeof resources>, 'viewer' | 'accountant' | 'owner' | 'suspended'> = defineAccess({
  resources,
  roles: {
    viewer: { allow: ['invoice:read'] },
    accountant: { inherits: ['viewer'], allow: ['invoice:create', 'invoice:update'] },
    owner: { inherits: ['accountant'], allow: ['invoice:refund', 'audit:read'] },
    suspended: { deny: ['invoice:create', 'invoice:update', 'invoice:refund'] },
  },
  clients: { allow: ['invoice:read'] },
})
