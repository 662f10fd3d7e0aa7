import type { Kysely, RawBuilder } from 'kysely'

/** A row of a collection's table. */
export interface EntryRow {
  id: string
  /** JSON. */
  value: string
  version: number
  /** Milliseconds since the epoch. */
  expires_at: number | null
  [column: `index_${string}`]: string | null
}

/** The framework's own tables. */
export interface FrameworkTables {
  pc_migrations: {
    name: string
    /** Milliseconds since the epoch. */
    applied_at: number
  }
  /** Which collection is in which table, and which index columns that table has by now: JSON, a list of names. */
  pc_collections: { name: string; table_name: string; indexes: string }
}

/** The database, as the framework's own tables see it. */
export type Database = Kysely<FrameworkTables>

/** The database, as collections see it: every table has the same columns. */
export type EntryDatabase = Kysely<Record<string, EntryRow>>

/** What differs between databases. */
export interface SqlTraits {
  /** A type for whole numbers up to 2^53. */
  readonly integer: 'integer' | 'bigint'
  /** Stands behind a text column's type, so that it compares byte by byte. */
  readonly byteWise: RawBuilder<unknown>
  /** Stands at the end of `create table`. */
  readonly tableEnd: RawBuilder<unknown>
  /** Runs `work` in one transaction, while nobody else, in no process, runs any in here. */
  exclusively<T>(db: Database, work: (locked: Database) => Promise<T>): Promise<T>
}
