import type { Database } from './schema.ts'
import type { Bound, Statement } from './statement.ts'

/** What a statement came to. */
export interface Answer {
  /** The columns of each row, in the order in which the statement names them. */
  readonly rows: readonly (readonly unknown[])[]
  /** How many rows it wrote or deleted. */
  readonly changes: number
}

/** The one way to the database: it waits where waiting helps, refuses when the store is closed, and names errors. */
export interface Access {
  /** Runs one statement; at once where the driver can. @throws StoreError */
  execute(statement: Statement, values: Readonly<Record<string, Bound>>): Answer | Promise<Answer>
  /** Reads through Kysely. What it does may be done twice. @throws StoreError */
  read<R>(work: (db: Database) => Promise<R>): Promise<R>
  /**
   * Runs `work` in one transaction, while nobody else, in no process, runs any in here. It looks before it writes: it may be run again.
   * @throws StoreError
   */
  exclusively<R>(work: (locked: Database) => Promise<R>): Promise<R>
  /** Bounds work of several steps as a single one is bounded. @throws StoreError */
  within<R>(work: () => Promise<R>): Promise<R>
  /** Waits for what is under way, and closes. Again: does nothing. */
  close(): Promise<void>
}
