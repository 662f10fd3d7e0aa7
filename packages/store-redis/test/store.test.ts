import { hasRedis } from '@portcullis/conformance/servers'
import { manualClock, type StoreUnderTest, storeSuite } from '@portcullis/conformance/store'
import { describe, expect, it } from 'vitest'
import { createRedisStore, type RedisClient } from '../src/index.ts'
import { backends, skipped } from './backends.ts'

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

for (const { name, start } of backends) {
  describe.skipIf(skipped)(`on a backend of its own: ${name}`, () => {
    const clients = start()
    storeSuite({ name, numRuns, modelTimeout, open: async () => subject(clients(), {}) })
    // A cluster has sixteen by default.
    if (name !== backends[0]?.name) return
    storeSuite({
      name: `${name}, 16 partitions`,
      numRuns,
      modelTimeout,
      open: async () => subject(clients(), { partitions: 16, prefix: 'p16' }),
    })
  })
}
