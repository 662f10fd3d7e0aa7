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
