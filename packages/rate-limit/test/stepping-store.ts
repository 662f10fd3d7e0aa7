import type { Collection, Json, Store } from '@portcullis/core'

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
