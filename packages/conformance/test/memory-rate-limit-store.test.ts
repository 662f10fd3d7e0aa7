import { createMemoryRateLimitStore } from '@portcullis/rate-limit'
import { rateLimitStoreSuite } from '../src/rate-limit.ts'
import { manualClock } from '../src/store.ts'

rateLimitStoreSuite({
  name: 'memory',
  numRuns: 1000,
  async open() {
    const clock = manualClock()
    const store = createMemoryRateLimitStore({ clock })
    return { store, now: clock.now, advance: clock.advance, close: async () => {} }
  },
})
