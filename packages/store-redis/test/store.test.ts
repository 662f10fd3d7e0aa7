import { hasRedis } from '@portcullis/conformance/servers'
import { storeSuite } from '@portcullis/conformance/store'
import { describe, expect, it } from 'vitest'
import { backends, skipped, storesOn } from './backends.ts'

const numRuns = Number(process.env['PORTCULLIS_MODEL_RUNS'] ?? (process.env['CI'] === undefined ? 100 : 1000))
const modelTimeout = 600_000

it.runIf(process.env['CI'] !== undefined)('there is a redis-server in CI', () => {
  expect(hasRedis()).toBe(true)
})

for (const { name, start } of backends) {
  describe.skipIf(skipped)(`on a backend of its own: ${name}`, () => {
    const clients = start()
    storeSuite({ name, numRuns, modelTimeout, open: async () => storesOn(clients()) })
    // A cluster has sixteen by default.
    if (name !== backends[0]?.name) return
    storeSuite({
      name: `${name}, 16 partitions`,
      numRuns,
      modelTimeout,
      open: async () => storesOn(clients(), { partitions: 16, prefix: 'p16' }),
    })
  })
}
