import { type RateLimitStoreUnderTest, rateLimitStoreSuite } from '@portcullis/conformance/rate-limit'
import { hasRedis, RedisCluster, RedisServer } from '@portcullis/conformance/servers'
import { manualClock } from '@portcullis/conformance/store'
import { type RateLimitVerdict, scopePolicies } from '@portcullis/rate-limit'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { RedisClient } from '../src/index.ts'
import { createRedisRateLimitStore } from '../src/rate-limit.ts'
import { Clients } from './clients.ts'

const numRuns = process.env['CI'] === undefined ? 100 : 1000
const secret = 'a secret of at least 16 bytes'

it.runIf(process.env['CI'] !== undefined)('there is a redis-server in CI', () => {
  expect(hasRedis()).toBe(true)
})

function subject(clients: readonly RedisClient[]): RateLimitStoreUnderTest {
  const clock = manualClock()
  // Hundreds of calls at once on a busy machine are slower than a service would stand.
  const [store, ...peers] = clients.map((client) => createRedisRateLimitStore({ client, secret, clock, timeout: 10_000 }))
  return { store: store!, peers, now: clock.now, advance: clock.advance, close: async () => {} }
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

  it('goes by the clock of the server: whatever time it is here, and a bucket ends when everything has come back', async () => {
    const client = clients.of(server)
    const limits = createRedisRateLimitStore({ client, secret, timeout: 10_000 })
    const policies = scopePolicies('own', [{ name: 'p', quota: 7, window: 1, burst: 700 }])
    const here = vi.spyOn(Date, 'now').mockReturnValue(Date.UTC(2001, 0, 1))
    let verdict: RateLimitVerdict
    try {
      verdict = await limits.consume(['k'], policies, 100)
    } finally {
      here.mockRestore()
    }
    const { at, results } = verdict
    expect(Math.abs(at - Date.now())).toBeLessThan(10_000)
    // 100 units of 1000/7 ms.
    expect(results).toMatchObject([{ remaining: 600, resetAt: at + 14_286 }])
    const [key = ''] = await client.keys('*own:p:*')
    expect(await client.call('PEXPIRETIME', key)).toBe(at + 14_286)
    expect(await client.get(key)).toBe(`${at + 14_285}:5`)
    await limits.adjust(['k'], policies, -100, verdict)
    expect(await client.exists(key)).toBe(0)
  })

  it('keeps a bucket whose units come back in a thousand years, without an error that would leave another half charged', async () => {
    const limits = createRedisRateLimitStore({ client: clients.of(server), secret, timeout: 10_000 })
    const policies = scopePolicies('long', [
      { name: 'a', quota: 5, window: 60 },
      { name: 'b', quota: 1, window: 366 * 86_400 },
    ])
    for (let n = 0; n < 4; n++) await limits.adjust(['k', 'k'], policies, 1_000_000_000)
    expect(await limits.consume(['k', 'k'], policies, 1)).toMatchObject({
      allowed: false,
      results: [{ remaining: 0 }, { remaining: 0 }],
    })
  })

  rateLimitStoreSuite({ name: 'Redis, three clients', numRuns, timeout: 600_000, open: async () => subject(three) })
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

  rateLimitStoreSuite({ name: 'Redis Cluster, three clients', numRuns, timeout: 600_000, open: async () => subject(three) })
})
