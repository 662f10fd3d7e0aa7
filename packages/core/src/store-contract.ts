import { CoreError } from './errors.ts'
import type { CollectionDeclaration, Json, Page, WriteOptions } from './store.ts'

/*
 * What every backend checks before it touches its data. Kept here once, so that a mistake is the same error on every backend,
 * and so that moving from one to another cannot meet an id that the next one takes for a different id.
 */

const COLLECTION_NAME = /^[a-z][a-z0-9_]{0,39}(\.[a-z][a-z0-9_]{0,39})?$/
const INDEX_NAME = /^[a-z][a-z0-9_]{0,39}$/
/** The longest id or index key, in UTF-16 code units. */
const KEY_LENGTH = 512
// NUL: PostgreSQL refuses it. A lone surrogate: UTF-8 cannot hold it, and what encoders write instead makes two ids one.
const UNFIT_IN_KEY = /\0|\p{Surrogate}/u

/**
 * Checks a declaration and brings its indexes into a fixed order.
 * @throws CoreError `core.collection_invalid`
 */
export function normalizeDeclaration(declaration: CollectionDeclaration): Required<CollectionDeclaration> {
  const { name, indexes = [], keep = 'durable' } = declaration
  if (typeof name !== 'string' || !COLLECTION_NAME.test(name)) {
    throw new CoreError('core.collection_invalid', `a collection's name must match ${COLLECTION_NAME.source}`)
  }
  for (const index of indexes) {
    if (typeof index !== 'string' || !INDEX_NAME.test(index)) {
      throw new CoreError('core.collection_invalid', `an index of ${name} is not named as ${INDEX_NAME.source} asks`)
    }
  }
  if (keep !== 'durable' && keep !== 'hot') throw new CoreError('core.collection_invalid', `${name} is kept durable or hot`)
  const unique = new Set(indexes)
  if (unique.size !== indexes.length) throw new CoreError('core.collection_invalid', `${name} declares an index twice`)
  return Object.freeze({ name, indexes: Object.freeze([...unique].sort()), keep })
}

/** Whether two declarations, both as {@link normalizeDeclaration} returns them, say the same of what a store holds. */
function sameDeclaration(a: Required<CollectionDeclaration>, b: Required<CollectionDeclaration>): boolean {
  return a.name === b.name && a.indexes.join() === b.indexes.join()
}

/**
 * What a store has made for each collection that was declared: once for each name, whoever declares it again.
 */
export class DeclaredCollections<C> {
  readonly #make: (declaration: Required<CollectionDeclaration>) => C
  readonly #made = new Map<string, { readonly declaration: Required<CollectionDeclaration>; readonly collection: C }>()

  constructor(make: (declaration: Required<CollectionDeclaration>) => C) {
    this.#make = make
  }

  /** @throws CoreError `core.collection_invalid`, also for a name that was declared before with other indexes */
  of(given: CollectionDeclaration): C {
    const declaration = normalizeDeclaration(given)
    const before = this.#made.get(declaration.name)
    if (before === undefined) {
      const collection = this.#make(declaration)
      this.#made.set(declaration.name, { declaration, collection })
      return collection
    }
    if (!sameDeclaration(before.declaration, declaration)) {
      throw new CoreError('core.collection_invalid', `${declaration.name} was declared before with other indexes`)
    }
    return before.collection
  }

  /** In the order of their declarations. */
  *[Symbol.iterator](): Generator<C> {
    for (const { collection } of this.#made.values()) yield collection
  }
}

/**
 * An id has 1 to 512 UTF-16 code units, is well-formed Unicode and has no NUL. Compared byte by byte: no case is folded, nothing
 * is normalized. What comes from a client unchecked can fail this, hence the status 400.
 * @throws CoreError `core.id_invalid`
 */
export function checkId(id: string): void {
  if (!isKey(id)) {
    throw new CoreError('core.id_invalid', 'an id must be well-formed text of 1 to 512 characters without NUL', { status: 400 })
  }
}

/**
 * Checks the index and the key of a `find`, or of a write. A key obeys the rules for ids.
 * @throws CoreError `core.index_undeclared`, `core.id_invalid`
 */
export function checkIndexKey(declaration: Required<CollectionDeclaration>, index: string, key: string): void {
  if (!declaration.indexes.includes(index)) {
    throw new CoreError('core.index_undeclared', `${declaration.name} was declared without the index that was asked for`)
  }
  if (!isKey(key)) {
    throw new CoreError(
      'core.id_invalid',
      `a key of index ${index} must be well-formed text of 1 to 512 characters without NUL`,
      {
        status: 400,
      },
    )
  }
}

/** What a write was told, checked. */
export interface CheckedWrite {
  /** The value as JSON. */
  readonly text: string
  readonly expiresAt: number | undefined
  /** Index name and key. */
  readonly keys: ReadonlyMap<string, string>
}

/**
 * Checks what is about to be written, and turns the value into JSON text: the copy that is kept.
 * @throws CoreError `core.value_invalid`, `core.expiry_invalid`, `core.index_undeclared`, `core.id_invalid`
 */
export function checkWrite(declaration: Required<CollectionDeclaration>, value: Json, options: WriteOptions = {}): CheckedWrite {
  const { expiresAt } = options
  if (expiresAt !== undefined && !(Number.isSafeInteger(expiresAt) && expiresAt >= 0)) {
    throw new CoreError('core.expiry_invalid', 'expiresAt must be whole milliseconds since the epoch')
  }
  const keys = new Map<string, string>()
  // A caller that builds `{ user: maybe }` in JavaScript means: not set.
  const given: Readonly<Record<string, string | undefined>> = options.index ?? {}
  for (const [index, key] of Object.entries(given)) {
    if (key === undefined) continue
    checkIndexKey(declaration, index, key)
    keys.set(index, key)
  }
  return { text: toJson(value), expiresAt, keys }
}

/** @throws CoreError `core.page_invalid`, `core.id_invalid` */
export function checkPage(page: Page): void {
  const { after, limit, order } = page
  if (after !== undefined) checkId(after)
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0)) {
    throw new CoreError('core.page_invalid', 'a page takes a limit of 0 or more, in whole numbers')
  }
  if (order !== undefined && order !== 'ascending' && order !== 'descending') {
    throw new CoreError('core.page_invalid', "a page's order is ascending or descending")
  }
}

function isKey(text: unknown): boolean {
  return typeof text === 'string' && text.length > 0 && text.length <= KEY_LENGTH && !UNFIT_IN_KEY.test(text)
}

function toJson(value: Json): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    throw new CoreError('core.value_invalid', 'a value is not JSON: it has a cycle or a bigint', { cause })
  }
  if (text === undefined)
    throw new CoreError('core.value_invalid', 'a value is not JSON: it is undefined, a function or a symbol')
  return text
}
