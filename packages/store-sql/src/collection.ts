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
import type { ExpressionBuilder, ExpressionWrapper, SqlBool } from 'kysely'
import { indexColumn, tableName } from './identifier.ts'
import type { EntryDatabase, EntryRow } from './schema.ts'

/** How many rows `find` reads at a time. */
const FIND_BATCH = 256
/** After this many writes to a collection, one batch of what has expired in it is deleted. */
const SWEEP_EVERY = 64
/** More than {@link SWEEP_EVERY}: the sweep is faster than what it follows. */
const SWEEP_BATCH = 128

/** Every query goes through here: it waits until the table is there, refuses when the store is closed, and names errors. */
export type Run = <R>(query: () => Promise<R>) => Promise<R>

type Columns = ExpressionBuilder<Record<string, EntryRow>, string>

/** A collection in its table. Each verb is one statement, which is what makes it atomic. */
export class SqlCollection<T extends Json> implements Collection<T> {
  readonly declaration: Required<CollectionDeclaration>
  readonly #table: string
  readonly #db: EntryDatabase
  readonly #run: Run
  readonly #clock: Clock
  #writes = 0

  constructor(declaration: Required<CollectionDeclaration>, db: EntryDatabase, run: Run, clock: Clock) {
    this.declaration = declaration
    this.#table = tableName(declaration.name)
    this.#db = db
    this.#run = run
    this.#clock = clock
  }

  async get(id: string): Promise<Stored<T> | undefined> {
    checkId(id)
    const row = await this.#run(() =>
      this.#db
        .selectFrom(this.#table)
        .select(['id', 'value', 'version', 'expires_at'])
        .where('id', '=', id)
        .where((columns) => this.#live(columns))
        .executeTakeFirst(),
    )
    return row && stored<T>(row)
  }

  async create(id: string, value: T, options?: WriteOptions): Promise<boolean> {
    checkId(id)
    // A random start: a version that was read before a remove does not fit what is created after it.
    const row = { ...this.#row(value, options), id, version: randomInt(1, 2 ** 47) }
    const written = await this.#run(() =>
      this.#db
        .insertInto(this.#table)
        .values(row)
        .onConflict((conflict) =>
          conflict.column('id').doUpdateSet(row).where(`${this.#table}.expires_at`, '<=', this.#clock.now()),
        )
        .returning('version')
        .executeTakeFirst(),
    )
    await this.#sweepSometimes()
    return written !== undefined
  }

  async replace(id: string, version: number, value: T, options?: WriteOptions): Promise<boolean> {
    checkId(id)
    const row = this.#row(value, options)
    if (!Number.isSafeInteger(version)) return false
    const result = await this.#run(() =>
      this.#db
        .updateTable(this.#table)
        .set(row)
        .set((columns) => ({ version: columns('version', '+', 1) }))
        .where('id', '=', id)
        .where('version', '=', version)
        .where((columns) => this.#live(columns))
        .executeTakeFirst(),
    )
    await this.#sweepSometimes()
    return result.numUpdatedRows > 0n
  }

  async take(id: string): Promise<T | undefined> {
    checkId(id)
    const row = await this.#run(() =>
      this.#db
        .deleteFrom(this.#table)
        .where('id', '=', id)
        .where((columns) => this.#live(columns))
        .returning('value')
        .executeTakeFirst(),
    )
    return row && (JSON.parse(row.value) as T)
  }

  async remove(id: string): Promise<boolean> {
    checkId(id)
    const result = await this.#run(() =>
      this.#db
        .deleteFrom(this.#table)
        .where('id', '=', id)
        .where((columns) => this.#live(columns))
        .executeTakeFirst(),
    )
    return result.numDeletedRows > 0n
  }

  /** Reads in batches, each behind the last: it holds no lock, and is no snapshot. */
  async *find(index: string, key: string, page: Page = {}): AsyncGenerator<Stored<T>, void, undefined> {
    checkIndexKey(this.declaration, index, key)
    checkPage(page)
    const { limit = Number.POSITIVE_INFINITY, order = 'ascending' } = page
    let { after } = page
    let left = limit
    while (left > 0) {
      const batch = Math.min(left, FIND_BATCH)
      const rows = await this.#run(() => this.#page(index, key, after, batch, order).execute())
      for (const row of rows) {
        // It was read with its batch, and may have expired while the caller looked at those before.
        if (row.expires_at !== null && row.expires_at <= this.#clock.now()) continue
        left -= 1
        yield stored<T>(row)
      }
      if (rows.length < batch) return
      after = rows.at(-1)?.id
    }
  }

  /** The query behind {@link find}: a test reads its plan. */
  #page(index: string, key: string, after: string | undefined, limit: number, order: 'ascending' | 'descending') {
    const ascending = order === 'ascending'
    return this.#db
      .selectFrom(this.#table)
      .select(['id', 'value', 'version', 'expires_at'])
      .where(indexColumn(index), '=', key)
      .$if(after !== undefined, (query) => query.where('id', ascending ? '>' : '<', after ?? ''))
      .where((columns) => this.#live(columns))
      .orderBy('id', ascending ? 'asc' : 'desc')
      .limit(limit)
  }

  /** Deletes one batch of what has expired. @returns whether there may be more */
  async sweep(): Promise<boolean> {
    const result = await this.#run(() =>
      this.#db
        .deleteFrom(this.#table)
        .where('id', 'in', (from) =>
          from
            .selectFrom(this.#table)
            .select('id')
            .where('expires_at', '<=', this.#clock.now())
            .orderBy('expires_at')
            .limit(SWEEP_BATCH),
        )
        // Once more: on a database with several writers an id may have been created anew since it was selected.
        .where('expires_at', '<=', this.#clock.now())
        .executeTakeFirst(),
    )
    return result.numDeletedRows >= BigInt(SWEEP_BATCH)
  }

  async #sweepSometimes(): Promise<void> {
    this.#writes += 1
    if (this.#writes % SWEEP_EVERY !== 0) return
    // The write before it has succeeded, and must not be reported as failed. What could not be swept now will be later.
    await this.sweep().catch(() => undefined)
  }

  #live(columns: Columns): ExpressionWrapper<Record<string, EntryRow>, string, SqlBool> {
    return columns.or([columns('expires_at', 'is', null), columns('expires_at', '>', this.#clock.now())])
  }

  /** The columns that a write sets, each: what its options leave out becomes null. */
  #row(value: T, options: WriteOptions | undefined): Omit<EntryRow, 'id' | 'version'> {
    const { text, expiresAt, keys } = checkWrite(this.declaration, value, options)
    const row: Omit<EntryRow, 'id' | 'version'> = { value: text, expires_at: expiresAt ?? null }
    for (const index of this.declaration.indexes) row[indexColumn(index)] = keys.get(index) ?? null
    return row
  }
}

function stored<T extends Json>(row: Pick<EntryRow, 'id' | 'value' | 'version' | 'expires_at'>): Stored<T> {
  const { id, value, version, expires_at } = row
  return { id, value: JSON.parse(value) as T, version, expiresAt: expires_at ?? undefined }
}
