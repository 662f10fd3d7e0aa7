import { type Guard, stores } from '@portcullis/core'
import { byAddress, type LimitFacts, limit } from '@portcullis/rate-limit'
import { createRedisRevocationFeed, createRedisStore } from '@portcullis/store-redis'
import { createRedisRateLimitStore } from '@portcullis/store-redis/rate-limit'
import { createRevocations } from '@portcullis/tokens'
import { Redis } from 'ioredis'

const client = new Redis(process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379', {
  maxRetriesPerRequest: 0,
  retryStrategy: (times) => Math.min(20 * times, 500),
  connectTimeout: 1000,
  socketTimeout: 1000,
})
client.on('error', () => {}) // the store tells, once: core.backend_lost

// What is hot. A database takes its place as `durable` as soon as something must not be lost.
const redis = createRedisStore({ client, prefix: 'ledger' })
await redis.check()
const store = stores({ durable: redis, hot: redis })

const links = store.collection<{ email: string }>({ name: 'ledger.links' })
await links.create('a-random-token', { email: 'ada@example.com' }, { expiresAt: Date.now() + 600_000 })
console.log(await links.take('a-random-token')) // { email: 'ada@example.com' }
console.log(await links.take('a-random-token')) // undefined: of any number of callers, one had it

// One count for all processes. On a route: limit(…) in the list of its guards.
const limits = createRedisRateLimitStore({
  client,
  prefix: 'ledger',
  secret: process.env['LIMIT_SECRET'] ?? 'at least 16 bytes, from your vault',
})
const policies = [{ name: 'minute', quota: 100, window: 60 }]
export const flood: Guard<LimitFacts> = limit({ name: 'api', policies, key: byAddress(), store: limits })

// Somebody signs out: no process takes a token of the session any more, within 250 ms or so.
const feed = createRedisRevocationFeed({ client, prefix: 'ledger' })
const revocations = createRevocations({ feed })
await revocations.start()
await revocations.revoke({ kind: 'session', id: 'session-1' })
console.log(revocations.status().inSync) // true

await revocations.close()
await feed.close()
await client.quit()
