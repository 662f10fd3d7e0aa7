import type { CollectionDeclaration } from '@portcullis/core'
import { sql } from 'kysely'
import { indexColumn, indexName, tableName } from './identifier.ts'
import { type Database, type Dialect, textOf } from './schema.ts'

/** The SQL indexes that a collection's table has, by the name of what they index; `undefined`: there is no table. */
export async function keptIndexes(
  db: Database,
  { name }: Required<CollectionDeclaration>,
): Promise<readonly string[] | undefined> {
  const row = await db.selectFrom('pc_collections').select('indexes').where('name', '=', name).executeTakeFirst()
  return row && (JSON.parse(row.indexes) as string[])
}

/**
 * The statements that make a collection's table what its declaration asks for: with a column and an SQL index for each declared index.
 * An index that is declared later is added; what was written before has no key in it until it is written again. A column that is no
 * longer declared stays.
 * @param kept what the table has; `undefined`: there is none
 */
export function tableStatements(
  { name, indexes }: Required<CollectionDeclaration>,
  dialect: Dialect,
  kept: readonly string[] | undefined,
): string[] {
  const added = indexes.filter((index) => kept?.includes(index) !== true)
  if (kept !== undefined && added.length === 0) return []
  const table = tableName(name)
  return [
    ...(kept === undefined ? tableAndSweep(table, dialect) : []),
    ...added.flatMap((index) => columnAndIndex(table, index, dialect)),
    registration(name, table, JSON.stringify([...(kept ?? []), ...added]), dialect),
  ]
}

function tableAndSweep(table: string, { db, traits }: Dialect): string[] {
  const { byteWise, integer, tableEnd } = traits
  return [
    textOf(
      db.schema
        .createTable(table)
        .addColumn('id', 'text', (column) => column.modifyFront(byteWise).notNull().primaryKey())
        .addColumn('value', 'text', (column) => column.notNull())
        .addColumn('version', integer, (column) => column.notNull())
        .addColumn('expires_at', integer)
        .modifyEnd(tableEnd),
    ),
    textOf(
      db.schema
        .createIndex(indexName(table, 'expires_at'))
        .on(table)
        .column('expires_at')
        .where(sql.ref('expires_at'), 'is not', null),
    ),
  ]
}

function columnAndIndex(table: string, index: string, { db, traits }: Dialect): string[] {
  const column = indexColumn(index)
  return [
    textOf(db.schema.alterTable(table).addColumn(column, 'text', (added) => added.modifyFront(traits.byteWise))),
    textOf(
      db.schema.createIndex(indexName(table, column)).on(table).columns([column, 'id']).where(sql.ref(column), 'is not', null),
    ),
  ]
}

// Names and index names match [a-z0-9_.]: as literals they need no quoting, which Kysely does all the same.
function registration(name: string, table: string, indexes: string, { db }: Dialect): string {
  return textOf(
    db
      .insertInto('pc_collections')
      .values({ name: sql.lit(name), table_name: sql.lit(table), indexes: sql.lit(indexes) })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ indexes: sql.lit(indexes) })),
  )
}
