export { createSqlRateLimitStore, type SqlRateLimitStore, type SqlRateLimitStoreOptions } from './rate-limit-store.ts'
