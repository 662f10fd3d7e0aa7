import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import {
  type AppDescription,
  adapterSuite,
  type HandlerAnswer,
  type Part,
  type RoutePart,
  type RunningApp,
} from '@portcullis/conformance/adapter'
import fastify, { type FastifyInstance, type FastifyReply, type onRequestHookHandler, type RouteHandlerMethod } from 'fastify'
import { assertCovered, facts, guard, mount, portcullis, principalOf, routes } from '../src/index.ts'

adapterSuite({
  name: 'Fastify',
  start,
  parsersReachEndpoints: false,
  routerSettings: {
    defaults: {},
    'ignoring trailing slashes': { ignoreTrailingSlash: true },
    'ignoring duplicate slashes': { ignoreDuplicateSlashes: true },
    'ignoring case': { caseSensitive: false },
    'with semicolons as delimiters': { useSemicolonDelimiter: true },
    'ignoring all of it': {
      ignoreTrailingSlash: true,
      ignoreDuplicateSlashes: true,
      caseSensitive: false,
      useSemicolonDelimiter: true,
    },
  },
})

async function start({ entrance = {}, before = [], parts, router: routerOptions = {} }: AppDescription): Promise<RunningApp> {
  const app = fastify({ routerOptions })
  build(app, before)
  if (entrance) await app.register(portcullis(entrance))
  build(app, parts)
  await app.listen({ port: 0, host: '127.0.0.1' })
  return {
    port: (app.server.address() as AddressInfo).port,
    routes: () => routes(app),
    assertCovered: () => assertCovered(app),
    close: () => app.close(),
  }
}

function build(into: FastifyInstance, parts: readonly Part[]): void {
  for (const part of parts) {
    if (part.kind === 'route') addRoute(into, part)
    else if (part.kind === 'mount') into.register(mount(part.endpoints))
    else if (part.kind === 'nested') {
      into.register(
        (nested, _options, done) => {
          build(nested, part.parts)
          done()
        },
        { prefix: part.prefix },
      )
    } else if (part.kind === 'headers') {
      into.addHook('onRequest', async (_request, reply) => {
        for (const [name, value] of part.headers) reply.header(name, value)
      })
    } else if (part.kind === 'drain') {
      into.addHook('onRequest', async (request) => {
        for await (const _ of request.raw);
      })
    }
  }
}

function addRoute(into: FastifyInstance, { method, path, guards = [], policy, guardIsLate, handler }: RoutePart): void {
  const handle: RouteHandlerMethod = async (request, reply) => {
    send(reply, await handler({ facts: (of) => facts(request, of), principal: () => principalOf(request) }))
    return reply
  }
  const options = policy ? guard(guards, policy) : {}
  const early: onRequestHookHandler = (_request, _reply, done) => done()
  const late = guardIsLate && policy ? { onRequest: [early, guard(guards, policy).onRequest] } : {}
  into[method.toLowerCase() as 'get'](path, { ...options, ...late }, handle)
}

function send(reply: FastifyReply, { status = 200, headers = [], body = '' }: HandlerAnswer): void {
  for (const [name, value] of headers) reply.header(name, value)
  reply.code(status).send(typeof body === 'string' ? body : Readable.from(body))
}
