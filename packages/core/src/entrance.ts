import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import { type Clock, systemClock } from './clock.ts'
import { decide, type Verdict } from './decide.ts'
import type { Guard } from './decision.ts'
import { defineEvent, type EventType } from './events.ts'
import { NodeView } from './node-view.ts'
import { problem } from './problem.ts'
import { trustedProxies } from './proxies.ts'

/** Options of an adapter's `portcullis()`. */
export interface EntranceOptions {
  /** CIDR ranges whose forwarding headers are believed; none by default. */
  readonly trustedProxies?: readonly string[]
  /** Asked for every request before routing: HTTPS only, security headers, a limit by address. */
  readonly guards?: readonly Guard[]
  /**
   * Outside production an answer that no decision stands behind becomes a 500; in production it goes out, and the event
   * `core.undecided_response` says so. Default: whether `NODE_ENV` is `production`.
   */
  readonly production?: boolean
  /** Time of the events. */
  readonly clock?: Clock
}

/** The first thing that meets a request. */
export interface Entrance {
  /** Makes the view of a request, and watches over its answer. */
  enter(req: IncomingMessage, res: ServerResponse): NodeView
  /** Asks the entrance's own guards. */
  decide(view: NodeView): Verdict | Promise<Verdict>
}

/** Data of `core.undecided_response`. */
export interface UndecidedEvent {
  readonly method: string
  readonly status: number
  /** Whether the answer was replaced by a 500. */
  readonly replaced: boolean
}

/** An answer below 400 went out, or was about to, that no decision stands behind. */
export const undecidedEvent: EventType<'core.undecided_response', UndecidedEvent> = defineEvent('core.undecided_response')

/** @throws CoreError `core.proxy_list_invalid` */
export function createEntrance(options: EntranceOptions = {}): Entrance {
  const resolve = trustedProxies(options.trustedProxies ?? [])
  const guards = options.guards ?? []
  const replace = !(options.production ?? process.env['NODE_ENV'] === 'production')
  const clock = options.clock ?? systemClock
  return {
    enter(req, res) {
      const view = new NodeView(req, res, resolve)
      watch(view, res, replace, clock)
      return view
    },
    decide: (view) => decide(view, guards),
  }
}

/** The tripwire. It stands at the methods through which every answer of `node:http` leaves. */
function watch(view: NodeView, res: ServerResponse, replace: boolean, clock: Clock): void {
  const { writeHead, write, end, flushHeaders } = res
  let tripped: boolean | undefined
  const trips = (status: number): boolean => {
    if (tripped !== undefined) return tripped
    if (status < 200) return false
    const undecided = status < 400 && view.state.decidedBy === undefined && !isAutomaticOptions(view, res)
    if (undecided) {
      undecidedEvent.publish({ method: view.method, status, replaced: replace }, { request: view, clock })
    }
    tripped = undecided && replace
    // At once, and not when the handler ends: a stream may never end.
    if (tripped) sendInstead()
    return tripped
  }
  const sendInstead = (): void => {
    const { headers = [], body = '' } = undecidedReply
    for (const name of res.getHeaderNames()) res.removeHeader(name)
    restoreHeaders(view, res)
    for (const [name, value] of headers) res.setHeader(name, value)
    res.setHeader('Content-Length', Buffer.byteLength(body))
    res.statusMessage = STATUS_CODES[500] ?? ''
    writeHead.call(res, 500)
    end.call(res, body, 'utf8')
  }
  res.writeHead = function guardedWriteHead(this: ServerResponse, status: number, ...rest: unknown[]) {
    if (trips(status)) return this
    // An error page may start from a clean slate, as Koa's does; what guards said goes out whoever answers.
    if (status >= 400 && !rest.some((arg) => typeof arg === 'object' && arg !== null)) restoreHeaders(view, this)
    return (writeHead as (...args: unknown[]) => ServerResponse).call(this, status, ...rest)
  } as typeof res.writeHead
  res.write = function guardedWrite(this: ServerResponse, ...args: unknown[]) {
    if (trips(this.statusCode)) return swallow(args)
    return (write as (...all: unknown[]) => boolean).apply(this, args)
  } as typeof res.write
  res.flushHeaders = function guardedFlush(this: ServerResponse) {
    if (!trips(this.statusCode)) flushHeaders.call(this)
  }
  res.end = function guardedEnd(this: ServerResponse, ...args: unknown[]) {
    if (!trips(this.statusCode)) return (end as (...all: unknown[]) => ServerResponse).apply(this, args)
    swallow(args)
    return this
  } as typeof res.end
}

/** Puts headers of guards on an answer that has lost them. */
function restoreHeaders(view: NodeView, res: ServerResponse): void {
  if (res.headersSent) return
  for (const { name, value } of view.merged.values()) if (!res.hasHeader(name)) res.setHeader(name, value)
}

/** Takes what a handler writes after the answer was replaced, and tells it that all went well. */
function swallow(args: readonly unknown[]): true {
  const done = args.find((arg) => typeof arg === 'function') as (() => void) | undefined
  if (done) process.nextTick(done)
  return true
}

const undecidedReply = problem({
  status: 500,
  detail: 'No decision stands behind this answer: the route declares no policy. Outside production it is not sent.',
})

/** A framework's own answer to OPTIONS lists methods and says nothing else. */
function isAutomaticOptions(view: NodeView, res: ServerResponse): boolean {
  return view.method === 'OPTIONS' && res.hasHeader('allow')
}
