import { createMemoryStore } from '@portcullis/core'
import { auditLogSuite } from '../src/audit.ts'
import { manualClock } from '../src/store.ts'

auditLogSuite({
  name: 'memory',
  async open() {
    const clock = manualClock()
    const store = createMemoryStore({ clock })
    return { store, peers: [store, store], now: clock.now, advance: clock.advance, close: async () => {} }
  },
})
