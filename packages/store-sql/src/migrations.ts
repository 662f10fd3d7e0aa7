import type { Clock } from '@portcullis/core'
import { StoreError } from './errors.ts'
import type { Database, SqlTraits } from './schema.ts'

/** One migration of the framework's own tables. */
export interface MigrationStatus {
  readonly name: string
  /** Milliseconds since the epoch; `undefined`: pending. */
  readonly appliedAt: number | undefined
}

interface Migration {
  readonly name: string
  up(db: Database, traits: SqlTraits): Promise<void>
}

// Only ever add to the end. What has been released is never changed: it has run somewhere.
const MIGRATIONS: readonly Migration[] = [
  {
    name: '0001_collections',
    async up(db, { byteWise, tableEnd }) {
      await db.schema
        .createTable('pc_collections')
        .addColumn('name', 'text', (column) => column.modifyFront(byteWise).notNull().primaryKey())
        .addColumn('table_name', 'text', (column) => column.modifyFront(byteWise).notNull().unique())
        .addColumn('indexes', 'text', (column) => column.notNull())
        .modifyEnd(tableEnd)
        .execute()
    },
  },
]

/**
 * The framework's migrations, in order, with when each was applied.
 * @throws StoreError `store_sql.migration_unknown`
 */
export async function listMigrations(db: Database): Promise<readonly MigrationStatus[]> {
  // Looked for, not made: whoever only lists may not be allowed to make tables.
  const tables = await db.introspection.getTables()
  const exists = tables.some(({ name }) => name === 'pc_migrations')
  const rows = exists ? await db.selectFrom('pc_migrations').select(['name', 'applied_at']).execute() : []
  const applied = new Map(rows.map(({ name, applied_at }) => [name, Number(applied_at)]))
  const known = new Set(MIGRATIONS.map(({ name }) => name))
  const unknown = [...applied.keys()].filter((name) => !known.has(name))
  if (unknown.length > 0) {
    throw new StoreError(
      'store_sql.migration_unknown',
      `the database was migrated by a newer version of @portcullis/store-sql (${unknown.length} unknown migrations); ` +
        'install that version, or restore a backup from before it',
    )
  }
  return MIGRATIONS.map(({ name }) => ({ name, appliedAt: applied.get(name) }))
}

/**
 * Applies what is pending, in order, all or nothing. Processes that start together wait for one another.
 * @throws StoreError `store_sql.migration_unknown`
 */
export async function applyMigrations(db: Database, traits: SqlTraits, clock: Clock): Promise<readonly MigrationStatus[]> {
  return traits.exclusively(db, async (locked) => {
    await createTable(locked, traits)
    const before = await listMigrations(locked)
    const pending = MIGRATIONS.filter((_, n) => before[n]?.appliedAt === undefined)
    for (const { name, up } of pending) {
      await up(locked, traits)
      await locked.insertInto('pc_migrations').values({ name, applied_at: clock.now() }).execute()
    }
    return pending.length === 0 ? before : listMigrations(locked)
  })
}

async function createTable(db: Database, { byteWise, integer, tableEnd }: SqlTraits): Promise<void> {
  await db.schema
    .createTable('pc_migrations')
    .ifNotExists()
    .addColumn('name', 'text', (column) => column.modifyFront(byteWise).notNull().primaryKey())
    .addColumn('applied_at', integer, (column) => column.notNull())
    .modifyEnd(tableEnd)
    .execute()
}
