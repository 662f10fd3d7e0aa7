import { CoreError, type Decision, type Endpoint, type Guard, problem, type Reply, type RequestView } from '@portcullis/core'
import { type JsonObject, parseStrictJson } from './authzen-json.ts'
import { AuthzenRequestError } from './authzen-model.ts'
import { DeciderError } from './decider-errors.ts'

/**
 * Gives `X-Request-ID` back on every answer, refusals of later guards included (AuthZEN §10.1.3). One that can't be given back is
 * refused: the caller would wait for it.
 */
export const requestId: Guard = function requestId(req: RequestView): Decision {
  const id = req.headers['x-request-id']
  if (id === undefined) return { type: 'continue' }
  // Of two lines Node makes one with a comma and a space.
  if (typeof id === 'string' && /^[\x21-\x7e]{1,200}$/.test(id)) return { type: 'continue', headers: [['X-Request-ID', id]] }
  return {
    type: 'reply',
    reply: problem({ status: 400, detail: 'X-Request-ID is not one text of up to 200 printable ASCII characters.' }),
    cause: { code: 'rbac.authzen_request_invalid', message: 'X-Request-ID can not be given back' },
  }
}

/**
 * The body as a JSON object.
 * @throws AuthzenRequestError, and those of `RequestView.body`
 */
export async function readBody(req: RequestView, limit: number): Promise<JsonObject> {
  const type = req.headers['content-type']
  if (typeof type !== 'string' || !/^application\/json\s*(?:;|$)/i.test(type)) {
    throw new AuthzenRequestError('the content type is not application/json', 415)
  }
  const body = await req.body(limit)
  // A parser has thrown away which members occurred twice.
  if (!('raw' in body)) throw new CoreError('core.body_consumed', 'the AuthZEN endpoints must stand before any body parser')
  const parsed = parseStrictJson(body.raw)
  if (typeof parsed === 'string') throw new AuthzenRequestError(parsed)
  return parsed
}

/** Answers a wrong request with what is wrong (§10.1.2), and with 503 when a decider could not be asked. */
export function answering(endpoint: Endpoint): Endpoint {
  return async (req): Promise<Reply> => {
    try {
      return await endpoint(req)
    } catch (error) {
      if (error instanceof AuthzenRequestError) return problem({ status: error.status, detail: error.message })
      if (error instanceof DeciderError) return problem({ status: 503 })
      throw error
    }
  }
}
