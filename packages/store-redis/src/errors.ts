import { PortcullisError } from '@portcullis/core'

/** The codes of {@link RedisStoreError}. */
export type RedisStoreErrorCode =
  | 'store_redis.options_invalid'
  | 'store_redis.timeout'
  | 'store_redis.failed'
  | 'store_redis.reply_invalid'
  | 'store_redis.closed'

/** Redis could not do what it was asked. Messages name the command that failed, and never a key or a value. */
export class RedisStoreError extends PortcullisError<RedisStoreErrorCode> {}
