import type { SqliteDatabase, SqliteStatement } from 'kysely'
import type { Answer } from './access.ts'
import type { Statement } from './statement.ts'

/** The part of better-sqlite3's interface that is used here; `libsql` has it, too. */
export interface SqliteConnection {
  prepare(sql: string): {
    readonly reader: boolean
    /** Whether rows come as lists of their columns. */
    raw(toggle?: boolean): unknown
    get(...parameters: unknown[]): unknown
    all(...parameters: unknown[]): unknown[]
    run(...parameters: unknown[]): { readonly changes: number | bigint; readonly lastInsertRowid: number | bigint }
    iterate(...parameters: unknown[]): IterableIterator<unknown>
  }
  /** Runs statements that answer nothing. */
  exec(sql: string): unknown
  readonly inTransaction: boolean
  close(): unknown
}

/** `import Database from 'libsql'`, or `'better-sqlite3'`. */
export type SqliteConstructor = new (filename: string, options?: { readonly timeout?: number }) => SqliteConnection

/** A collection has about a dozen statements; this is enough for eighty, and a bound on what lists of parameters could make. */
const MOST_STATEMENTS = 1000

const WRITE = /^\s*(insert|update|delete|create|alter|drop)\b/i
const TRANSACTION = /^\s*(begin|commit|rollback)\b/i

/**
 * What Kysely is given: prepares each statement once, and takes the write lock before a statement that writes.
 *
 * The lock comes first, by `exec`, because libsql (0.5.29) leaves a prepared statement that found the database busy where it
 * stood. Such a statement keeps its view of the data from before, and with it the whole connection: no write on it would ever
 * succeed again (SQLITE_BUSY_SNAPSHOT). What `exec` runs is finalized at once, whatever comes of it.
 */
export function kyselyDatabase(connection: SqliteConnection): SqliteDatabase {
  const statements = new Map<string, SqliteStatement>()
  return {
    prepare(text) {
      if (TRANSACTION.test(text)) return transactionStatement(connection, text)
      let statement = statements.get(text)
      if (statement === undefined) {
        const prepared = connection.prepare(text)
        statement = WRITE.test(text) ? lockingStatement(connection, prepared) : prepared
        if (statements.size >= MOST_STATEMENTS) statements.clear()
        statements.set(text, statement)
      }
      return statement
    },
    close() {
      statements.clear()
      connection.close()
    },
  }
}

/**
 * Runs statements past Kysely, which compiled them: that is half of what reading a row costs. Rows come as lists, whose making is the
 * other half.
 */
export function directStatements(connection: SqliteConnection): (statement: Statement, bound: readonly unknown[]) => Answer {
  const prepared = new WeakMap<Statement, (bound: readonly unknown[]) => Answer>()
  return (statement, bound) => {
    let run = prepared.get(statement)
    if (run === undefined) {
      run = directStatement(connection, statement)
      prepared.set(statement, run)
    }
    return run(bound)
  }
}

function directStatement(connection: SqliteConnection, { text, readsOne }: Statement): (bound: readonly unknown[]) => Answer {
  const statement = connection.prepare(text)
  const { reader } = statement
  if (reader) statement.raw(true)
  function run(bound: readonly unknown[]): Answer {
    if (reader) return { rows: statement.all(bound) as unknown[][], changes: 0 }
    return { rows: [], changes: Number(statement.run(bound).changes) }
  }
  if (WRITE.test(text)) return (bound) => locked(connection, () => run(bound))
  if (!readsOne) return run
  return (bound) => {
    const row = statement.get(bound) as unknown[] | undefined
    return { rows: row === undefined ? [] : [row], changes: 0 }
  }
}

/** Runs `work` in one transaction that has the write lock from its beginning, unless it is in one already. */
export function locked<R>(connection: SqliteConnection, work: () => R): R {
  if (connection.inTransaction) return work()
  connection.exec('begin immediate')
  try {
    const result = work()
    connection.exec('commit')
    return result
  } catch (error) {
    // Some errors, a full disk among them, have rolled back already.
    if (connection.inTransaction) connection.exec('rollback')
    throw error
  }
}

function transactionStatement(connection: SqliteConnection, text: string): SqliteStatement {
  const run = (): { changes: number; lastInsertRowid: number } => {
    connection.exec(text)
    return { changes: 0, lastInsertRowid: 0 }
  }
  return { reader: false, run, all: () => [], iterate: () => [][Symbol.iterator]() }
}

function lockingStatement(connection: SqliteConnection, statement: SqliteStatement): SqliteStatement {
  return {
    reader: statement.reader,
    all: (parameters) => locked(connection, () => statement.all(parameters)),
    run: (parameters) => locked(connection, () => statement.run(parameters)),
    iterate: (parameters) => statement.iterate(parameters),
  }
}

/** Sets a PRAGMA, where a value is given, and answers what it is. */
export function pragma(connection: SqliteConnection, name: string, value?: string | number): unknown {
  if (value !== undefined) {
    const statement = connection.prepare(`pragma ${name} = ${value}`)
    // Some answer with a row, some do not; better-sqlite3 insists on the verb that fits.
    if (statement.reader) statement.all()
    else statement.run()
  }
  const [row] = connection.prepare(`pragma ${name}`).all()
  return Object.values(row ?? {})[0]
}
