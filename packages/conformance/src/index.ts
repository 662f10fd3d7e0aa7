export { type AdapterUnderTest, adapterExample, adapterSuite } from './adapter.ts'
export { manualClock, type StoreUnderTest, storeSuite } from './store.ts'
