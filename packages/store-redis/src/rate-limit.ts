export { createRedisRateLimitStore, type RedisRateLimitStoreOptions } from './rate-limit-store.ts'
