import type { CollectionDeclaration } from '@portcullis/core'
import { type ExpressionBuilder, type ExpressionWrapper, type SqlBool, sql } from 'kysely'
import { indexColumn, tableName } from './identifier.ts'
import type { Dialect, EntryDatabase, EntryRow } from './schema.ts'
import { placeholder, Statement } from './statement.ts'

/** How many rows a sweep deletes. */
export const SWEEP_BATCH = 128

/** In which order, and whether behind an id. */
export type FindForm = `${'ascending' | 'descending'}${'' | ' behind'}`

/** What a collection says to its table. Each verb is one statement, which is what makes it atomic. */
export interface CollectionStatements {
  /** What a key may be is in `indexedKey`; `undefined`: anything. */
  readonly longestKey: number | undefined
  /** Takes `id`, `now`; gives value, version, expiry. */
  readonly get: Statement
  /** Takes `id`, `value`, `version`, `expires_at`, `now`, and each index column; gives a row when it wrote one. */
  readonly create: Statement
  /** Takes what `create` does, and `before`: the version that is replaced. */
  readonly replace: Statement
  /** Takes `id`, `now`; gives the value. */
  readonly take: Statement
  /** Takes `id`, `now`. */
  readonly remove: Statement
  /** Takes `now`. */
  readonly sweep: Statement
  /** Takes `key`, `now`, `limit`, and `after` where it begins behind an id; gives value, version, expiry, id. */
  find(index: string, form: FindForm): Statement
}

type Columns = ExpressionBuilder<Record<string, EntryRow>, string>
type Condition = ExpressionWrapper<Record<string, EntryRow>, string, SqlBool>

const ID = placeholder<string>('id')
const NOW = placeholder<number>('now')
const VERSION = placeholder<number>('version')

/** Compiles them, when the collection is declared. */
export function collectionStatements(
  { name, indexes }: Required<CollectionDeclaration>,
  { db, traits }: Dialect,
): CollectionStatements {
  const table = tableName(name)
  // One database, seen by other columns.
  const entries = db as unknown as EntryDatabase
  const row: EntryRow = { id: ID, value: placeholder('value'), version: VERSION, expires_at: placeholder('expires_at') }
  for (const index of indexes) row[indexColumn(index)] = placeholder(indexColumn(index))

  const get = entries.selectFrom(table).select(['value', 'version', 'expires_at']).where('id', '=', ID).where(live)
  const { id: _, ...written } = row
  // The row that was refused: its value need not be sent twice.
  const excluded = Object.fromEntries(
    Object.keys(written).map((column) => [column, sql.ref(`excluded.${column}`)]),
  ) as unknown as Partial<EntryRow>
  const create = entries
    .insertInto(table)
    .values(row)
    .onConflict((conflict) =>
      conflict
        .column('id')
        .doUpdateSet(excluded)
        // Expired, or this very write: its answer was lost, and it is sent again.
        .where(({ eb, or }) =>
          or([eb(`${table}.expires_at`, '<=', NOW), eb(`${table}.version`, '=', sql.ref<number>('excluded.version'))]),
        ),
    )
    .returning('version')
  const replace = entries
    .updateTable(table)
    .set(written)
    .where('id', '=', ID)
    .where((eb) =>
      // The second: this very write was done already, and is sent again.
      eb.or([eb.and([eb('version', '=', placeholder<number>('before')), live(eb)]), eb('version', '=', VERSION)]),
    )
  const remove = entries.deleteFrom(table).where('id', '=', ID).where(live)
  const expired = entries
    .selectFrom(table)
    .select('id')
    .where('expires_at', '<=', NOW)
    .orderBy('expires_at')
    .limit(sql.lit(SWEEP_BATCH))
  const sweep = entries
    .deleteFrom(table)
    .where(traits.isAmong(expired))
    // Once more: an id may have been created anew since it was selected.
    .where('expires_at', '<=', NOW)

  const finds = new Map<string, Statement>()
  function find(index: string, form: FindForm): Statement {
    const ascending = form.startsWith('ascending')
    const query = entries
      .selectFrom(table)
      .select(['value', 'version', 'expires_at', 'id'])
      .where(indexColumn(index), '=', placeholder<string>('key'))
      .$if(form.endsWith('behind'), (some) => some.where('id', ascending ? '>' : '<', placeholder<string>('after')))
      .where(live)
      .orderBy('id', ascending ? 'asc' : 'desc')
      .limit(sql<number>`${placeholder('limit')}`)
    return new Statement(query, { repeatable: true })
  }
  return {
    longestKey: traits.longestKey,
    get: new Statement(get, { repeatable: true, readsOne: true }),
    create: new Statement(create, { repeatable: true }),
    replace: new Statement(replace, { repeatable: true }),
    take: new Statement(remove.returning('value'), { repeatable: false }),
    remove: new Statement(remove, { repeatable: false }),
    sweep: new Statement(sweep, { repeatable: true }),
    find(index, form) {
      const known = finds.get(`${index} ${form}`)
      if (known !== undefined) return known
      const made = find(index, form)
      finds.set(`${index} ${form}`, made)
      return made
    },
  }
}

function live(columns: Columns): Condition {
  return columns.or([columns('expires_at', 'is', null), columns('expires_at', '>', NOW)])
}
