import { createMemoryStore, type Store } from '@portcullis/core'
import { concurrencySuite } from '../src/concurrency.ts'
import { stepping } from '../src/concurrency-subject.ts'
import { manualClock } from '../src/store.ts'

/** A few turns of the event loop, so that callers get in each other's way in ever other orders. */
async function network(): Promise<void> {
  for (let turns = Math.floor(Math.random() * 4); turns > 0; turns--) await new Promise(setImmediate)
}

for (const [name, behind] of [
  ['memory', (store: Store) => store],
  ['memory, behind a network', stepping(network)],
] as const) {
  concurrencySuite({
    name,
    async open() {
      const clock = manualClock()
      const store = createMemoryStore({ clock })
      const connection = (): Store => behind(store)
      const peers = [connection(), connection()]
      return { store: connection(), peers, now: clock.now, advance: clock.advance, close: async () => {} }
    },
  })
}
