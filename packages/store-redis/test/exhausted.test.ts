import { exhaustedSuite } from '@portcullis/conformance/exhausted'
import { manualClock } from '@portcullis/conformance/store'
import { describe } from 'vitest'
import { createRedisRateLimitStore } from '../src/rate-limit.ts'
import { backends, skipped } from './backends.ts'

for (const { name, start } of backends) {
  describe.skipIf(skipped)(`on a backend of its own: ${name}`, () => {
    const clients = start()
    exhaustedSuite({
      name,
      async open() {
        const clock = manualClock()
        const secret = 'a secret of at least 16 bytes'
        // A thousand calls at once on a busy machine are slower than a service would stand.
        const stores = clients().map((client) => createRedisRateLimitStore({ client, secret, clock, timeout: 10_000 }))
        const [store, ...peers] = stores
        if (store === undefined) throw new TypeError('there is no client')
        return { store, peers, now: clock.now, advance: clock.advance, close: async () => {} }
      },
    })
  })
}
