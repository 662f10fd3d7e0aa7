import { revocationFeedSuite } from '@portcullis/conformance/revocation'
import { createStoreRevocationFeed, type RevocationFeed } from '@portcullis/tokens'
import { describe } from 'vitest'
import type { SqlStore } from '../src/index.ts'
import { databases } from './databases.ts'

for (const database of databases) {
  describe.skipIf(database.skipped)(database.title, () => {
    const fresh = database.start()
    revocationFeedSuite({
      name: `${database.backend}, three connections to a new database`,
      async open() {
        const address = await fresh()
        const feeds = [
          feedOn(await database.open(address)),
          feedOn(await database.open(address)),
          feedOn(await database.open(address)),
        ] as const
        return {
          feeds,
          async close() {
            for (const feed of feeds) await feed.close()
          },
        }
      },
    })
  })
}

function feedOn(store: SqlStore): RevocationFeed {
  return createStoreRevocationFeed({ store, interval: 50, timeout: 10_000 })
}
