import http from 'node:http'
import https from 'node:https'
import { setTimeout as pause } from 'node:timers/promises'
import { CliError } from './errors.ts'
import type { ProbeActor } from './probe-actor.ts'

/** A request of the probe. */
export interface ProbeRequest {
  readonly method: string
  /** The request line's target, sent as it is. */
  readonly target: string
  readonly headers?: readonly (readonly [name: string, value: string])[]
  /** JSON. */
  readonly body?: string
  readonly as?: ProbeActor | undefined
}

/** What came of it. `closed`: the server ended the connection without an answer. `late`: nothing in time. `limited`: 429 or 503, again and again. */
export type ProbeResponse =
  | { readonly type: 'answer'; readonly status: number; readonly body: string; readonly link: string }
  | { readonly type: 'closed' | 'late' | 'limited' }

/** Options of {@link ProbeClient}. */
export interface ProbeClientOptions {
  readonly target: string
  /** Milliseconds for one answer. */
  readonly timeout: number
  readonly concurrency: number
  /** Ends all requests. */
  readonly signal: AbortSignal
}

const LONGEST_BODY = 1_048_576
const MOST_TRIES = 3
/** Milliseconds that a `Retry-After` is obeyed. */
const LONGEST_PAUSE = 10_000

/** Sends requests as they are written, whatever a polite client would make of their targets. */
export class ProbeClient {
  /** How many were sent. */
  requests = 0
  readonly host: string
  readonly #url: URL
  readonly #agent: http.Agent
  readonly #timeout: number
  readonly #signal: AbortSignal

  /** @throws CliError `cli.target_invalid` */
  constructor({ target, timeout, concurrency, signal }: ProbeClientOptions) {
    const url = URL.canParse(target) ? new URL(target) : undefined
    const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:'
    if (url === undefined || !isHttp || url.pathname !== '/' || url.search !== '' || url.username !== '') {
      throw new CliError('cli.target_invalid', '--target is no http:// or https:// address without a path')
    }
    this.#url = url
    this.host = url.host
    const settings = { keepAlive: true, maxSockets: concurrency }
    this.#agent = url.protocol === 'https:' ? new https.Agent(settings) : new http.Agent(settings)
    this.#timeout = timeout
    this.#signal = signal
  }

  async send(request: ProbeRequest): Promise<ProbeResponse> {
    for (let tries = 1; ; tries++) {
      const answer = await this.#sendOnce(request)
      if (answer.type !== 'answer') return answer
      if (answer.status !== 429 && answer.status !== 503) return answer
      if (tries === MOST_TRIES || this.#signal.aborted) return { type: 'limited' }
      await pause(Math.min(answer.retryAfter ?? 500, LONGEST_PAUSE), undefined, { signal: this.#signal }).catch(() => {})
    }
  }

  close(): void {
    this.#agent.destroy()
  }

  #sendOnce({ method, target, headers = [], body, as }: ProbeRequest): Promise<Attempt> {
    this.requests += 1
    const { hostname, port, protocol } = this.#url
    const sent: Record<string, string> = { accept: 'application/json, */*;q=0.5', host: this.host }
    for (const [name, value] of [...headers, ...(as === undefined ? [] : [as.credential.header()])]) sent[name] = value
    if (body !== undefined)
      Object.assign(sent, { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) })
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(this.#timeout)])
    const options = {
      hostname: hostname.replace(/^\[|\]$/g, ''),
      port,
      method,
      path: target,
      headers: sent,
      agent: this.#agent,
      signal,
    }
    return new Promise((resolve) => {
      const failed = (): void => resolve({ type: signal.aborted ? 'late' : 'closed' })
      const request = (protocol === 'https:' ? https : http).request(options, (response) => {
        const parts: Buffer[] = []
        let length = 0
        response.on('data', (part: Buffer) => {
          if (length < LONGEST_BODY) parts.push(part)
          length += part.length
          // Something without an end: its begin is enough.
          if (length >= LONGEST_BODY * 4) response.destroy()
        })
        response.once('error', failed)
        response.once('close', () => resolve(answerOf(response, Buffer.concat(parts))))
      })
      request.once('error', failed)
      // A handler of CONNECT or an upgrade is none that was asked for.
      request.once('upgrade', (_response, socket) => {
        socket.destroy()
        failed()
      })
      request.end(body)
    })
  }
}

type Attempt =
  | (Extract<ProbeResponse, { type: 'answer' }> & { readonly retryAfter: number | undefined })
  | Extract<ProbeResponse, { type: 'closed' | 'late' | 'limited' }>

function answerOf({ statusCode = 0, headers }: http.IncomingMessage, body: Buffer): Attempt {
  const seconds = /^\d{1,9}$/.test(headers['retry-after'] ?? '') ? Number(headers['retry-after']) : undefined
  return {
    type: 'answer',
    status: statusCode,
    body: body.toString(),
    link: String(headers['link'] ?? ''),
    retryAfter: seconds === undefined ? undefined : seconds * 1000,
  }
}

/** Whether it was answered with success. */
export function isSuccess(response: ProbeResponse): response is Extract<ProbeResponse, { type: 'answer' }> {
  return response.type === 'answer' && response.status >= 200 && response.status < 300
}
