import { createMemoryStore } from '@portcullis/core'
import { assignmentsSuite } from '../src/assignments.ts'
import { manualClock } from '../src/store.ts'

assignmentsSuite({
  name: 'memory',
  async open() {
    const clock = manualClock()
    const store = createMemoryStore({ clock })
    return { store, peers: [store, store], now: clock.now, advance: clock.advance, close: async () => {} }
  },
})
