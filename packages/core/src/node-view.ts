import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
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
  #client: Client | undefined = undefined
  #body: Promise<RequestBody> | undefined = undefined
  #abort: AbortController | undefined = undefined
  #left = false

  constructor(req: IncomingMessage, res: ServerResponse, resolve: ClientResolver) {
    this.#req = req
    this.#resolve = resolve
    this.target = req.url ?? '/'
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
    return this.#req.headers
  }

  get socket(): Socket {
    return this.#req.socket
  }

  get client(): Client {
    this.#client ??= this.#resolve(connectionOf(this.#req.socket), this.#req.headers)
    return this.#client
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.#left) this.#abort.abort()
    }
    return this.#abort.signal
  }

  body(limit: number): Promise<RequestBody> {
    this.#body ??= this.#readBody(limit)
    return this.#body
  }

  async #readBody(limit: number): Promise<RequestBody> {
    const parsed = this.parsedBody?.()
    if (parsed !== undefined) return { parsed }
    const req = this.#req
    if (req.readableDidRead) {
      throw new CoreError(
        'core.body_consumed',
        'something read the request body before this endpoint: mount it before the body parser',
      )
    }
    if (Number(req.headers['content-length'] ?? 0) > limit) throw tooLarge(limit)
    const chunks: Buffer[] = []
    let size = 0
    try {
      for await (const chunk of req) {
        size += (chunk as Buffer).length
        // Leaving the loop would destroy the socket, and with it the answer: the rest is read and dropped.
        if (size <= limit) chunks.push(chunk as Buffer)
        else if (size > 16 * limit) break
      }
    } catch (cause) {
      throw new CoreError('core.body_unreadable', 'the request body ended early', { cause, status: 400 })
    }
    if (size > limit) throw tooLarge(limit)
    return { raw: Buffer.concat(chunks) }
  }

  #close(res: ServerResponse): void {
    if (!res.writableFinished) {
      this.#left = true
      this.#abort?.abort()
    }
    settle(this, { status: res.headersSent ? res.statusCode : undefined, completed: res.writableFinished })
  }
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
