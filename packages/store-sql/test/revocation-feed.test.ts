import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { revocationFeedSuite } from '@portcullis/conformance/revocation'
import { createStoreRevocationFeed } from '@portcullis/tokens'
import Database from 'libsql'
import { afterAll } from 'vitest'
import { openSqlite } from '../src/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'portcullis-sqlite-'))
afterAll(() => rmSync(directory, { recursive: true }))

let files = 0
revocationFeedSuite({
  name: 'SQLite, three connections to a new file',
  async open() {
    files += 1
    const filename = join(directory, `${files}.db`)
    const stores = [
      await openSqlite({ filename, Database }),
      await openSqlite({ filename, Database }),
      await openSqlite({ filename, Database }),
    ] as const
    const [a, b, c] = stores
    const feeds = [feedOn(a), feedOn(b), feedOn(c)] as const
    return {
      feeds,
      async close() {
        for (const feed of feeds) await feed.close()
        for (const store of stores) await store.close()
      },
    }
  },
})

function feedOn(store: Parameters<typeof createStoreRevocationFeed>[0]['store']) {
  return createStoreRevocationFeed({ store, interval: 50, timeout: 10_000 })
}
