import type { SqliteDatabase, SqliteStatement } from 'kysely'

/** The part of better-sqlite3's interface that is used here; `libsql` has it, too. */
export interface SqliteConnection {
  prepare(sql: string): {
    readonly reader: boolean
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

function transactionStatement(connection: SqliteConnection, text: string): SqliteStatement {
  const run = (): { changes: number; lastInsertRowid: number } => {
    connection.exec(text)
    return { changes: 0, lastInsertRowid: 0 }
  }
  return { reader: false, run, all: () => [], iterate: () => [][Symbol.iterator]() }
}

function lockingStatement(connection: SqliteConnection, statement: SqliteStatement): SqliteStatement {
  function locked<R>(use: () => R): R {
    if (connection.inTransaction) return use()
    connection.exec('begin immediate')
    try {
      const result = use()
      connection.exec('commit')
      return result
    } catch (error) {
      // Some errors, a full disk among them, have rolled back already.
      if (connection.inTransaction) connection.exec('rollback')
      throw error
    }
  }
  return {
    reader: statement.reader,
    all: (parameters) => locked(() => statement.all(parameters)),
    run: (parameters) => locked(() => statement.run(parameters)),
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
