import { concurrencySuite } from '@portcullis/conformance/concurrency'
import { manualClock } from '@portcullis/conformance/store'
import { describe } from 'vitest'
import { databases, threeStores } from './databases.ts'

for (const database of databases) {
  describe.skipIf(database.skipped)(database.title, () => {
    const fresh = database.start()
    const clock = manualClock()
    concurrencySuite({
      name: `${database.backend}, three connections to a new database`,
      open: async () => threeStores(database, await fresh(), clock),
    })
  })
}
