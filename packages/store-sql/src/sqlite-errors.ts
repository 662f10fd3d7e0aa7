import { PortcullisError } from '@portcullis/core'
import { StoreError, type StoreErrorCode } from './errors.ts'

const BY_PREFIX: readonly (readonly [prefix: string, code: StoreErrorCode, message: string, status: number])[] = [
  ['SQLITE_BUSY', 'store_sql.busy', 'another process holds the database', 503],
  ['SQLITE_LOCKED', 'store_sql.busy', 'another connection holds the table', 503],
  ['SQLITE_CORRUPT', 'store_sql.corrupt', 'the database file is damaged: restore a backup', 500],
  ['SQLITE_NOTADB', 'store_sql.corrupt', 'the file is not a database', 500],
  ['SQLITE_FULL', 'store_sql.disk_full', 'the disk is full', 503],
  ['SQLITE_READONLY', 'store_sql.read_only', 'the database file cannot be written to', 503],
  ['SQLITE_CANTOPEN', 'store_sql.file_unavailable', 'the database file cannot be opened', 503],
  ['SQLITE_IOERR', 'store_sql.file_unavailable', 'the database file cannot be read or written', 503],
]

const FAILED = ['', 'store_sql.failed', 'the database could not do what it was asked', 500] as const

/** Names what an SQLite driver throws. SQLite's own messages name tables and columns, never a bound value: they may be the cause. */
export function sqliteError(error: unknown): Error {
  if (error instanceof PortcullisError) return error
  const given = error instanceof Error && 'code' in error ? String(error.code) : ''
  const [, code, message, status] = BY_PREFIX.find(([prefix]) => given.startsWith(prefix)) ?? FAILED
  return new StoreError(code, message, { cause: error, status })
}

/** Whether a statement, or a transaction, found the database locked and did nothing: asking again cannot do it twice. */
export function isBusy(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'store_sql.busy'
}
