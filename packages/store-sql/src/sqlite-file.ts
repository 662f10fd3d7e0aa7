import { closeSync, openSync, type Stats, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { StoreError } from './errors.ts'

/**
 * Makes the database file before SQLite does, readable by its owner alone (0600); SQLite gives its companions `-wal` and `-shm` the
 * same mode. A file that is there already and that others may read or write is refused rather than tightened: what was in it may
 * have been read, and somebody should know.
 *
 * @returns the absolute path
 * @throws StoreError `store_sql.options_invalid`, `store_sql.file_unavailable`, `store_sql.file_exposed`
 */
export function prepareFile(filename: string): string {
  // libsql takes libsql:, http: and file: addresses where a path is expected; ':memory:' would be shared with nobody and lost.
  if (typeof filename !== 'string' || filename === '' || /^:|^[a-z][a-z0-9+.-]+:|[\0?#]/i.test(filename)) {
    throw new StoreError('store_sql.options_invalid', 'filename must be the path of a file')
  }
  const path = resolve(filename)
  try {
    // 'wx' is O_CREAT | O_EXCL: of two processes one makes it, and nobody's symbolic link is followed.
    closeSync(openSync(path, 'wx', 0o600))
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EEXIST')) {
      throw new StoreError('store_sql.file_unavailable', 'the database file cannot be made; its directory must exist', { cause })
    }
    for (const suffix of ['', '-wal', '-shm', '-journal']) refuseExposed(path, suffix)
  }
  return path
}

function refuseExposed(path: string, suffix: string): void {
  let stats: Stats | undefined
  try {
    stats = statSync(path + suffix, { throwIfNoEntry: false })
  } catch (cause) {
    throw new StoreError('store_sql.file_unavailable', 'the database file cannot be looked at', { cause })
  }
  if (stats === undefined) {
    if (suffix !== '') return
    // It exists and is not there: a symbolic link to nothing, through which SQLite would make a file with another mode.
    throw new StoreError('store_sql.file_unavailable', 'the database file is a symbolic link that leads nowhere')
  }
  if (!stats.isFile()) throw new StoreError('store_sql.file_unavailable', `the database${suffix} is not a regular file`)
  // Windows has no such modes; Node reports 0666 there for everything.
  if (process.platform !== 'win32' && (stats.mode & 0o077) !== 0) {
    throw new StoreError(
      'store_sql.file_exposed',
      `the database${suffix} file has mode ${(stats.mode & 0o777).toString(8)}: users other than its owner may have access. ` +
        'Consider what was in it as read, then set mode 600',
    )
  }
}
