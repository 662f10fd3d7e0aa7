import { rateLimitStoreSuite } from '@portcullis/conformance/rate-limit'
import { type ManualClock, manualClock } from '@portcullis/conformance/store'
import type { RateLimitStore } from '@portcullis/rate-limit'
import Database from 'libsql'
import pg from 'pg'
import { afterAll, beforeAll, describe } from 'vitest'
import { openPostgres, openSqlite, type SqlStore } from '../src/index.ts'
import { createSqlRateLimitStore } from '../src/rate-limit.ts'
import { freshFile } from './directory.ts'
import { postgresIt, startPostgres } from './postgres.ts'

const secret = 'sixteen bytes and more'
const thorough = {
  numRuns: Number(process.env['PORTCULLIS_MODEL_RUNS'] ?? (process.env['CI'] === undefined ? 100 : 1000)),
  timeout: 600_000,
}

rateLimitStoreSuite({
  name: 'SQLite, three connections to a new file',
  ...thorough,
  async open() {
    const filename = freshFile()
    const open = (): Promise<SqlStore> => openSqlite({ filename, Database, busyTimeout: 20_000 })
    const stores = [await open(), await open(), await open()] as const
    return underTest(manualClock(), stores, async () => {
      for (const store of stores) await store.close()
    })
  },
})

describe.skipIf(postgresIt.skipped)(postgresIt.title, () => {
  const server = startPostgres()
  const clock = manualClock()
  let stores: [SqlStore, SqlStore, SqlStore]
  beforeAll(async () => {
    const open = (): Promise<SqlStore> => openPostgres({ connectionString: server().connectionString, Pool: pg.Pool })
    stores = [await open(), await open(), await open()]
  })
  afterAll(async () => {
    for (const store of stores) await store.close()
  })
  rateLimitStoreSuite({
    name: 'PostgreSQL, three stores on one database',
    ...thorough,
    open: async () => underTest(clock, stores, async () => undefined),
  })
})

function underTest(clock: ManualClock, stores: readonly [SqlStore, SqlStore, SqlStore], close: () => Promise<void>) {
  const limits = (of: SqlStore): RateLimitStore => createSqlRateLimitStore({ store: of, secret, clock, timeout: 20_000 })
  const [store, ...peers] = stores
  return { store: limits(store), peers: peers.map(limits), now: clock.now, advance: clock.advance, close }
}
