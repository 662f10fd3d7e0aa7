export type { RedisClient } from './client.ts'
export { RedisStoreError, type RedisStoreErrorCode } from './errors.ts'
export { createRedisRevocationFeed, type RedisRevocationFeedOptions } from './revocation-feed.ts'
export { createRedisStore, type RedisStore, type RedisStoreOptions } from './store.ts'
