import { answer, viewOf } from '@portcullis/core/node'
import { assertCovered, guard, mount, portcullis, problem, type Reply, routes } from '@portcullis/fastify'
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import type { Application, Assembled } from './application.ts'
import { failure } from './failure.ts'

/** Ledger on Fastify. */
export async function onFastify({ entrance, api, endpoints }: Application): Promise<Assembled> {
  const app = fastify()
  await app.register(portcullis(entrance))
  await app.register(mount(endpoints))
  // Bodies are left for the handlers, which read them through the view and check them, as on the other frameworks.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  for (const { method, path, guards, policy, handle } of api) {
    app.route<{ Params: Record<string, string> }>({
      method,
      url: path,
      ...guard(guards, policy),
      handler: async (request, reply) => {
        const view = viewOf(request.raw)
        return send(reply, await answer(view, () => handle({ view, params: request.params })))
      },
    })
  }
  app.setNotFoundHandler(notFound)
  app.setErrorHandler((error, _request, reply) => send(reply, failure(error)))
  await assertCovered(app, { opaque: ['notFound'] })
  return { listener: (req, res) => app.routing(req, res), routes: routes(app), close: () => app.close() }
}

function notFound(_request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return send(reply, problem({ status: 404 }))
}

function send(reply: FastifyReply, { status, headers = [], body }: Reply): FastifyReply {
  reply.code(status)
  for (const [name, value] of headers) reply.header(name, value)
  // Bytes: to a string Fastify would add a charset, which JSON does not have (RFC 8259 §11).
  return reply.send(typeof body === 'string' ? Buffer.from(body) : body)
}
