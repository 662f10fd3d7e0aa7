import { oneTimeSuite } from '@portcullis/conformance/one-time'
import { manualClock } from '@portcullis/conformance/store'
import { describe } from 'vitest'
import { createRedisStore } from '../src/index.ts'
import { backends, skipped } from './backends.ts'

for (const { name, start } of backends) {
  describe.skipIf(skipped)(`on a backend of its own: ${name}`, () => {
    const clients = start()
    oneTimeSuite({
      name,
      async open() {
        const clock = manualClock()
        const [store, ...peers] = clients().map((client) => createRedisStore({ client, clock, timeout: 10_000 }))
        return { store: store!, peers, now: clock.now, advance: clock.advance, close: async () => {} }
      },
    })
  })
}
