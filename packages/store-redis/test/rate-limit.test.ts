import { type RateLimitStoreUnderTest, rateLimitStoreSuite } from '@portcullis/conformance/rate-limit'
import { hasRedis, RedisCluster, RedisServer } from '@portcullis/conformance/servers'
import { manualClock } from '@portcullis/conformance/store'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RedisClient } from '../src/index.ts'
import { createRedisRateLimitStore } from '../src/rate-limit.ts'
import { Clients } from './clients.ts'

const numRuns = process.env['CI'] === undefined ? 100 : 1000
const secret = 'a secret of at least 16 bytes'

it.runIf(process.env['CI'] !== undefined)('there is a redis-server in CI', () => {
  expect(hasRedis).toBe(true)
})

function subject(clients: readonly RedisClient[]): RateLimitStoreUnderTest {
  const clock = manualClock()
  // Hundreds of calls at once on a busy machine are slower than a service would stand.
  const [store, ...peers] = clients.map((client) => createRedisRateLimitStore({ client, secret, clock, timeout: 10_000 }))
  return { store: store!, peers, now: clock.now, advance: clock.advance, close: async () => {} }
}

describe.skipIf(!hasRedis)('on a redis-server of its own', () => {
  const clients = new Clients()
  let server: RedisServer
  let three: readonly RedisClient[]
  beforeAll(async () => {
    server = new RedisServer()
    await server.start()
    three = [clients.of(server), clients.of(server), clients.of(server)]
  })
  afterAll(async () => {
    clients.close()
    await server.close()
  })

  rateLimitStoreSuite({ name: 'Redis, three clients', numRuns, timeout: 600_000, open: async () => subject(three) })
})

describe.skipIf(!hasRedis)('on a Redis Cluster of its own', () => {
  const clients = new Clients()
  let cluster: RedisCluster
  let three: readonly RedisClient[]
  beforeAll(async () => {
    cluster = new RedisCluster()
    await cluster.start()
    three = [clients.ofCluster(cluster), clients.ofCluster(cluster), clients.ofCluster(cluster)]
  }, 60_000)
  afterAll(async () => {
    clients.close()
    await cluster.close()
  })

  rateLimitStoreSuite({ name: 'Redis Cluster, three clients', numRuns, timeout: 600_000, open: async () => subject(three) })
})
