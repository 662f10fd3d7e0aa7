import {
  decide,
  type Guard,
  open,
  type Principal,
  principalOf,
  problem,
  type RoutePolicy,
  trustedProxies,
  type Verdict,
} from '@portcullis/core'
import { NodeView } from '@portcullis/core/node'
import { type Bench, speedOf } from '../bench.ts'
import { expectAnswer } from '../errors.ts'
import { row } from '../report.ts'

const TARGET = 2_000_000

// Three guards that do as little as guards can: one says who is calling, one adds headers and facts, one refuses half.
const reader: Principal = { subject: 'u1', kind: 'user', tenant: 'acme', roles: ['reader'] }
const stranger: Principal = { subject: 'u2', kind: 'user', tenant: 'acme', roles: [] }
const refusal = { type: 'reply', reply: problem({ status: 403 }), cause: { code: 'bench.denied', message: 'no role' } } as const

const authenticate: Guard = (req) => ({
  type: 'continue',
  principal: req.headers['authorization'] === 'reader' ? reader : stranger,
})
const count: Guard<{ readonly remaining: number }> = (req) => ({
  type: 'continue',
  facts: { remaining: req.client.ip === undefined ? 0 : 99 },
  headers: [['RateLimit', '"burst";r=99;t=60']],
})
const permit: Guard = (req) => (principalOf(req)?.roles.includes('reader') === true ? { type: 'continue' } : refusal)
const guards = [authenticate, count, permit]
const policy: RoutePolicy = open('benchmark')
const resolve = trustedProxies([])

// What node:http hands to an adapter, without the sockets.
const socket = { remoteAddress: '192.0.2.1' }
const headers = [{ authorization: 'reader' }, { authorization: 'stranger' }]
class Request {
  readonly method: string
  readonly url: string
  readonly socket: typeof socket
  readonly headers: (typeof headers)[number] | undefined
  constructor(n: number) {
    this.method = 'GET'
    this.url = '/api/invoices'
    this.socket = socket
    this.headers = headers[n & 1]
  }
}
class Response {
  readonly writableFinished: boolean
  listener: (() => void) | undefined
  constructor() {
    this.writableFinished = true
    this.listener = undefined
  }
  once(_: string, listener: () => void): this {
    this.listener = listener
    return this
  }
}
type ViewArguments = ConstructorParameters<typeof NodeView>

function handle(n: number): Verdict | Promise<Verdict> {
  const view = new NodeView(new Request(n) as unknown as ViewArguments[0], new Response() as unknown as ViewArguments[1], resolve)
  return decide(view, guards, policy)
}

function typeOf(verdict: Verdict | Promise<Verdict>): string {
  return verdict instanceof Promise ? 'promise' : verdict.type
}

/** Three synchronous guards on the way that an adapter takes: a view of the request, the guards, the rule. */
export const coreDecide: Bench = {
  name: 'core.decide',
  async run(options) {
    expectAnswer('core', typeOf(handle(0)) === 'continue')
    expectAnswer('core', typeOf(handle(1)) === 'reply')
    const ours = await speedOf(
      {
        name: 'ours',
        run(iterations) {
          let allowed = 0
          for (let n = 0; n < iterations; n++) if (typeOf(handle(n)) === 'continue') allowed++
          return allowed
        },
      },
      options,
    )
    return { rows: [row({ bench: 'core.decide', ours, unit: 'ops/s', peer: 'target', theirs: TARGET, target: 1 })] }
  },
}
