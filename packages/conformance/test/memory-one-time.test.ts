import { createMemoryStore } from '@portcullis/core'
import { oneTimeSuite } from '../src/one-time.ts'
import { manualClock } from '../src/store.ts'

oneTimeSuite({
  name: 'memory',
  async open() {
    const clock = manualClock()
    const store = createMemoryStore({ clock })
    return { store, peers: [store, store], now: clock.now, advance: clock.advance, close: async () => {} }
  },
})
