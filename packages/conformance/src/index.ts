export { type AdapterUnderTest, adapterExample, adapterSuite } from './adapter.ts'
export { type RevocationFeedUnderTest, revocationFeedSuite } from './revocation.ts'
export { manualClock, type StoreUnderTest, storeSuite } from './store.ts'
