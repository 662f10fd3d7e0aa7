import { auditLogSuite } from '@portcullis/conformance/audit'
import { hasRedis, RedisCluster, RedisServer } from '@portcullis/conformance/servers'
import { manualClock, type StoreUnderTest } from '@portcullis/conformance/store'
import { afterAll, beforeAll, describe } from 'vitest'
import { createRedisStore, type RedisClient } from '../src/index.ts'
import { Clients } from './clients.ts'

function subject(clients: readonly RedisClient[]): StoreUnderTest {
  const clock = manualClock()
  const [store, ...peers] = clients.map((client) => createRedisStore({ client, clock, timeout: 10_000 }))
  return { store: store!, peers, now: clock.now, advance: clock.advance, close: async () => {} }
}

describe.skipIf(!hasRedis())('on a redis-server of its own', () => {
  const clients = new Clients()
  let server: RedisServer
  beforeAll(async () => {
    server = new RedisServer()
    await server.start()
  })
  afterAll(async () => {
    clients.close()
    await server.close()
  })
  auditLogSuite({
    name: 'Redis, three clients',
    open: async () => subject([clients.of(server), clients.of(server), clients.of(server)]),
  })
})

describe.skipIf(!hasRedis())('on a Redis Cluster of its own', () => {
  const clients = new Clients()
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = new RedisCluster()
    await cluster.start()
  }, 60_000)
  afterAll(async () => {
    clients.close()
    await cluster.close()
  })
  auditLogSuite({
    name: 'Redis Cluster, three clients',
    open: async () => subject([clients.ofCluster(cluster), clients.ofCluster(cluster), clients.ofCluster(cluster)]),
  })
})
