import type { CollectionDeclaration } from '@portcullis/core'
import { sql } from 'kysely'
import { indexColumn, indexName, tableName } from './identifier.ts'
import type { Database, SqlTraits } from './schema.ts'

/**
 * Makes sure that a collection's table is there, with a column and an SQL index for each declared index. An index that is declared
 * later is added; what was written before has no key in it until it is written again. A column that is no longer declared stays.
 */
export async function ensureTable(db: Database, traits: SqlTraits, declaration: Required<CollectionDeclaration>): Promise<void> {
  const { name, indexes } = declaration
  const kept = await keptIndexes(db, name)
  if (kept !== undefined && indexes.every((index) => kept.includes(index))) return
  await traits.exclusively(db, async (locked) => {
    const table = tableName(name)
    // Asked again: another process may have been here while this one waited for the lock.
    const before = await keptIndexes(locked, name)
    if (before === undefined) await createTable(locked, traits, table)
    const added = indexes.filter((index) => before?.includes(index) !== true)
    for (const index of added) await addIndex(locked, traits, table, index)
    const row = { name, table_name: table, indexes: JSON.stringify([...(before ?? []), ...added]) }
    await locked
      .insertInto('pc_collections')
      .values(row)
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ indexes: row.indexes }))
      .execute()
  })
}

async function keptIndexes(db: Database, name: string): Promise<readonly string[] | undefined> {
  const row = await db.selectFrom('pc_collections').select('indexes').where('name', '=', name).executeTakeFirst()
  return row && (JSON.parse(row.indexes) as string[])
}

async function createTable(db: Database, { byteWise, integer, tableEnd }: SqlTraits, table: string): Promise<void> {
  await db.schema
    .createTable(table)
    .addColumn('id', 'text', (column) => column.modifyFront(byteWise).notNull().primaryKey())
    .addColumn('value', 'text', (column) => column.notNull())
    .addColumn('version', integer, (column) => column.notNull())
    .addColumn('expires_at', integer)
    .modifyEnd(tableEnd)
    .execute()
  await db.schema
    .createIndex(indexName(table, 'expires_at'))
    .on(table)
    .column('expires_at')
    .where(sql.ref('expires_at'), 'is not', null)
    .execute()
}

async function addIndex(db: Database, { byteWise }: SqlTraits, table: string, index: string): Promise<void> {
  const column = indexColumn(index)
  await db.schema
    .alterTable(table)
    .addColumn(column, 'text', (added) => added.modifyFront(byteWise))
    .execute()
  await db.schema
    .createIndex(indexName(table, column))
    .on(table)
    .columns([column, 'id'])
    .where(sql.ref(column), 'is not', null)
    .execute()
}
