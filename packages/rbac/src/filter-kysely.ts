import { type ExpressionBuilder, type RawBuilder, type SqlBool, type StringReference, sql } from 'kysely'
import type { AccessFilter, AccessPrefilter } from './filter.ts'
import { columnsFor, type SqlDialect, sqlPieces } from './filter-sql.ts'

/** Options of {@link kyselyFilter}. */
export interface KyselyFilterOptions<DB, TB extends keyof DB> {
  readonly dialect: SqlDialect
  /** The column of each field that conditions name, and of `tenant`. See `SqlOptions.columns`. */
  readonly columns: Readonly<Record<string, StringReference<DB, TB>>>
}

/**
 * A filter as a condition of Kysely, in a `where`. Columns are checked by the compiler.
 * @param _eb says of which tables; it is not used otherwise
 * @throws AccessError `rbac.column_missing`
 * @example
 * const mine = access.filter(principal, 'invoice:read')
 * const columns = { tenant: 'tenant_id', createdBy: 'created_by' } as const
 * db.selectFrom('invoice').selectAll().where((eb) => kyselyFilter(eb, mine, { dialect: 'postgres', columns }))
 */
export function kyselyFilter<DB, TB extends keyof DB>(
  _eb: ExpressionBuilder<DB, TB>,
  { node }: AccessFilter | AccessPrefilter,
  { dialect, columns }: KyselyFilterOptions<DB, TB>,
): RawBuilder<SqlBool> {
  const columnOf = columnsFor<string>(node, columns)
  const strings: string[] = ['']
  const values: unknown[] = []
  for (const piece of sqlPieces(node, dialect)) {
    if (typeof piece === 'string') {
      strings.push(`${strings.pop() ?? ''}${piece}`)
      continue
    }
    values.push('field' in piece ? sql.ref(columnOf(piece.field)) : piece.value)
    strings.push('')
  }
  // As a tag is called, with texts that are ours alone.
  return sql<SqlBool>(Object.assign(strings, { raw: strings }), ...values)
}
