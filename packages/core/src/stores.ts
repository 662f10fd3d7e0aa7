import { CoreError } from './errors.ts'
import type { Collection, CollectionDeclaration, Json, Keep, Store } from './store.ts'
import { normalizeDeclaration } from './store-contract.ts'

/** Options of {@link stores}. */
export interface StoresOptions {
  /** For what must last: an SQL database. */
  readonly durable: Store
  /** For what is hot: Redis or Valkey. Default: the durable one. */
  readonly hot?: Store
  /** Collections, by name, that go elsewhere than their package says. */
  readonly place?: Readonly<Record<string, Keep>>
}

/** A store that puts each collection where it belongs. */
export interface Stores extends Store {
  /** Where each collection that was declared so far is. */
  readonly placement: Readonly<Record<string, Keep>>
  /** Names in `place` that nobody has declared: after start-up, misspelt ones. */
  readonly unused: readonly string[]
}

/**
 * One store made of two: each collection is in the one that its declaration asks for (`keep`), or that `place` says. What goes where
 * by default, and what a loss of it means, is in the packages' READMEs: sessions and replay caches are hot, all else is durable.
 *
 * @throws CoreError `core.collection_invalid` for a place that is neither `durable` nor `hot`, or a name that no collection can have
 * @example const store = stores({ durable: postgres, hot: redis, place: { 'oauth.codes': 'hot' } })
 */
export function stores({ durable, hot = durable, place = {} }: StoresOptions): Stores {
  const exceptions = new Map(Object.entries(place))
  for (const [name, keep] of exceptions) normalizeDeclaration({ name, keep })
  const placement = new Map<string, Keep>()
  return {
    collection<T extends Json>(declaration: CollectionDeclaration): Collection<T> {
      const { name, keep } = normalizeDeclaration(declaration)
      const where = exceptions.get(name) ?? keep
      const before = placement.get(name)
      if (before !== undefined && before !== where) {
        throw new CoreError('core.collection_invalid', `${name} was declared before to be kept ${before}`)
      }
      const collection = (where === 'hot' ? hot : durable).collection<T>(declaration)
      placement.set(name, where)
      return collection
    },
    get placement() {
      return Object.fromEntries(placement)
    },
    get unused() {
      return [...exceptions.keys()].filter((name) => !placement.has(name))
    },
  }
}
