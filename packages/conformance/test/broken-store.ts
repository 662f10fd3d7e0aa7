import { type Collection, createMemoryStore, type Json, type Store } from '@portcullis/core'
import { manualClock, type StoreUnderTest } from '../src/store.ts'

/** A collection of the memory store. */
export type Kept = Collection<Json>

/** The memory store with one mistake in each of its collections. */
export function brokenStore(defect: (kept: Kept) => Partial<Kept>): StoreUnderTest {
  const clock = manualClock()
  const memory = createMemoryStore({ clock })
  const store: Store = {
    collection<T extends Json>(declaration: Parameters<Store['collection']>[0]): Collection<T> {
      const kept = memory.collection<Json>(declaration)
      const broken: Kept = {
        get: (id) => kept.get(id),
        create: (id, value, options) => kept.create(id, value, options),
        replace: (id, version, value, options) => kept.replace(id, version, value, options),
        take: (id) => kept.take(id),
        remove: (id) => kept.remove(id),
        find: (index, key, page) => kept.find(index, key, page),
        ...defect(kept),
      }
      return broken as unknown as Collection<T>
    },
  }
  return { store, ...clock, close: async () => {} }
}
