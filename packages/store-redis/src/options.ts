import { RedisStoreError } from './errors.ts'

/**
 * A number that is configured.
 * @throws RedisStoreError `store_redis.options_invalid`
 */
export function within(name: string, value: number, limits: { readonly min: number; readonly max: number }): number {
  if (!Number.isFinite(value) || value < limits.min || value > limits.max) {
    throw new RedisStoreError('store_redis.options_invalid', `${name} must be between ${limits.min} and ${limits.max}`)
  }
  return value
}

/**
 * What keys begin with. No braces: they would be the hash tag, and put everything on one node of a cluster.
 * @throws RedisStoreError `store_redis.options_invalid`
 */
export function keyPrefix(prefix = 'portcullis'): string {
  if (typeof prefix !== 'string' || !/^[A-Za-z0-9._:-]{1,64}$/.test(prefix)) {
    throw new RedisStoreError('store_redis.options_invalid', 'prefix is 1 to 64 of A-Z a-z 0-9 . _ : -')
  }
  return prefix
}

/**
 * How events name what is behind a client.
 * @throws RedisStoreError `store_redis.options_invalid`
 */
export function backendName(name = 'redis'): string {
  if (typeof name !== 'string' || !/^[A-Za-z0-9._:-]{1,64}$/.test(name)) {
    throw new RedisStoreError('store_redis.options_invalid', 'name is 1 to 64 of A-Z a-z 0-9 . _ : -')
  }
  return name
}
