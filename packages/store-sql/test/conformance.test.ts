import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ManualClock, manualClock, type StoreUnderTest, storeSuite } from '@portcullis/conformance/store'
import Database from 'libsql'
import pg from 'pg'
import { afterAll, beforeAll, describe } from 'vitest'
import { openPostgres, openSqlite, type SqlStore } from '../src/index.ts'
import { postgresIt, startPostgres } from './postgres.ts'

const thorough = {
  numRuns: Number(process.env['PORTCULLIS_MODEL_RUNS'] ?? (process.env['CI'] === undefined ? 100 : 1000)),
  modelTimeout: 600_000,
}

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
  ...thorough,
  async open() {
    return underTest(clock, await openSqlite({ filename: join(directory, 'kept.db'), Database, clock }))
  },
})

describe.skipIf(postgresIt.skipped)(postgresIt.title, () => {
  const server = startPostgres()
  const time = manualClock()
  let stores: [SqlStore, SqlStore, SqlStore]
  beforeAll(async () => {
    const open = (): Promise<SqlStore> => {
      return openPostgres({ connectionString: server().connectionString, Pool: pg.Pool, clock: time, timeout: 20_000 })
    }
    stores = [await open(), await open(), await open()]
  })
  afterAll(async () => {
    for (const store of stores) await store.close()
  })
  storeSuite({
    name: 'PostgreSQL, three stores on one database',
    ...thorough,
    async open() {
      const [store, ...peers] = stores
      return { store, peers, now: time.now, advance: time.advance, close: async () => undefined }
    },
  })
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
