import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import {
  type AppDescription,
  adapterSuite,
  type HandlerAnswer,
  type HandlerRequest,
  type MiddlewarePart,
  type Part,
  type RoutePart,
  type RunningApp,
} from '@portcullis/conformance/adapter'
import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type onRequestHookHandler,
  type RouteHandlerMethod,
} from 'fastify'
import { assertCovered, facts, guard, mount, opaque, portcullis, principalOf, routes } from '../src/index.ts'

adapterSuite({
  name: 'Fastify',
  start,
  parsersReachEndpoints: false,
  regExpPaths: false,
  middlewareBelongsToRoutes: true,
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
    opaque: () => opaque(app),
    assertCovered: (options) => assertCovered(app, options),
    add: (part) => build(app, [part]),
    close: () => app.close(),
  }
}

function build(into: FastifyInstance, parts: readonly Part[]): void {
  for (const part of parts) {
    if (part.kind === 'route') addRoute(into, part)
    else if (part.kind === 'mount') into.register(mount(part.endpoints))
    else if (part.kind === 'nested' || part.kind === 'app') {
      into.register(
        (nested, _options, done) => {
          build(nested, part.parts)
          done()
        },
        { prefix: part.prefix },
      )
    } else if (part.kind === 'guard') into.addHook('onRequest', guard(part.guards ?? [], part.policy).onRequest)
    else if (part.kind === 'middleware') addHook(into, part)
    else if (part.kind === 'override') {
      into.addHook('onRequest', async function methodOverride({ raw, headers }) {
        raw.method = String(headers['x-http-method-override'] ?? raw.method).toUpperCase()
      })
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

function addHook(into: FastifyInstance, { name, guards = [], policy, handler }: MiddlewarePart): void {
  const answers: onRequestHookHandler = (request, reply, done) => {
    const answer = handler(requestOf(request))
    if (answer === undefined) done()
    else send(reply, answer)
  }
  Object.defineProperty(answers, 'name', { value: name })
  if (policy) into.addHook('onRequest', guard(guards, policy).onRequest)
  into.addHook('onRequest', answers)
}

function requestOf(request: FastifyRequest): HandlerRequest {
  return { facts: (of) => facts(request, of), principal: () => principalOf(request) }
}

function addRoute(into: FastifyInstance, { method, path, guards = [], policy, guardIsLate, handler }: RoutePart): void {
  const handle: RouteHandlerMethod = async (request, reply) => {
    send(reply, await handler(requestOf(request)))
    return reply
  }
  const options = policy ? guard(guards, policy) : {}
  const early: onRequestHookHandler = (_request, _reply, done) => done()
  const late = guardIsLate && policy ? { onRequest: [early, guard(guards, policy).onRequest] } : {}
  for (const one of [path].flat()) into[method.toLowerCase() as 'get'](String(one), { ...options, ...late }, handle)
}

function send(reply: FastifyReply, { status = 200, headers = [], body = '' }: HandlerAnswer): void {
  for (const [name, value] of headers) reply.header(name, value)
  reply.code(status).send(typeof body === 'string' ? body : Readable.from(body))
}
