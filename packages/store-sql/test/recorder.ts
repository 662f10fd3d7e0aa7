import Database from 'libsql'
import type { SqliteConnection, SqliteConstructor } from '../src/index.ts'

/** A driver that tells what it was asked, and can fail. */
export interface Recorder {
  readonly Database: SqliteConstructor
  /** The text of each statement that was prepared. */
  readonly prepared: string[]
  /** What was bound, in the order of running. */
  readonly bound: unknown[]
  readonly connections: SqliteConnection[]
  /** Thrown by the next statement that runs. */
  failure: Error | undefined
}

export function recordingDriver(): Recorder {
  const recorder: Recorder = {
    prepared: [],
    bound: [],
    connections: [],
    failure: undefined,
    // A constructor may return another object than `this`: here one that wraps the driver's.
    Database: function open(filename: string, options?: { timeout?: number }): SqliteConnection {
      const connection: SqliteConnection = new Database(filename, options)
      recorder.connections.push(connection)
      return {
        exec: (sql) => connection.exec(sql),
        get inTransaction() {
          return connection.inTransaction
        },
        close: () => connection.close(),
        prepare(sql) {
          recorder.prepared.push(sql)
          const statement = connection.prepare(sql)
          const use = <R>(parameters: unknown[], run: () => R): R => {
            recorder.bound.push(...parameters.flat())
            const { failure } = recorder
            recorder.failure = undefined
            if (failure !== undefined) throw failure
            return run()
          }
          return {
            reader: statement.reader,
            raw: (toggle) => statement.raw(toggle),
            get: (...parameters) => use(parameters, () => statement.get(...parameters)),
            all: (...parameters) => use(parameters, () => statement.all(...parameters)),
            run: (...parameters) => use(parameters, () => statement.run(...parameters)),
            iterate: (...parameters) => statement.iterate(...parameters),
          }
        },
      }
    } as unknown as SqliteConstructor,
  }
  return recorder
}
