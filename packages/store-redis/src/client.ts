import { RedisStoreError } from './errors.ts'

/**
 * The part of ioredis' client, or of its cluster client, that is used here. Replies are strings and numbers, as they are by default.
 * Commands go out in capitals, which ioredis takes to a master whatever `scaleReads` says: what is read was not written long ago.
 */
export interface RedisClient {
  call(command: string, ...args: string[]): Promise<unknown>
  readonly isCluster?: boolean
  /** Of a cluster: for each slot the nodes that serve it, its master first. */
  readonly slots?: readonly (readonly string[])[]
  /** Of a cluster. */
  nodes?(role: 'master'): readonly RedisClient[]
}

/** @throws RedisStoreError `store_redis.options_invalid` */
export function checkClient(client: RedisClient): RedisClient {
  if (typeof client?.call !== 'function') {
    throw new RedisStoreError('store_redis.options_invalid', 'client must be an ioredis client')
  }
  return client
}
