import { createHash } from 'node:crypto'
import type { Compilable } from 'kysely'

/** What is bound to a statement. */
export type Bound = string | number | null | readonly (string | number | null)[]

/** Stands in a query for a value that is bound each time the statement runs. */
class Placeholder {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

/** @returns what Kysely takes for a value of the column's type, and puts among the parameters as it is */
export function placeholder<T>(name: string): T {
  return new Placeholder(name) as unknown as T
}

/** How a {@link Statement} may be treated. */
export interface StatementTraits {
  /** Whether it may be sent again when its answer was lost: done twice, it comes to the same, and answers the same. */
  readonly repeatable: boolean
  /** Whether it reads one row at most, and writes nothing. Default: false. */
  readonly readsOne?: boolean
}

/** A query, compiled once and run with ever new values. */
export class Statement {
  readonly text: string
  /** Under which a connection keeps it prepared: the same for the same text, in every process. */
  readonly name: string
  readonly repeatable: boolean
  readonly readsOne: boolean
  readonly #parameters: readonly unknown[]

  constructor(query: Compilable, { repeatable, readsOne = false }: StatementTraits) {
    const { sql, parameters } = query.compile()
    this.text = sql
    this.name = `pc_${createHash('sha256').update(sql).digest('hex').slice(0, 16)}`
    this.repeatable = repeatable
    this.readsOne = readsOne
    this.#parameters = parameters
  }

  /** The statement's parameters in their order. A value that is not given is null. */
  bind(values: Readonly<Record<string, Bound>>): Bound[] {
    return this.#parameters.map((parameter) =>
      parameter instanceof Placeholder ? (values[parameter.name] ?? null) : (parameter as Bound),
    )
  }
}
