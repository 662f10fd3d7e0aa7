import { hasRedis, RedisCluster, RedisServer } from '@portcullis/conformance/servers'
import { manualClock, type StoreUnderTest, storeSuite } from '@portcullis/conformance/store'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRedisStore, type RedisClient } from '../src/index.ts'
import { Clients } from './clients.ts'

const numRuns = process.env['CI'] === undefined ? 100 : 1000
const modelTimeout = 600_000

it.runIf(process.env['CI'] !== undefined)('there is a redis-server in CI', () => {
  expect(hasRedis()).toBe(true)
})

function subject(
  clients: readonly RedisClient[],
  options: { readonly partitions?: number; readonly prefix?: string },
): StoreUnderTest {
  const clock = manualClock()
  // Two hundred calls at once on a busy machine are slower than a service would stand.
  const open = (client: RedisClient) => createRedisStore({ client, clock, timeout: 10_000, ...options })
  const [store, ...peers] = clients.map(open)
  return { store: store as StoreUnderTest['store'], peers, now: clock.now, advance: clock.advance, close: async () => {} }
}

describe.skipIf(!hasRedis())('on a redis-server of its own', () => {
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

  storeSuite({ name: 'Redis, three clients', numRuns, modelTimeout, open: async () => subject(three, {}) })
  storeSuite({
    name: 'Redis, three clients, 16 partitions',
    numRuns,
    modelTimeout,
    open: async () => subject(three, { partitions: 16, prefix: 'p16' }),
  })
})

describe.skipIf(!hasRedis())('on a Redis Cluster of its own', () => {
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

  storeSuite({ name: 'Redis Cluster, three clients', numRuns, modelTimeout, open: async () => subject(three, {}) })
})
