import { type Clock, systemClock } from '@portcullis/core'
import { Kysely, SqliteDialect, sql } from 'kysely'
import { setBackend } from './backend.ts'
import { StoreError } from './errors.ts'
import type { Database, Dialect, FrameworkTables, SqlTraits } from './schema.ts'
import { createSqlStore, type SqlStore } from './sql-store.ts'
import { createSqliteAccess } from './sqlite-access.ts'
import { kyselyDatabase, pragma, type SqliteConnection, type SqliteConstructor } from './sqlite-connection.ts'
import { prepareFile } from './sqlite-file.ts'

/** Options of {@link openSqlite}. */
export interface SqliteOptions {
  /** The path of the database file. Its directory must exist; the file is made, with mode 0600, when it does not. */
  readonly filename: string
  /** The driver: the default export of `libsql`, or of another that has better-sqlite3's interface. */
  readonly Database: SqliteConstructor
  /** Default: the machine's clock. All processes on one file should go by the same. */
  readonly clock?: Clock
  /** How long a verb waits for another process's write, in milliseconds, before `store_sql.busy`. Default: 2,000. */
  readonly busyTimeout?: number
  /** Whether pending migrations are applied at once. Default: true. When false and some are: verbs say `store_sql.migration_pending`. */
  readonly migrate?: boolean
}

/** Waiting inside SQLite stops the event loop; so this much there, in milliseconds, and the rest outside. */
const WAIT_INSIDE = 10

/**
 * Opens, or makes, a store in an SQLite file. Several processes on one machine may share the file; it must not lie on a network
 * file system. A write that was acknowledged survives the end of the process and of the machine's power.
 *
 * @throws StoreError `store_sql.options_invalid`, `store_sql.file_unavailable`, `store_sql.file_exposed`, `store_sql.corrupt`,
 *   `store_sql.busy`, `store_sql.migration_unknown`, `store_sql.migration_pending`
 * @example const store = await openSqlite({ filename: 'ledger.db', Database })
 */
export async function openSqlite(options: SqliteOptions): Promise<SqlStore> {
  const { filename, Database: Driver, clock = systemClock, busyTimeout = 2000, migrate = true } = options
  if (!Number.isSafeInteger(busyTimeout) || busyTimeout < 0 || busyTimeout > 60_000) {
    throw new StoreError('store_sql.options_invalid', 'busyTimeout must be 0 to 60,000 milliseconds')
  }
  if (typeof Driver !== 'function') throw new StoreError('store_sql.options_invalid', 'Database must be a constructor')
  const connection = connect(Driver, prepareFile(filename))
  const db: Database = new Kysely<FrameworkTables>({ dialect: new SqliteDialect({ database: kyselyDatabase(connection) }) })
  const access = createSqliteAccess({ connection, db, busyTimeout, close: () => disconnect(connection) })
  const dialect: Dialect = { db, traits: TRAITS }
  const store = createSqlStore({ dialect, access, clock })
  setBackend(store, { name: 'sqlite', dialect, access })
  try {
    await access.read(async () => configure(connection))
    // Listing refuses a database that a newer version has migrated.
    await (migrate ? store.migrations.apply() : store.migrations.list())
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

function connect(Driver: SqliteConstructor, path: string): SqliteConnection {
  try {
    return new Driver(path, { timeout: WAIT_INSIDE })
  } catch (cause) {
    throw new StoreError('store_sql.file_unavailable', 'the database file cannot be opened', { cause })
  }
}

/** Leaves everything in the one file, as far as other processes let it: whoever copies that file then has it all. */
function disconnect(connection: SqliteConnection): void {
  try {
    pragma(connection, 'wal_checkpoint(truncate)')
  } catch {
    // A file that is damaged, or is no database. Nothing is lost: what is in the -wal file is read at the next opening.
  }
  connection.close()
}

function configure(connection: SqliteConnection): void {
  pragma(connection, 'busy_timeout', WAIT_INSIDE)
  pragma(connection, 'journal_mode', 'wal')
  // FULL, not NORMAL: in WAL, NORMAL keeps what was acknowledged when the process dies, but not when the power does.
  pragma(connection, 'synchronous', 'full')
  pragma(connection, 'foreign_keys', 'on')
  // What a file that came from elsewhere has in its schema runs no function of ours.
  pragma(connection, 'trusted_schema', 'off')
  if (pragma(connection, 'journal_mode') !== 'wal' || pragma(connection, 'synchronous') !== 2) {
    throw new StoreError('store_sql.file_unavailable', 'this file system, or this driver, cannot do write-ahead logging')
  }
}

const TRAITS: SqlTraits = {
  name: 'sqlite',
  integer: 'integer',
  real: 'real',
  // BINARY compares UTF-8 bytes. It is the default; it is said so that nobody wonders.
  byteWise: sql`collate binary`,
  // Without STRICT a column takes a value of any type, and compares it by that.
  tableEnd: sql`strict`,
  isAmong: (ids) => sql`${sql.ref('id')} in ${ids}`,
  async hasTable(db, table) {
    const query = sql`select 1 from sqlite_master where type = 'table' and name = ${table}`
    return (await query.execute(db)).rows.length > 0
  },
  lock: ['begin immediate'],
  foundation: [],
  now: "cast(strftime('%s', 'now') as integer) * 1000",
}
