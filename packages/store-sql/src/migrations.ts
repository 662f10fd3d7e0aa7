import { sql } from 'kysely'
import { dropRateLimitLogs, holdsRateLimitLogs, rateLimitLogs } from './rate-limit-log-table.ts'
import { dropRateLimitRefunds, dropRateLimitTable, rateLimitRefunds, rateLimitTable } from './rate-limit-table.ts'
import { type Database, type Dialect, type EntryDatabase, textOf } from './schema.ts'

/** A change to the framework's own tables. */
export interface Migration {
  readonly name: string
  /** The statements that make it. */
  up(dialect: Dialect): readonly string[]
  /** The statements that undo it, and what it made with it. */
  down(db: Database, dialect: Dialect): Promise<readonly string[]>
  /** Whether undoing it would lose something. */
  holdsData(db: Database, now: number, dialect: Dialect): Promise<boolean>
}

/** Only ever add to the end. What has been released is never changed: it has run somewhere. */
export const MIGRATIONS: readonly Migration[] = [
  {
    name: '0001_collections',
    up: ({ db, traits }) => [
      textOf(
        db.schema
          .createTable('pc_collections')
          .addColumn('name', 'text', (column) => column.modifyFront(traits.byteWise).notNull().primaryKey())
          .addColumn('table_name', 'text', (column) => column.modifyFront(traits.byteWise).notNull().unique())
          .addColumn('indexes', 'text', (column) => column.notNull())
          .modifyEnd(traits.tableEnd),
      ),
    ],
    async down(db, dialect) {
      // With the tables of the collections: nobody would know of them any more.
      const tables = [...(await collectionTables(db)), 'pc_collections']
      return tables.map((table) => textOf(dialect.db.schema.dropTable(table)))
    },
    async holdsData(db) {
      const entries = db as unknown as EntryDatabase
      for (const table of await collectionTables(db)) {
        if ((await entries.selectFrom(table).select('id').limit(sql.lit(1)).executeTakeFirst()) !== undefined) return true
      }
      return false
    },
  },
  {
    name: '0002_rate_limits',
    up: rateLimitTable,
    down: async (_, dialect) => dropRateLimitTable(dialect),
    async holdsData(db, now) {
      const live = db.selectFrom('pc_rate_limits').select('ms').where('ms', '>=', now).limit(sql.lit(1))
      return (await live.executeTakeFirst()) !== undefined
    },
  },
  {
    name: '0003_rate_limit_refunds',
    up: rateLimitRefunds,
    down: async (_, dialect) => dropRateLimitRefunds(dialect),
    holdsData: async () => false,
  },
  {
    name: '0004_rate_limit_logs',
    up: rateLimitLogs,
    down: async (_, dialect) => dropRateLimitLogs(dialect),
    holdsData: holdsRateLimitLogs,
  },
]

async function collectionTables(db: Database): Promise<readonly string[]> {
  const rows = await db.selectFrom('pc_collections').select('table_name').orderBy('name').execute()
  return rows.map(({ table_name }) => table_name)
}
