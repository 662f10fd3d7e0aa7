import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ManualClock, manualClock, type StoreUnderTest, storeSuite } from '@portcullis/conformance/store'
import Database from 'libsql'
import { afterAll } from 'vitest'
import { openSqlite, type SqlStore } from '../src/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'portcullis-sqlite-'))
afterAll(() => rmSync(directory, { recursive: true }))

let files = 0
storeSuite({
  name: 'SQLite, three connections to a new file',
  async open() {
    files += 1
    const filename = join(directory, `${files}.db`)
    const clock = manualClock()
    const open = (): Promise<SqlStore> => openSqlite({ filename, Database, clock })
    return underTest(clock, await open(), await open(), await open())
  },
})

const clock = manualClock()
storeSuite({
  name: 'SQLite, one file that is closed and opened again for each test',
  async open() {
    return underTest(clock, await openSqlite({ filename: join(directory, 'kept.db'), Database, clock }))
  },
})

function underTest(time: ManualClock, store: SqlStore, ...peers: SqlStore[]): StoreUnderTest {
  return {
    store,
    peers,
    now: time.now,
    advance: time.advance,
    async close() {
      for (const opened of [store, ...peers]) await opened.close()
    },
  }
}
