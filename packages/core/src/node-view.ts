import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { finished } from 'node:stream'
import { settle } from './decide.ts'
import { CoreError } from './errors.ts'
import { type Carrier, type RequestState, STATE, stateOf } from './facts.ts'
import type { MergedHeaders } from './headers.ts'
import type { ClientResolver, Connection } from './proxies.ts'
import type { Client, MatchedRoute, RequestBody, RequestHeaders, RequestView } from './view.ts'

const VIEW = Symbol.for('portcullis.view')

/** A request of `node:http` as a view. One for each request, made by the entrance; adapters tell it the route and the parsed body. */
export class NodeView implements RequestView {
  readonly #req: IncomingMessage
  readonly #resolve: ClientResolver
  readonly target: string
  /** What is known of this request. */
  readonly state: RequestState
  route: MatchedRoute | undefined = undefined
  /** Gives what a body parser of the framework has made of the body; `undefined`: none ran. */
  parsedBody: (() => unknown) | undefined = undefined
  /** What guards have put on the answer so far. */
  readonly merged: MergedHeaders = new Map()
  #headers: RequestHeaders | undefined = undefined
  #client: Client | undefined = undefined
  #body: Promise<RequestBody> | undefined = undefined
  #abort: AbortController | undefined = undefined
  #aborted = false

  constructor(req: IncomingMessage, res: ServerResponse, resolve: ClientResolver) {
    this.#req = req
    this.#resolve = resolve
    // A framework that cuts mount prefixes off `url` keeps what was sent in `originalUrl`.
    this.target = (req as { originalUrl?: string }).originalUrl ?? req.url ?? '/'
    this.state = stateOf(this)
    // Facts are found on the framework's request as well: all three lead to this object.
    const carrier = req as IncomingMessage & Carrier & { [VIEW]?: NodeView }
    carrier[STATE] = this.state
    carrier[VIEW] = this
    // Before the first await: a client that leaves in the middle must still be settled.
    res.once('close', () => this.#close(res))
  }

  get method(): string {
    return this.#req.method ?? 'GET'
  }

  get headers(): RequestHeaders {
    this.#headers ??= headersOf(this.#req)
    return this.#headers
  }

  get socket(): Socket {
    return this.#req.socket
  }

  get client(): Client {
    this.#client ??= this.#resolve(connectionOf(this.#req.socket), this.#req.headers)
    return this.#client
  }

  /** Whether there is nobody left to answer: the client has gone, or has its answer. */
  get left(): boolean {
    return this.state.outcome !== undefined
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.#aborted) this.#abort.abort()
    }
    return this.#abort.signal
  }

  body(limit: number): Promise<RequestBody> {
    this.#body ??= this.#readBody(limit)
    return this.#body
  }

  async #readBody(limit: number): Promise<RequestBody> {
    const req = this.#req
    // A parser that found nothing to parse leaves `{}` behind on some frameworks: it counts only when it has read the stream.
    if (req.readableDidRead) {
      const parsed = this.parsedBody?.()
      if (parsed !== undefined) return { parsed }
      throw new CoreError(
        'core.body_consumed',
        'something read the request body before this endpoint: mount it before the body parser',
      )
    }
    if (Number(req.headers['content-length'] ?? 0) > limit) throw tooLarge(limit)
    return { raw: await readAll(req, limit) }
  }

  #close(res: ServerResponse): void {
    // Node calls an answer finished as well when its socket was destroyed with bytes still waiting in it.
    const completed = res.writableFinished && !this.#req.socket.destroyed
    if (!completed) {
      this.#aborted = true
      this.#abort?.abort()
    }
    settle(this, { status: res.headersSent ? res.statusCode : undefined, completed })
  }
}

/** Node keeps the first of several `Authorization` lines and drops the rest; who authenticates must see that there were more. */
function headersOf({ headers, rawHeaders }: IncomingMessage): RequestHeaders {
  let lines = 0
  for (let at = 0; at < rawHeaders.length; at += 2) if (isAuthorization(rawHeaders[at])) lines += 1
  if (lines < 2) return headers
  return { ...headers, authorization: rawHeaders.filter((_, at) => at % 2 === 1 && isAuthorization(rawHeaders[at - 1])) }
}

function isAuthorization(name: string | undefined): boolean {
  return name?.length === 13 && name.toLowerCase() === 'authorization'
}

function readAll(req: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const collect = (chunk: Buffer): void => {
      size += chunk.length
      chunks.push(chunk)
      if (size <= limit) return
      // Destroying the stream would destroy the socket, and with it the answer: the rest flows off unread.
      req.removeListener('data', collect)
      req.resume()
      chunks.length = 0
      reject(tooLarge(limit))
    }
    req.on('data', collect)
    finished(req, { writable: false }, (cause) => {
      if (cause) reject(new CoreError('core.body_unreadable', 'the request body ended early', { cause, status: 400 }))
      else resolve(Buffer.concat(chunks))
    })
  })
}

function tooLarge(limit: number): CoreError {
  return new CoreError('core.body_too_large', `the request body is larger than ${limit} bytes`, { status: 413 })
}

function connectionOf(socket: Socket): Connection {
  return { remoteAddress: socket.remoteAddress, encrypted: 'encrypted' in socket && socket.encrypted === true }
}

/**
 * The view that the entrance made for this request.
 * @throws CoreError `core.entrance_missing` when it did not run: the adapter's `portcullis()` must be the first thing in the application
 */
export function viewOf(req: IncomingMessage): NodeView {
  const view = (req as { [VIEW]?: NodeView })[VIEW]
  if (view === undefined) {
    throw new CoreError(
      'core.entrance_missing',
      'a guard ran without the entrance: install portcullis() first in the application',
    )
  }
  return view
}
