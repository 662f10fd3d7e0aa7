import { createMemoryStore, type Store } from '@portcullis/core'
import { createMemoryRevocationFeed, createStoreRevocationFeed } from '@portcullis/tokens'
import { revocationFeedSuite } from '../src/revocation.ts'

revocationFeedSuite({
  name: 'memory',
  async open() {
    const feed = createMemoryRevocationFeed()
    return { feeds: [feed, feed], close: () => feed.close() }
  },
})

revocationFeedSuite({
  name: 'a store in memory, three processes',
  canFail: true,
  async open() {
    const { store, outage } = storeWithOutages()
    const open = () => createStoreRevocationFeed({ store, interval: 50, timeout: 200 })
    const feeds = [open(), open(), open()] as const
    return {
      feeds,
      outage,
      async close() {
        for (const feed of feeds) await feed.close()
      },
    }
  },
})

/** A store in memory never hangs by itself: this one does when it is told to. */
function storeWithOutages(): { store: Store; outage: { begin(): Promise<void>; end(): Promise<void> } } {
  const kept = createMemoryStore()
  let working = true
  const answer = (): Promise<void> => (working ? Promise.resolve() : new Promise(() => {}))
  return {
    store: {
      collection(declaration) {
        const collection: any = kept.collection(declaration)
        const verbs = ['get', 'create', 'replace', 'take', 'remove'] as const
        return {
          ...Object.fromEntries(
            verbs.map((verb) => [verb, (...given: any[]) => answer().then(() => collection[verb](...given))]),
          ),
          async *find(...given: any[]) {
            await answer()
            yield* collection.find(...given)
          },
        } as any
      },
    },
    outage: {
      begin: async () => {
        working = false
      },
      end: async () => {
        working = true
      },
    },
  }
}
