import { PortcullisError } from '@portcullis/core'

/** The codes of {@link RedisStoreError}. */
export type RedisStoreErrorCode =
  | 'store_redis.options_invalid'
  | 'store_redis.timeout'
  | 'store_redis.unavailable'
  | 'store_redis.failed'
  | 'store_redis.full'
  | 'store_redis.read_only'
  | 'store_redis.partitions_differ'
  | 'store_redis.evicting'
  | 'store_redis.keys_apart'
  | 'store_redis.reply_invalid'
  | 'store_redis.closed'

/** Redis could not do what it was asked. Messages never name a key, an id or a value. */
export class RedisStoreError extends PortcullisError<RedisStoreErrorCode> {}
