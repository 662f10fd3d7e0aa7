import type { PostgresBackend } from './postgres-access.ts'
import type { Dialect } from './schema.ts'
import type { SqlStore } from './sql-store.ts'
import type { SqliteAccess } from './sqlite-access.ts'

/** What is behind a store, for the other ports that this package implements on the same database. */
export type Backend =
  | { readonly name: 'sqlite'; readonly dialect: Dialect; readonly access: SqliteAccess }
  | { readonly name: 'postgres'; readonly dialect: Dialect; readonly backend: PostgresBackend }

// Not a member of the store: whoever holds a store may read and write collections, and nothing else.
const backends = new WeakMap<SqlStore, Backend>()

export function setBackend(store: SqlStore, backend: Backend): void {
  backends.set(store, backend)
}

/** @returns `undefined` for a store that this package did not open */
export function backendOf(store: SqlStore): Backend | undefined {
  return backends.get(store)
}
