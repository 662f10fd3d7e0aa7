import { type Clock, systemClock } from '@portcullis/core'
import { sql } from 'kysely'
import { setBackend } from './backend.ts'
import { StoreError } from './errors.ts'
import { createPostgresBackend, postgresBuilder } from './postgres-access.ts'
import { type OwnPool, openPool, type PostgresConnection, type PostgresConstructor } from './postgres-pool.ts'
import type { Dialect, SqlTraits } from './schema.ts'
import { createSqlStore, type SqlStore } from './sql-store.ts'

/** Options of {@link openPostgres}. */
export interface PostgresOptions {
  /** The driver: `Pool` of `pg`. The pool is made here, and closed with the store. */
  readonly Pool: PostgresConstructor
  /** Where the database is: `postgres://user:password@host/database?sslmode=verify-full`. */
  readonly connectionString?: string
  /** The same in parts, where a part is no text: a password that a function gets, certificates. */
  readonly connection?: PostgresConnection
  /** The schema that holds the tables. It is made with them. Default: `public`. */
  readonly schema?: string
  /** Default: the machine's clock. All processes on one database should go by the same. */
  readonly clock?: Clock
  /** Connections of this process at most: 1 to 1,000. Default: 10. */
  readonly poolSize?: number
  /** For each verb, in milliseconds, everything included: 10 to 600,000. Default: 2,000. */
  readonly timeout?: number
  /** Whether pending migrations are applied at once. Default: true. When false and some are: verbs say `store_sql.migration_pending`. */
  readonly migrate?: boolean
  /** As events and the server's list of connections name it: 1 to 40 of `A-Z a-z 0-9 . _ -`. Default: `postgres`. */
  readonly name?: string
}

/**
 * Opens a store in a PostgreSQL database. A write that was acknowledged is as durable as the database makes it (`synchronous_commit`).
 *
 * @throws StoreError `store_sql.options_invalid`, `store_sql.unavailable`, `store_sql.timeout`, `store_sql.busy`,
 *   `store_sql.access_denied`, `store_sql.read_only`, `store_sql.migration_unknown`
 * @example const store = await openPostgres({ connectionString: process.env.DATABASE_URL, Pool })
 */
export async function openPostgres(options: PostgresOptions): Promise<SqlStore> {
  const { clock = systemClock, schema = 'public', timeout = 2000, migrate = true, name = 'postgres' } = options
  if (typeof schema !== 'string' || !/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    throw invalid('schema must be 1 to 63 of a-z, 0-9 and _, and begin with no digit')
  }
  if (!isWithin(timeout, 10, 600_000)) throw invalid('timeout must be 10 to 600,000 milliseconds')
  if (typeof name !== 'string' || !/^[A-Za-z0-9._-]{1,40}$/.test(name)) {
    throw invalid('name must be 1 to 40 of A-Z, a-z, 0-9, ".", "_" and "-"')
  }
  const traits = traitsOf(schema)
  const dialect: Dialect = { db: postgresBuilder(schema), traits }
  const backend = createPostgresBackend({ pool: makePool(options, timeout, name), traits, name, timeout, clock })
  const store = createSqlStore({ dialect, access: backend, clock })
  setBackend(store, { name: 'postgres', dialect, backend })
  try {
    // Listing refuses a database that a newer version has migrated.
    await (migrate ? store.migrations.apply() : store.migrations.list())
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

function makePool(
  { Pool, connectionString, connection, poolSize = 10 }: PostgresOptions,
  timeout: number,
  name: string,
): OwnPool {
  if (typeof Pool !== 'function') throw invalid("Pool must be the constructor of pg's pools")
  if ((connectionString === undefined) === (connection === undefined)) {
    throw invalid('either connectionString or connection says where the database is')
  }
  if (connectionString !== undefined && !(/^postgres(ql)?:\/\//.test(connectionString) && URL.canParse(connectionString))) {
    throw invalid('connectionString must be an address that begins with postgres://')
  }
  if (!isWithin(poolSize, 1, 1000)) throw invalid('poolSize must be 1 to 1,000 connections')
  return openPool(Pool, {
    ...(connectionString === undefined ? connection : { connectionString }),
    max: poolSize,
    connectionTimeoutMillis: timeout,
    // What nobody waits for any more, the server ends by itself.
    statement_timeout: timeout,
    lock_timeout: timeout,
    idle_in_transaction_session_timeout: Math.max(timeout, 10_000),
    keepAlive: true,
    application_name: `portcullis ${name}`,
  })
}

function traitsOf(schema: string): SqlTraits {
  return {
    name: 'postgres',
    schema: `"${schema}"`,
    integer: 'bigint',
    real: 'double precision',
    // By bytes, whatever the database's locale: order must not change when the operating system's does.
    byteWise: sql`collate "C"`,
    tableEnd: sql``,
    // An entry of a btree takes 2,704 bytes; an id of 512 characters can have 1,536 of them, and so can a key.
    longestKey: 1024,
    // An array, because a subquery with a limit may be run more than once, and skip others each time.
    isAmong: (ids) => sql`${sql.ref('id')} = any(array(${ids.forUpdate().skipLocked()}))`,
    async hasTable(db, table) {
      const query = sql`select 1 from pg_catalog.pg_tables where schemaname = ${schema} and tablename = ${table}`
      return (await query.execute(db)).rows.length > 0
    },
    lock: ['begin', `select pg_advisory_xact_lock(hashtextextended('portcullis ${schema}', 0))`],
    foundation: schema === 'public' ? [] : [`create schema if not exists "${schema}"`],
    now: '(extract(epoch from now()) * 1000)::bigint',
  }
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most
}

function invalid(message: string): StoreError {
  return new StoreError('store_sql.options_invalid', message)
}
