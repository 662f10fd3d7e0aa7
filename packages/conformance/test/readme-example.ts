import { manualClock, storeSuite } from '@portcullis/conformance/store'
import { createMemoryStore } from '@portcullis/core'

storeSuite({
  name: 'memory',
  async open() {
    const clock = manualClock()
    // Your backend here. It must go by this clock, so that the suite can let things expire without waiting.
    const store = createMemoryStore({ clock })
    return { store, now: clock.now, advance: clock.advance, close: async () => {} }
  },
})
