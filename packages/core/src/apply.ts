import { isPromise, type Verdict } from './decide.ts'
import type { Reply } from './decision.ts'
import type { NodeView } from './node-view.ts'
import { putHeaders, type ResponsePort } from './put-headers.ts'

/**
 * Does what a verdict says, as far as the answer goes.
 * @returns whether the request goes on; when it does not, it was answered, or the client has left: `decide` refuses then
 */
export function apply<C>(view: NodeView, verdict: Verdict, port: ResponsePort<C>, carrier: C): boolean {
  putHeaders(view, verdict.headers, port, carrier)
  if (verdict.type === 'continue') return true
  respond(view, verdict.reply, port, carrier)
  return false
}

/** {@link apply} for frameworks that go on by a callback. A verdict that is there already costs no promise. */
export function applyThen<C>(
  view: NodeView,
  verdict: Verdict | Promise<Verdict>,
  port: ResponsePort<C>,
  carrier: C,
  next: (error?: Error) => void,
): void {
  if (!isPromise(verdict)) {
    if (apply(view, verdict, port, carrier)) next()
    return
  }
  // What `next` itself throws is not handed to `next` again.
  verdict
    .then((late) => apply(view, late, port, carrier))
    .then((goesOn) => {
      if (goesOn) next()
    }, next)
}

/** Answers with a reply, unless the client has left. Bytes, so that no framework adds to the content type. */
export function respond<C>(view: NodeView, reply: Reply, port: ResponsePort<C>, carrier: C): void {
  if (view.left) return
  putHeaders(view, reply.headers === undefined ? [] : [reply.headers], port, carrier)
  port.send(carrier, reply.status, bytesOf(reply.body))
}

function bytesOf(body: string | Uint8Array | undefined): Buffer | undefined {
  if (body === undefined) return undefined
  return typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.byteLength)
}
