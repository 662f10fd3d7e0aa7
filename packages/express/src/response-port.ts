import type { ResponsePort } from '@portcullis/core/node'
import type { Response } from 'express'

/** Express's response. `end`, and not `send`, which would add an ETag and answer 304 by itself. */
export const response: ResponsePort<Response> = {
  get: (res, name) => res.getHeader(name),
  set: (res, name, value) => {
    res.setHeader(name, value)
  },
  send: (res, status, body) => {
    // HEAD has the length of what it leaves out (RFC 9110 §8.6); Node would not count it.
    if (body !== undefined) res.setHeader('Content-Length', body.length)
    res.status(status).end(body)
  },
}
