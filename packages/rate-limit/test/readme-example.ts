import { randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { Guard, Reply, RequestView } from '@portcullis/core'
import {
  byAddress,
  createBruteForceGuard,
  createDeviceCookies,
  createMemoryRateLimitStore,
  type LimitFacts,
  limit,
  presets,
} from '@portcullis/rate-limit'

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

const guesses = createBruteForceGuard({ ...presets.signIn, store })
const devices = createDeviceCookies({ secret: process.env['DEVICE_SECRET'] ?? randomBytes(32) })

/** A guess is paid for before the password is looked at. A browser that signed in before is counted by itself. */
export async function signIn(req: RequestView, email: string, verify: () => Promise<boolean>): Promise<Reply> {
  const identity = { account: email, address: req.client.ip, device: devices.read(req, email) }
  const attempt = await guesses.attempt(identity, { request: req })
  if (!attempt.allowed) return { status: 429, headers: [['Retry-After', String(attempt.retryAfter)]] }
  const right = await verify()
  await attempt.settle(right ? 'success' : 'failure')
  return right ? { status: 200, headers: [['Set-Cookie', devices.issue(email, req)]] } : { status: 401 }
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
