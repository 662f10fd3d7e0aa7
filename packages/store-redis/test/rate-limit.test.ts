import { type RateLimitStoreUnderTest, rateLimitStoreSuite } from '@portcullis/conformance/rate-limit'
import { hasRedis } from '@portcullis/conformance/servers'
import { manualClock } from '@portcullis/conformance/store'
import { type RateLimitVerdict, scopePolicies } from '@portcullis/rate-limit'
import { describe, expect, it, vi } from 'vitest'
import type { RedisClient } from '../src/index.ts'
import { createRedisRateLimitStore } from '../src/rate-limit.ts'
import { backends, ownServer, skipped } from './backends.ts'

const numRuns = Number(process.env['PORTCULLIS_MODEL_RUNS'] ?? (process.env['CI'] === undefined ? 100 : 1000))
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

describe.skipIf(skipped)('on a redis-server of its own', () => {
  const own = ownServer()

  it('goes by the clock of the server: whatever time it is here, and a bucket ends when everything has come back', async () => {
    const client = own.clients.of(own.server)
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
    const kept = (await client.getBuffer(key))!
    expect([kept.readDoubleBE(0), kept.readDoubleBE(8), kept.length]).toEqual([at + 14_285, 5, 16])
    await limits.adjust(['k'], policies, -100, verdict)
    expect(await client.exists(key)).toBe(0)
  })

  it('keeps a bucket whose units come back in a thousand years, without an error that would leave another half charged', async () => {
    const limits = createRedisRateLimitStore({ client: own.clients.of(own.server), secret, timeout: 10_000 })
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
})

for (const { name, start } of backends) {
  describe.skipIf(skipped)(`on a backend of its own: ${name}`, () => {
    const clients = start()
    rateLimitStoreSuite({ name, numRuns, timeout: 600_000, open: async () => subject(clients()) })
  })
}
