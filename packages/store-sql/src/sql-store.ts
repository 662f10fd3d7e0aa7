import {
  type Clock,
  type Collection,
  type CollectionDeclaration,
  DeclaredCollections,
  type Json,
  type Store,
} from '@portcullis/core'
import type { Access } from './access.ts'
import { SqlCollection } from './collection.ts'
import { collectionStatements } from './collection-statements.ts'
import { keptIndexes, tableStatements } from './collection-table.ts'
import { StoreError } from './errors.ts'
import {
  applyMigrations,
  isPending,
  listMigrations,
  type MigrationStatus,
  pendingStatements,
  revertMigrations,
  runAll,
  script,
} from './migrator.ts'
import type { Dialect } from './schema.ts'

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
  /**
   * What this database lacks, as a script for people who apply it themselves: the migrations that are pending, and the tables, columns
   * and indexes of the collections declared so far. Empty when it lacks nothing.
   * @throws StoreError `store_sql.migration_unknown`
   */
  sql(): Promise<string>
  /**
   * Undoes what was applied after `to`, under a lock, all or nothing; then lists. For the way back to an older version, before it is
   * installed: `apply`, and the next opening with `migrate: true`, do it all again.
   * @param to the name of the last migration that stays; `null`: none does, and the collections' tables go, too
   * @throws StoreError `store_sql.revert_refused` when data would be lost and `loseData` does not say so; `store_sql.options_invalid`
   */
  revert(to: string | null, options?: { readonly loseData?: boolean }): Promise<readonly MigrationStatus[]>
}

/** What a store is made of. */
export interface SqlStoreParts {
  readonly dialect: Dialect
  readonly access: Access
  readonly clock: Clock
}

interface Declared {
  readonly collection: SqlCollection<Json>
  /** Whether its table is known to be there. */
  ready: boolean
  ensure(): Promise<void>
}

/** What the stores on all SQL databases have in common; `openSqlite` and `openPostgres` add the rest. */
export function createSqlStore({ dialect, access, clock }: SqlStoreParts): SqlStore {
  const declared = new DeclaredCollections(declare)
  let migrated = false

  async function list(): Promise<readonly MigrationStatus[]> {
    return access.read((db) => listMigrations(db, dialect))
  }

  const migrations: Migrations = {
    list,
    async apply() {
      const listed = await list()
      // Whoever may not change the schema need not, when there is nothing to change.
      return isPending(listed) ? access.exclusively((locked) => applyMigrations(locked, dialect, clock.now())) : listed
    },
    async sql() {
      const lacking = await access.read(async (db) => {
        const listed = await listMigrations(db, dialect)
        const statements = [...(await pendingStatements(db, dialect, listed, dialect.traits.now))]
        const registered = await dialect.traits.hasTable(db, 'pc_collections')
        for (const { collection } of declared) {
          const kept = registered ? await keptIndexes(db, collection.declaration) : undefined
          statements.push(...tableStatements(collection.declaration, dialect, kept))
        }
        return statements
      })
      return script(lacking, dialect)
    },
    async revert(to, { loseData = false } = {}) {
      const listed = await access.exclusively((locked) =>
        revertMigrations(locked, dialect, { to, loseData, now: Math.floor(clock.now()) }),
      )
      migrated = false
      for (const one of declared) one.ready = false
      return listed
    },
  }

  async function makeTable(declaration: Required<CollectionDeclaration>): Promise<void> {
    migrated ||= !isPending(await list())
    if (!migrated) {
      throw new StoreError(
        'store_sql.migration_pending',
        'migrations are pending: call migrations.apply(), or apply migrations.sql()',
      )
    }
    const kept = await access.read((db) => keptIndexes(db, declaration))
    if (tableStatements(declaration, dialect, kept).length === 0) return
    await access.exclusively(async (locked) => {
      // Asked again: another process may have been here while this one waited for the lock.
      await runAll(locked, tableStatements(declaration, dialect, await keptIndexes(locked, declaration)))
    })
  }

  function declare(declaration: Required<CollectionDeclaration>): Declared {
    let making: Promise<void> | undefined
    const statements = collectionStatements(declaration, dialect)
    const one: Declared = {
      ready: false,
      collection: new SqlCollection<Json>(
        declaration,
        statements,
        (statement, values) => {
          if (one.ready) return access.execute(statement, values)
          return access.within(async () => {
            await one.ensure()
            return access.execute(statement, values)
          })
        },
        clock,
      ),
      async ensure() {
        if (one.ready) return
        making ??= makeTable(declaration)
          .then(() => {
            one.ready = true
          })
          .finally(() => {
            // When it failed, the next verb tries again.
            making = undefined
          })
        await making
      },
    }
    return one
  }

  return {
    collection: <T extends Json>(given: CollectionDeclaration) => declared.of(given).collection as unknown as Collection<T>,
    migrations,
    async prepare() {
      for (const { ensure } of declared) await ensure()
    },
    async sweep() {
      for (const { collection, ensure } of declared) {
        await ensure()
        let more = true
        while (more) more = await collection.sweep()
      }
    },
    close: () => access.close(),
  }
}
