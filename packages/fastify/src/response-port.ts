import type { ResponsePort } from '@portcullis/core/node'
import type { FastifyReply } from 'fastify'

/** Fastify's reply, so that its hooks see what goes out. */
export const response: ResponsePort<FastifyReply> = {
  get: (reply, name) => reply.getHeader(name),
  set: (reply, name, value) => {
    // `header` would add to the Set-Cookie lines that are there.
    reply.removeHeader(name).header(name, value)
  },
  send: (reply, status, body) => {
    reply.code(status).send(body)
  },
}
