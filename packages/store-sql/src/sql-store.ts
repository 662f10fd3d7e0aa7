import {
  type Clock,
  type Collection,
  type CollectionDeclaration,
  CoreError,
  type Json,
  normalizeDeclaration,
  type Store,
  sameDeclaration,
} from '@portcullis/core'
import type { Access } from './access.ts'
import { SqlCollection } from './collection.ts'
import { ensureTable } from './collection-table.ts'
import { StoreError } from './errors.ts'
import { applyMigrations, listMigrations, type MigrationStatus } from './migrations.ts'
import type { Database, EntryDatabase, SqlTraits } from './schema.ts'

/** A store in an SQL database. */
export interface SqlStore extends Store {
  /** The framework's own migrations. Tables of collections are not among them: those come from declarations. */
  readonly migrations: Migrations
  /**
   * Makes the tables of all collections declared so far. Without it the first verb on each collection does; with it, a start-up
   * learns at once when it cannot be done.
   * @throws StoreError `store_sql.migration_pending` and what any verb throws
   */
  prepare(): Promise<void>
  /**
   * Deletes all that has expired in the collections declared so far, in small batches. Writes do it by and by: this is for an
   * idle hour.
   * @throws StoreError
   */
  sweep(): Promise<void>
  /** Waits for what is under way, and closes. Again: does nothing. Every verb after it: `store_sql.closed`. */
  close(): Promise<void>
}

/** The framework's own migrations. */
export interface Migrations {
  /** All of them, in order, with when each was applied. @throws StoreError `store_sql.migration_unknown` */
  list(): Promise<readonly MigrationStatus[]>
  /** Applies what is pending, under a lock, all or nothing; then lists. @throws StoreError `store_sql.migration_unknown` */
  apply(): Promise<readonly MigrationStatus[]>
}

/** What a store is made of. */
export interface SqlStoreParts {
  readonly db: Database
  readonly traits: SqlTraits
  readonly access: Access
  readonly clock: Clock
}

interface Declared {
  readonly collection: SqlCollection<Json>
  ensure(): Promise<void>
}

/** What the stores on all SQL databases have in common; `openSqlite` adds the rest. */
export function createSqlStore({ db, traits, access, clock }: SqlStoreParts): SqlStore {
  const declared = new Map<string, Declared>()
  const migrations: Migrations = {
    list: () => access.run(() => listMigrations(db)),
    apply: () => access.run(() => applyMigrations(db, traits, clock)),
  }

  async function makeTable(declaration: Required<CollectionDeclaration>): Promise<void> {
    const pending = (await migrations.list()).filter(({ appliedAt }) => appliedAt === undefined)
    if (pending.length > 0) {
      throw new StoreError('store_sql.migration_pending', `${pending.length} migrations are pending: call migrations.apply()`)
    }
    await access.run(() => ensureTable(db, traits, declaration))
  }

  function declare(declaration: Required<CollectionDeclaration>): Declared {
    let made: Promise<void> | undefined
    const ensure = (): Promise<void> => {
      made ??= makeTable(declaration).catch((error: unknown) => {
        // The next verb tries again.
        made = undefined
        throw error
      })
      return made
    }
    const collection = new SqlCollection<Json>(
      declaration,
      // One database, seen by other columns.
      db as unknown as EntryDatabase,
      async (query) => {
        await ensure()
        return access.run(query)
      },
      clock,
    )
    return { collection, ensure }
  }

  return {
    collection<T extends Json>(given: CollectionDeclaration): Collection<T> {
      const declaration = normalizeDeclaration(given)
      let found = declared.get(declaration.name)
      if (found === undefined) {
        found = declare(declaration)
        declared.set(declaration.name, found)
      } else if (!sameDeclaration(found.collection.declaration, declaration)) {
        throw new CoreError('core.collection_invalid', `${declaration.name} was declared before with other indexes`)
      }
      return found.collection as unknown as Collection<T>
    },
    migrations,
    async prepare() {
      for (const { ensure } of declared.values()) await ensure()
    },
    async sweep() {
      for (const { collection } of declared.values()) {
        let more = true
        while (more) more = await collection.sweep()
      }
    },
    close: () => access.close(),
  }
}
