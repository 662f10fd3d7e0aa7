import { setTimeout as pause } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Access, Answer } from './access.ts'
import type { Database } from './schema.ts'
import { directStatements, locked, type SqliteConnection } from './sqlite-connection.ts'
import { isBusy, sqliteError } from './sqlite-errors.ts'
import type { Bound, Statement } from './statement.ts'
import { UnderWay } from './under-way.ts'

/** The way to an SQLite file: statements run at once, on one connection. */
export interface SqliteAccess extends Access {
  /** Runs one statement, inside `atomically`. */
  run(statement: Statement, values: Readonly<Record<string, Bound>>): Answer
  /** Runs `work`, which awaits nothing, in one transaction that has the write lock from its beginning. @throws StoreError */
  atomically<R>(work: () => R): R | Promise<R>
}

/** What {@link createSqliteAccess} is made of. */
export interface SqliteAccessParts {
  readonly connection: SqliteConnection
  /** On that connection. */
  readonly db: Database
  /** Milliseconds for which a busy database is asked again. */
  readonly busyTimeout: number
  readonly close: () => void
}

export function createSqliteAccess({ connection, db, busyTimeout, close }: SqliteAccessParts): SqliteAccess {
  const underWay = new UnderWay()
  const direct = directStatements(connection)
  /** A transaction of several steps: on the one connection, whatever ran between them would be part of it. */
  let transaction: Promise<void> | undefined
  /** Asking a busy database stops the event loop for a moment: of all who wait, one asks. */
  const asking = new Line()

  function run(statement: Statement, values: Readonly<Record<string, Bound>>): Answer {
    return direct(statement, statement.bind(values))
  }

  /** At once, if the database lets it; else a promise. */
  function now<R>(work: () => R): R | Promise<R> {
    underWay.begin()
    let waits = transaction !== undefined
    try {
      if (!waits) return work()
    } catch (thrown) {
      const error = sqliteError(thrown)
      if (!isBusy(error) || busyTimeout === 0) throw error
      waits = true
    } finally {
      if (!waits) underWay.end()
    }
    return patiently(async () => {
      while (transaction !== undefined) await transaction
      return work()
    }).finally(() => underWay.end())
  }

  async function patiently<R>(work: () => Promise<R>): Promise<R> {
    const deadline = performance.now() + busyTimeout
    try {
      return await work()
    } catch (thrown) {
      const error = sqliteError(thrown)
      if (!isBusy(error)) throw error
      return asking.after(() => again(work, deadline, error))
    }
  }

  async function again<R>(work: () => Promise<R>, deadline: number, found: Error): Promise<R> {
    let error = found
    while (isBusy(error) && performance.now() < deadline) {
      // Uneven, so that processes which collided do not collide again.
      await pause(2 + Math.random() * 8)
      try {
        return await work()
      } catch (thrown) {
        error = sqliteError(thrown)
      }
    }
    throw error
  }

  async function alone<R>(work: () => Promise<R>): Promise<R> {
    while (transaction !== undefined) await transaction
    const working = work()
    const end = (): void => {
      transaction = undefined
    }
    transaction = working.then(end, end)
    return working
  }

  return {
    run,
    execute: (statement, values) => now(() => run(statement, values)),
    atomically: (work) => now(() => locked(connection, work)),
    read: (work) => underWay.during(() => patiently(() => work(db))),
    exclusively: (work) => underWay.during(() => patiently(() => alone(() => immediately(db, work)))),
    within: (work) => work(),
    close: () => underWay.close(async () => close()),
  }
}

/** Does one thing after another. */
class Line {
  #last: Promise<unknown> = Promise.resolve()

  after<R>(work: () => Promise<R>): Promise<R> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => undefined)
    return result
  }
}

/** IMMEDIATE takes the write lock now. Taken at the first write, it could fail half-way and without waiting. */
function immediately<R>(db: Database, work: (locked: Database) => Promise<R>): Promise<R> {
  return db.connection().execute(async (locked) => {
    await sql`begin immediate`.execute(locked)
    try {
      const result = await work(locked)
      await sql`commit`.execute(locked)
      return result
    } catch (error) {
      await sql`rollback`.execute(locked).catch(() => undefined)
      throw error
    }
  })
}
