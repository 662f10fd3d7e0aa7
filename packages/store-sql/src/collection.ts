import { randomInt } from 'node:crypto'
import {
  type Clock,
  type Collection,
  type CollectionDeclaration,
  checkId,
  checkIndexKey,
  checkPage,
  checkWrite,
  type Json,
  type Page,
  type Stored,
  type WriteOptions,
} from '@portcullis/core'
import type { Answer } from './access.ts'
import { type CollectionStatements, SWEEP_BATCH } from './collection-statements.ts'
import { indexColumn, indexedKey } from './identifier.ts'
import type { Bound, Statement } from './statement.ts'

/** How many rows `find` reads at a time. */
const FIND_BATCH = 256
/** After this many writes to a collection, one batch of what has expired in it is deleted: more than was written meanwhile. */
const SWEEP_EVERY = SWEEP_BATCH / 2

/** Every statement goes through here: it waits until the table is there, refuses when the store is closed, and names errors. */
export type Execute = (statement: Statement, values: Readonly<Record<string, Bound>>) => Answer | Promise<Answer>

/** A collection in its table. */
export class SqlCollection<T extends Json> implements Collection<T> {
  readonly declaration: Required<CollectionDeclaration>
  readonly #statements: CollectionStatements
  readonly #execute: Execute
  readonly #clock: Clock
  #writes = 0

  constructor(declaration: Required<CollectionDeclaration>, statements: CollectionStatements, execute: Execute, clock: Clock) {
    this.declaration = declaration
    this.#statements = statements
    this.#execute = execute
    this.#clock = clock
  }

  async get(id: string): Promise<Stored<T> | undefined> {
    checkId(id)
    const { rows } = await this.#execute(this.#statements.get, { id, now: this.#now() })
    const row = rows[0] as Columns | undefined
    return row && stored<T>(id, row)
  }

  async create(id: string, value: T, options?: WriteOptions): Promise<boolean> {
    checkId(id)
    const { rows } = await this.#execute(this.#statements.create, { id, ...this.#written(value, options) })
    await this.#sweepSometimes()
    return rows.length > 0
  }

  async replace(id: string, version: number, value: T, options?: WriteOptions): Promise<boolean> {
    checkId(id)
    const written = this.#written(value, options)
    if (!Number.isSafeInteger(version)) return false
    const { changes } = await this.#execute(this.#statements.replace, { id, before: version, ...written })
    await this.#sweepSometimes()
    return changes > 0
  }

  async take(id: string): Promise<T | undefined> {
    checkId(id)
    const { rows } = await this.#execute(this.#statements.take, { id, now: this.#now() })
    const row = rows[0] as readonly [value: string] | undefined
    return row && (JSON.parse(row[0]) as T)
  }

  async remove(id: string): Promise<boolean> {
    checkId(id)
    const { changes } = await this.#execute(this.#statements.remove, { id, now: this.#now() })
    return changes > 0
  }

  /** Reads in batches, each behind the last: it holds no lock, and is no snapshot. */
  async *find(index: string, key: string, page: Page = {}): AsyncGenerator<Stored<T>, void, undefined> {
    checkIndexKey(this.declaration, index, key)
    checkPage(page)
    const { order = 'ascending' } = page
    let { after, limit: left = Number.POSITIVE_INFINITY } = page
    while (left > 0) {
      const limit = Math.min(left, FIND_BATCH)
      const statement = this.#statements.find(index, after === undefined ? order : `${order} behind`)
      const values = { key: this.#indexed(key), limit, now: this.#now() }
      const answer = await this.#execute(statement, after === undefined ? values : { ...values, after })
      const rows = answer.rows as readonly Found[]
      for (const row of rows) {
        const entry = stored<T>(row[3], row)
        // It was read with its batch, and may have expired while the caller looked at those before.
        if (entry.expiresAt !== undefined && entry.expiresAt <= this.#clock.now()) continue
        left -= 1
        yield entry
      }
      if (rows.length < limit) return
      after = rows.at(-1)?.[3]
    }
  }

  /** Deletes one batch of what has expired. @returns whether there may be more */
  async sweep(): Promise<boolean> {
    const { changes } = await this.#execute(this.#statements.sweep, { now: this.#now() })
    return changes >= SWEEP_BATCH
  }

  async #sweepSometimes(): Promise<void> {
    this.#writes += 1
    if (this.#writes % SWEEP_EVERY !== 0) return
    // The write before it has succeeded, and must not be reported as failed. What could not be swept now will be later.
    await this.sweep().catch(() => undefined)
  }

  /** What a write sets: all columns but the id. What its options leave out becomes null. */
  #written(value: T, options: WriteOptions | undefined): Record<string, Bound> {
    const { text, expiresAt, keys } = checkWrite(this.declaration, value, options)
    const written: Record<string, Bound> = {
      value: text,
      // Random: it fits no entry that was under this id before, and tells this write from any other when it is sent again.
      version: randomInt(1, 2 ** 47),
      expires_at: expiresAt ?? null,
      now: this.#now(),
    }
    for (const [index, key] of keys) written[indexColumn(index)] = this.#indexed(key)
    return written
  }

  #indexed(key: string): string {
    const { longestKey } = this.#statements
    return longestKey === undefined ? key : indexedKey(key, longestKey)
  }

  /** Whole milliseconds: a bigint takes no others. */
  #now(): number {
    return Math.floor(this.#clock.now())
  }
}

/** As drivers give them: that of PostgreSQL gives whole numbers as text. */
type Columns = readonly [value: string, version: number | string, expires_at: number | string | null]
type Found = readonly [...Columns, id: string]

function stored<T extends Json>(id: string, [value, version, expires]: Columns | Found): Stored<T> {
  // Both are below 2^53, hence the same as numbers.
  const expiresAt = expires === null ? undefined : Number(expires)
  return { id, value: JSON.parse(value) as T, version: Number(version), expiresAt }
}
