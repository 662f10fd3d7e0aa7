import type { Literal } from './condition.ts'
import type { Node } from './condition-node.ts'
import { AccessError } from './errors.ts'

/** Which database. They differ in placeholders, booleans and how strings are ordered. */
export type SqlDialect = 'postgres' | 'sqlite'

/** What a filter needs to know to become SQL. */
export interface SqlOptions {
  readonly dialect: SqlDialect
  /**
   * The column of each field that conditions name, and of `tenant`: `created_by`, or with its table `invoice.created_by`. Names are
   * quoted. String fields need columns of text with a deterministic collation, numbers numeric ones, booleans PostgreSQL's `boolean` or
   * SQLite's 0 and 1.
   */
  readonly columns: Readonly<Record<string, string>>
  /** The number of the first placeholder, for PostgreSQL: how many parameters the query has before it, and one. Default: 1. */
  readonly first?: number
}

/** A condition for a `where`. Values are in `parameters`, never in `sql`. */
export interface SqlCondition {
  readonly sql: string
  readonly parameters: readonly Literal[]
}

/** SQL in pieces: text of ours, the column of a field, or a value. */
export type SqlPiece = string | { readonly field: string } | { readonly value: Literal }

const OPERATORS = { eq: '=', ne: '<>', lt: '<', lte: '<=', gt: '>', gte: '>=' } as const

/** @throws AccessError `rbac.column_missing` */
export function toSql(node: Node, { dialect, columns, first = 1 }: SqlOptions): SqlCondition {
  const columnOf = columnsFor(node, columns)
  const parameters: Literal[] = []
  const sql = sqlPieces(node, dialect).map((piece) => {
    if (typeof piece === 'string') return piece
    if ('field' in piece) return quote(columnOf(piece.field))
    parameters.push(piece.value)
    return dialect === 'postgres' ? `$${first + parameters.length - 1}` : '?'
  })
  return { sql: sql.join(''), parameters }
}

/**
 * Finds columns of fields. Only own members count: a field called `constructor` has no column unless it was given one.
 * @throws AccessError `rbac.column_missing`, with every field of the condition that has none
 */
export function columnsFor<Column>(node: Node, columns: Readonly<Record<string, Column>>): (field: string) => Column {
  const found = new Map<string, Column>(Object.entries(columns))
  const missing = [...fieldsOf(node)].filter((field) => !found.has(field))
  const refuse = (fields: readonly string[]): AccessError =>
    new AccessError('rbac.column_missing', `the filter has no column for ${fields.join(', ')}`, fields)
  if (missing.length > 0) throw refuse(missing)
  return (field) => {
    const column = found.get(field)
    if (column === undefined) throw refuse([field])
    return column
  }
}

function fieldsOf(node: Node): ReadonlySet<string> {
  if ('field' in node) return new Set([node.field])
  const parts = node.kind === 'all' || node.kind === 'any' ? node.nodes : node.kind === 'not' ? [node.node] : []
  return new Set(parts.flatMap((part) => [...fieldsOf(part)]))
}

/** A bound condition as pieces of SQL. What is unknown is NULL, and stays so under every negation. */
export function sqlPieces(node: Node, dialect: SqlDialect): readonly SqlPiece[] {
  switch (node.kind) {
    case 'compare': {
      const { comparator, operand, type, field } = node
      if (operand.from !== 'literal') return UNKNOWN
      const isOrder = comparator !== 'eq' && comparator !== 'ne'
      return ['(', ...column(field, type, isOrder, dialect), ` ${OPERATORS[comparator]} `, ...value(operand.value, dialect), ')']
    }
    case 'in': {
      if ('from' in node.among) return UNKNOWN
      const values = node.among.flatMap((item, at) => (at === 0 ? value(item, dialect) : [', ', ...value(item, dialect)]))
      return ['(', ...column(node.field, node.type, false, dialect), ' in (', ...values, '))']
    }
    case 'exists':
      return ['(', { field: node.field }, node.exists ? ' is not null)' : ' is null)']
    case 'all':
    case 'any': {
      const word = node.kind === 'all' ? ' and ' : ' or '
      return [
        '(',
        ...node.nodes.flatMap((part, at) => (at === 0 ? sqlPieces(part, dialect) : [word, ...sqlPieces(part, dialect)])),
        ')',
      ]
    }
    case 'not':
      return ['(not ', ...sqlPieces(node.node, dialect), ')']
    case 'constant':
      return node.truth === undefined ? UNKNOWN : node.truth ? ['(1 = 1)'] : ['(1 = 0)']
    case 'function':
      return UNKNOWN
  }
}

const UNKNOWN: readonly SqlPiece[] = ['(1 = null)']

/**
 * Strings are compared as bytes of UTF-8, whatever the column's collation: not by letter case, nor by a country's alphabet. PostgreSQL's
 * `=` is so by itself, and would not use an index if it was told.
 */
function column(field: string, type: string, isOrder: boolean, dialect: SqlDialect): readonly SqlPiece[] {
  if (type !== 'string') return [{ field }]
  if (dialect === 'sqlite') return [{ field }, ' collate binary']
  return isOrder ? [{ field }, ' collate "C"'] : [{ field }]
}

function value(literal: Literal, dialect: SqlDialect): readonly SqlPiece[] {
  if (dialect === 'sqlite') return [{ value: typeof literal === 'boolean' ? Number(literal) : literal }]
  // Without it, 1.5 against an integer column is an error.
  return typeof literal === 'number' ? ['cast(', { value: literal }, ' as double precision)'] : [{ value: literal }]
}

function quote(name: string): string {
  return name
    .split('.')
    .map((part) => `"${part.replaceAll('"', '""')}"`)
    .join('.')
}
