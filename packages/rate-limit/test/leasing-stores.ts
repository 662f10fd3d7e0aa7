import { type Clock, type Collection, createMemoryStore, type Json, type Store } from '@portcullis/core'

/** A kind of store, as tests that hold on all of them see it. */
export interface LeasingStore {
  readonly title: string
  /** So many stores on the same data: as many processes. */
  open(clock: Clock, count: number): Promise<readonly [Store, ...Store[]]>
}

/** The verbs that answer with a promise. */
export type Verb = Exclude<keyof Collection<Json>, 'find'>

/** A store that does something before and after it is asked. */
export function around(inner: Store, step: (verb: Verb | 'find') => unknown): Store {
  return {
    collection<T extends Json>(declaration: Parameters<Store['collection']>[0]): Collection<T> {
      const real = inner.collection<T>(declaration)
      const stepping = async <R>(verb: Verb, work: () => Promise<R>): Promise<R> => {
        await step(verb)
        const answer = await work()
        await step(verb)
        return answer
      }
      return {
        get: (id) => stepping('get', () => real.get(id)),
        create: (...write) => stepping('create', () => real.create(...write)),
        replace: (...write) => stepping('replace', () => real.replace(...write)),
        take: (id) => stepping('take', () => real.take(id)),
        remove: (id) => stepping('remove', () => real.remove(id)),
        async *find(...asked) {
          await step('find')
          yield* real.find(...asked)
        },
      }
    },
  }
}

/** A few turns of the event loop, so that callers get in each other's way in ever other orders. */
async function network(): Promise<void> {
  for (let turns = Math.floor(Math.random() * 4); turns > 0; turns--) await new Promise(setImmediate)
}

export const leasingStores: readonly LeasingStore[] = [
  {
    title: 'in memory',
    async open(clock, count) {
      const store = createMemoryStore({ clock })
      return [store, ...Array<Store>(count - 1).fill(store)]
    },
  },
  {
    title: 'behind a network',
    async open(clock, count) {
      const store = createMemoryStore({ clock })
      const late = (): Store => around(store, network)
      return [late(), ...Array.from({ length: count - 1 }, late)]
    },
  },
]
