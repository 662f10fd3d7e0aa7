import type { Compilable, Kysely, RawBuilder, SelectQueryBuilder } from 'kysely'

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
  /**
   * A bucket. `ms`, milliseconds since the epoch, is when it has nothing to tell any more: its theoretical arrival time, with `ticks` of the
   * millisecond that follows; or, where there is a log, when the last of its entries has gone.
   */
  pc_rate_limits: {
    scope: string
    key: string
    ms: number
    ticks: number
    /** SQLite: JSON, a list of pairs: the start of an entry, milliseconds since the epoch, and its units. */
    log: string | null
    /** PostgreSQL: the starts of the entries, in order, and beside each its units. */
    starts: readonly string[] | null
    units: readonly number[] | null
  }
}

/** The database, as the framework's own tables see it. */
export type Database = Kysely<FrameworkTables>

/** The database, as collections see it: every table has the same columns. */
export type EntryDatabase = Kysely<Record<string, EntryRow>>

type Ids = SelectQueryBuilder<Record<string, EntryRow>, string, { id: string }>

/** What differs between databases. */
export interface SqlTraits {
  readonly name: 'sqlite' | 'postgres'
  /** A type for whole numbers up to 2^53. */
  readonly integer: 'integer' | 'bigint'
  /** A type for JavaScript's numbers. */
  readonly real: 'real' | 'double precision'
  /** Stands behind a text column's type, so that it compares byte by byte. */
  readonly byteWise: RawBuilder<unknown>
  /** Stands at the end of `create table`. */
  readonly tableEnd: RawBuilder<unknown>
  /** The most bytes that a key may have in an SQL index, next to the longest id. */
  readonly longestKey?: number
  /** Whether a row is one of those: a batch that is locked, without waiting for what others have locked. */
  isAmong(ids: Ids): RawBuilder<boolean>
  hasTable(db: Database, table: string): Promise<boolean>
  /** Statements that begin a transaction in which nobody else changes the schema. */
  readonly lock: readonly string[]
  /** Statements that are needed before there can be a table. */
  readonly foundation: readonly string[]
  /** Milliseconds since the epoch, as an expression. */
  readonly now: string
  /** `"schema"`, where tables are in one that statements must name. */
  readonly schema?: string
}

/** Queries are built for this database. What is built is compiled, and run by other means. */
export interface Dialect {
  readonly db: Database
  readonly traits: SqlTraits
}

/** The text of a statement that takes no parameters. */
export function textOf(query: Compilable): string {
  const { sql, parameters } = query.compile()
  if (parameters.length > 0) throw new TypeError('a statement of the schema takes no parameters')
  return sql
}
