import { oneTimeSuite } from '@portcullis/conformance/one-time'
import { manualClock } from '@portcullis/conformance/store'
import { describe } from 'vitest'
import { databases } from './databases.ts'

for (const database of databases) {
  describe.skipIf(database.skipped)(database.title, () => {
    const fresh = database.start()
    const clock = manualClock()
    oneTimeSuite({
      name: `${database.backend}, three connections to a new database`,
      async open() {
        const address = await fresh()
        const open = () => database.open(address, { clock })
        const [store, ...peers] = [await open(), await open(), await open()]
        return { store, peers, now: clock.now, advance: clock.advance, close: async () => {} }
      },
    })
  })
}
