import type { ManualClock, StoreUnderTest } from '@portcullis/conformance/store'
import { type Clock, systemClock } from '@portcullis/core'
import Database from 'libsql'
import pg from 'pg'
import { onTestFinished } from 'vitest'
import { openPostgres, openSqlite, type SqlStore } from '../src/index.ts'
import { freshFile } from './directory.ts'
import { ask, freshDatabase, postgresIt, startPostgres } from './postgres.ts'

/** How a test opens a store. */
export interface TestOptions {
  readonly clock?: Clock
  readonly migrate?: boolean
}

/** A database, as tests that hold on all of them see it. */
export interface TestDatabase {
  /** As the reports name it. */
  readonly backend: 'SQLite' | 'PostgreSQL'
  readonly title: string
  readonly skipped: boolean
  /** Called in a `describe`. @returns makes a new, empty database, and says where it is */
  start(): () => Promise<string>
  /** Patient: tests of races are no tests of time-outs. It is closed when the test ends. */
  open(address: string, options?: TestOptions): Promise<SqlStore>
  /** Rows of one query, past the store. */
  ask(address: string, text: string): Promise<Record<string, unknown>[]>
  /** Runs a script, past the store. */
  run(address: string, script: string): Promise<void>
}

const sqlite: TestDatabase = {
  backend: 'SQLite',
  title: 'on SQLite',
  skipped: false,
  start: () => async () => freshFile(),
  async open(filename, { clock = systemClock, migrate = true } = {}) {
    return closing(await openSqlite({ filename, Database, clock, migrate, busyTimeout: 20_000 }))
  },
  async ask(filename, text) {
    const raw = new Database(filename)
    try {
      return raw.prepare(text).all() as Record<string, unknown>[]
    } finally {
      raw.close()
    }
  },
  async run(filename, script) {
    const raw = new Database(filename)
    raw.exec(script)
    raw.close()
  },
}

const postgres: TestDatabase = {
  backend: 'PostgreSQL',
  title: postgresIt.title,
  skipped: postgresIt.skipped,
  start() {
    const server = startPostgres({ max_connections: '200' })
    return () => freshDatabase(server())
  },
  async open(connectionString, { clock = systemClock, migrate = true } = {}) {
    return closing(await openPostgres({ connectionString, Pool: pg.Pool, clock, migrate, timeout: 20_000 }))
  },
  ask: (connectionString, text) => ask(connectionString, text),
  async run(connectionString, script) {
    await ask(connectionString, script)
  },
}

/** Both: what is said of one is said of the other. */
export const databases: readonly TestDatabase[] = [sqlite, postgres]

/** Three stores on one database, for suites that race over connections. They are closed when the test ends. */
export async function threeStores(database: TestDatabase, address: string, clock: ManualClock): Promise<StoreUnderTest> {
  const open = (): Promise<SqlStore> => database.open(address, { clock })
  const [store, ...peers] = [await open(), await open(), await open()] as const
  return { store, peers, now: clock.now, advance: clock.advance, close: async () => {} }
}

function closing(store: SqlStore): SqlStore {
  onTestFinished(() => store.close())
  return store
}
