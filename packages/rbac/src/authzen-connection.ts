import { randomUUID } from 'node:crypto'
import { type Breaker, type Clock, createBreaker, readUpTo } from '@portcullis/core'
import { type JsonObject, parseStrictJson } from './authzen-json.ts'
import { checkWhole, DeciderError, malformed, optionsInvalid, unavailable } from './decider-errors.ts'

/** The part of the platform's `fetch` that is used here. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** How a policy decision point is reached. */
export interface ConnectionOptions {
  /** What proves who asks, such as `authorization`; a function is asked each time. */
  readonly headers?:
    | Readonly<Record<string, string>>
    | (() => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>)
  /** Milliseconds for an answer. Default: 1000. */
  readonly timeout?: number
  /** The largest answer that is read, in bytes. Default: 1048576. */
  readonly maxBytes?: number
  /** What events and messages call it. Default: `authzen`. */
  readonly name?: string
  /** Default: the platform's. */
  readonly fetch?: Fetch
  /** For events. */
  readonly clock?: Clock
}

// RFC 9110 §5.1, §5.5, without what is obsolete.
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const HEADER_VALUE = /^[\x21-\x7e]+(?: +[\x21-\x7e]+)*$/
/** Ours: what a caller may not set. */
const RESERVED: ReadonlySet<string> = new Set(['accept', 'content-type', 'content-length', 'host', 'x-request-id'])

/** A policy decision point, asked within bounds: a deadline, a circuit breaker, no redirects, so many bytes, strict JSON. */
export class PdpConnection {
  readonly name: string
  readonly timeout: number
  readonly #headers: NonNullable<ConnectionOptions['headers']>
  readonly #maxBytes: number
  readonly #fetch: Fetch
  readonly #breaker: Breaker

  /** @throws DeciderError `rbac.decider_options_invalid` */
  constructor(options: ConnectionOptions) {
    const { name = 'authzen', headers = {}, fetch = globalThis.fetch, clock } = options
    if (typeof name !== 'string' || name === '') throw optionsInvalid('name is not a text')
    this.name = name
    this.timeout = checkWhole('timeout', options.timeout ?? 1000, 1, 60_000)
    this.#headers = headers
    this.#maxBytes = checkWhole('maxBytes', options.maxBytes ?? 1_048_576, 1, 67_108_864)
    this.#fetch = fetch
    if (typeof headers !== 'function') checkHeaders(headers, optionsInvalid)
    this.#breaker = createBreaker({
      name,
      timeout: this.timeout,
      unavailable: (why, timeout) =>
        unavailable(why === 'late' ? `no answer within ${timeout} ms` : 'it has not answered lately'),
      // Who is refused, or gets nonsense for one question, has found somebody there: others may still ask.
      isOutage: (error) => error instanceof Outage || !(error instanceof DeciderError),
      ...(clock === undefined ? {} : { clock }),
    })
  }

  /** @throws DeciderError `rbac.decider_unavailable`, `rbac.decider_answer_malformed` */
  get(url: string): Promise<JsonObject> {
    return this.#run(url, { method: 'GET' }, undefined)
  }

  /** @throws DeciderError `rbac.decider_unavailable`, `rbac.decider_answer_malformed` */
  post(url: string, body: object, signal?: AbortSignal): Promise<JsonObject> {
    return this.#run(url, { method: 'POST', body: JSON.stringify(body) }, signal)
  }

  async #run(url: string, init: RequestInit, gone: AbortSignal | undefined): Promise<JsonObject> {
    const controller = new AbortController()
    const signal = gone === undefined ? controller.signal : AbortSignal.any([gone, controller.signal])
    try {
      return await this.#breaker.run(() => this.#ask(url, init, signal, gone))
    } catch (error) {
      throw error instanceof DeciderError ? error : unavailable('it can not be asked', error)
    } finally {
      controller.abort()
    }
  }

  async #ask(url: string, init: RequestInit, signal: AbortSignal, gone: AbortSignal | undefined): Promise<JsonObject> {
    const given = typeof this.#headers === 'function' ? await this.#headers() : this.#headers
    checkHeaders(given, unavailable)
    const id = randomUUID()
    const headers = {
      ...given,
      accept: 'application/json',
      'x-request-id': id,
      ...(init.method === 'POST' ? { 'content-type': 'application/json' } : {}),
    }
    try {
      // A redirect leads where nobody has looked, with our credentials.
      const response = await this.#fetch(url, { ...init, headers, redirect: 'error', signal })
      return await this.#read(response, id)
    } catch (error) {
      // That our own caller has left says nothing about who was asked.
      if (gone?.aborted === true) throw unavailable('nobody waits for the answer any more')
      throw error
    }
  }

  async #read(response: Response, id: string): Promise<JsonObject> {
    const { status } = response
    if (status !== 200) {
      await response.body?.cancel()
      throw status === 429 || status >= 502 ? new Outage(status) : unavailable(`the answer has status ${status}`)
    }
    const type = response.headers.get('content-type') ?? ''
    if (!/^application\/json\s*(?:;|$)/i.test(type)) {
      await response.body?.cancel()
      throw malformed('the answer is not JSON by its content type')
    }
    // §10.1.3: the same identifier, so that another's answer is not taken for ours
    const echoed = response.headers.get('x-request-id')
    if (echoed !== null && echoed !== id) {
      await response.body?.cancel()
      throw malformed('the answer is to another request')
    }
    const body = await readUpTo(response, this.#maxBytes)
    if (body === undefined) throw malformed(`the answer has more than ${this.#maxBytes} bytes`)
    const parsed = parseStrictJson(body)
    if (typeof parsed === 'string') throw malformed(`the answer is refused: ${parsed}`)
    return parsed
  }
}

/** Nobody is there to decide, for now. */
class Outage extends DeciderError {
  constructor(status: number) {
    super('rbac.decider_unavailable', `the answer has status ${status}`, { status: 503 })
  }
}

/** Checked here: the platform's `fetch` quotes a value that it does not take, and these are secrets. */
function checkHeaders(headers: unknown, wrong: (message: string) => Error): void {
  if (typeof headers !== 'object' || headers === null) throw wrong('headers are not an object')
  for (const [name, value] of Object.entries(headers)) {
    if (!HEADER_NAME.test(name) || RESERVED.has(name.toLowerCase())) throw wrong('headers name one that can not be set')
    if (typeof value !== 'string' || !HEADER_VALUE.test(value)) throw wrong(`header ${name} has no value that can be sent`)
  }
}
