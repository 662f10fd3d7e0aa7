import { createServer, type Server } from 'node:http'
import type { Guard, RequestView } from '@portcullis/core'
import { byAddress, createBruteForceGuard, createMemoryRateLimitStore, type LimitFacts, limit } from '@portcullis/rate-limit'

const store = createMemoryRateLimitStore()

/** At most 100 requests a minute and 1,000 a day from one address; what the minute refuses is not charged to the day. */
export const flood: Guard<LimitFacts> = limit({
  name: 'api',
  policies: [
    { name: 'burst', quota: 100, window: 60 },
    { name: 'daily', quota: 1000, window: 86_400 },
  ],
  key: byAddress(),
  store,
})

const guesses = createBruteForceGuard({ store })

/** A guess is paid for before the password is looked at. */
export async function signIn(req: RequestView, email: string, verify: () => Promise<boolean>): Promise<number> {
  const attempt = await guesses.attempt({ account: email, address: req.client.ip }, { request: req })
  if (!attempt.allowed) return 429
  const right = await verify()
  await attempt.settle(right ? 'success' : 'failure')
  return right ? 200 : 401
}

/** Without an adapter, a guard is a function: it is asked, and its answer is sent. */
export const server: Server = createServer((req, res) => {
  const { method = 'GET', url: target = '/', headers, socket } = req
  const client = { ip: socket.remoteAddress, secure: false, host: headers.host ?? '' }
  const body = async () => ({ raw: new Uint8Array() })
  const view: RequestView = {
    method,
    target,
    headers,
    client,
    socket,
    route: undefined,
    body,
    signal: AbortSignal.timeout(5_000),
  }
  void Promise.resolve(flood(view)).then((decision) => {
    const reply = decision.type === 'reply' ? decision.reply : { status: 200, body: 'hello' }
    for (const [name, value] of [...(decision.type === 'continue' ? (decision.headers ?? []) : []), ...(reply.headers ?? [])]) {
      res.setHeader(name, value)
    }
    res.statusCode = reply.status
    res.end(reply.body)
  })
})
