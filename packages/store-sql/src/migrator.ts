import { sql } from 'kysely'
import { StoreError } from './errors.ts'
import { MIGRATIONS, type Migration } from './migrations.ts'
import { type Database, type Dialect, textOf } from './schema.ts'

/** One migration of the framework's own tables. */
export interface MigrationStatus {
  readonly name: string
  /** Milliseconds since the epoch; `undefined`: pending. */
  readonly appliedAt: number | undefined
}

/**
 * The framework's migrations, in order, with when each was applied.
 * @throws StoreError `store_sql.migration_unknown`
 */
export async function listMigrations(db: Database, { traits }: Dialect): Promise<readonly MigrationStatus[]> {
  // Looked for, not made: whoever only lists may not be allowed to make tables.
  const exists = await traits.hasTable(db, 'pc_migrations')
  const rows = exists ? await db.selectFrom('pc_migrations').select(['name', 'applied_at']).execute() : []
  const applied = new Map(rows.map(({ name, applied_at }) => [name, Number(applied_at)]))
  const known = new Set(MIGRATIONS.map(({ name }) => name))
  const unknown = [...applied.keys()].filter((name) => !known.has(name))
  if (unknown.length > 0) {
    throw new StoreError(
      'store_sql.migration_unknown',
      `the database was migrated by a newer version of @portcullis/store-sql (${unknown.length} unknown migrations); ` +
        'install that version, revert its migrations with it, or restore a backup from before it',
    )
  }
  return MIGRATIONS.map(({ name }) => ({ name, appliedAt: applied.get(name) }))
}

/** Whether something is to be applied. */
export function isPending(listed: readonly MigrationStatus[]): boolean {
  return listed.some(({ appliedAt }) => appliedAt === undefined)
}

/**
 * The statements that apply what is pending, in order.
 * @param applied what the database says
 * @param now an expression: milliseconds since the epoch
 */
export async function pendingStatements(
  db: Database,
  dialect: Dialect,
  applied: readonly MigrationStatus[],
  now: string,
): Promise<readonly string[]> {
  const pending = MIGRATIONS.filter((_, n) => applied[n]?.appliedAt === undefined)
  if (pending.length === 0) return []
  const { traits } = dialect
  return [
    ...((await traits.hasTable(db, 'pc_migrations')) ? [] : [...traits.foundation, migrationsTable(dialect)]),
    ...pending.flatMap((migration) => [...migration.up(dialect), record(migration, dialect, now)]),
  ]
}

/**
 * Applies what is pending, in order.
 * @param db in a transaction that nobody else runs at the same time
 * @param now milliseconds since the epoch
 */
export async function applyMigrations(db: Database, dialect: Dialect, now: number): Promise<readonly MigrationStatus[]> {
  const before = await listMigrations(db, dialect)
  const statements = await pendingStatements(db, dialect, before, String(Math.floor(now)))
  if (statements.length === 0) return before
  await runAll(db, statements)
  return listMigrations(db, dialect)
}

/**
 * Undoes what was applied after `to`, the last first.
 * @param db in a transaction that nobody else runs at the same time
 * @param to the name of the last migration that stays; `null`: none does
 * @throws StoreError `store_sql.options_invalid`, `store_sql.revert_refused`, `store_sql.migration_unknown`
 */
export async function revertMigrations(
  db: Database,
  dialect: Dialect,
  { to, loseData, now }: { readonly to: string | null; readonly loseData: boolean; readonly now: number },
): Promise<readonly MigrationStatus[]> {
  const last = to === null ? -1 : MIGRATIONS.findIndex(({ name }) => name === to)
  if (to !== null && last < 0)
    throw new StoreError('store_sql.options_invalid', 'there is no migration of that name to revert to')
  const listed = await listMigrations(db, dialect)
  const undone = MIGRATIONS.filter((_, n) => n > last && listed[n]?.appliedAt !== undefined).toReversed()
  for (const migration of undone) {
    const { name } = migration
    if (!loseData && (await migration.holdsData(db, now, dialect))) {
      throw new StoreError(
        'store_sql.revert_refused',
        `reverting ${name} would lose data: say loseData to revert it all the same`,
      )
    }
    await runAll(db, await migration.down(db, dialect))
    await db.deleteFrom('pc_migrations').where('name', '=', name).execute()
  }
  return listMigrations(db, dialect)
}

/** Runs statements one after another. */
export async function runAll(db: Database, statements: readonly string[]): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db)
}

/** One script of statements, which nobody else runs at the same time; empty when there are none. */
export function script(statements: readonly string[], { traits }: Dialect): string {
  if (statements.length === 0) return ''
  return [...traits.lock, ...statements, 'commit'].map((statement) => `${statement};\n`).join('')
}

function migrationsTable({ db, traits }: Dialect): string {
  return textOf(
    db.schema
      .createTable('pc_migrations')
      .addColumn('name', 'text', (column) => column.modifyFront(traits.byteWise).notNull().primaryKey())
      .addColumn('applied_at', traits.integer, (column) => column.notNull())
      .modifyEnd(traits.tableEnd),
  )
}

function record({ name }: Migration, { db }: Dialect, now: string): string {
  return textOf(db.insertInto('pc_migrations').values({ name: sql.lit(name), applied_at: sql.raw<number>(now) }))
}
