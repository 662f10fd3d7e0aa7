import { exhaustedSuite } from '@portcullis/conformance/exhausted'
import { type ManualClock, manualClock } from '@portcullis/conformance/store'
import type { RateLimitStore } from '@portcullis/rate-limit'
import pg from 'pg'
import { afterAll, beforeAll, describe } from 'vitest'
import { openPostgres, type SqlStore } from '../src/index.ts'
import { createSqlRateLimitStore } from '../src/rate-limit.ts'
import { databases } from './databases.ts'
import { postgresIt, startPostgres } from './postgres.ts'

const secret = 'sixteen bytes and more'

for (const database of databases.filter(({ backend }) => backend === 'SQLite')) {
  const fresh = database.start()
  exhaustedSuite({
    name: 'SQLite, three connections to a new file',
    async open() {
      const address = await fresh()
      const stores = [await database.open(address), await database.open(address), await database.open(address)] as const
      return underTest(manualClock(), stores)
    },
  })
}

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
  exhaustedSuite({ name: 'PostgreSQL, three stores on one database', open: async () => underTest(clock, stores) })
})

function underTest(clock: ManualClock, stores: readonly [SqlStore, SqlStore, SqlStore]) {
  const limits = (of: SqlStore): RateLimitStore => createSqlRateLimitStore({ store: of, secret, clock, timeout: 20_000 })
  const [store, ...peers] = stores
  return {
    store: limits(store),
    peers: peers.map(limits),
    now: clock.now,
    advance: clock.advance,
    close: async () => undefined,
  }
}
