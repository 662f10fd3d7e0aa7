import {
  type Clock,
  type Collection,
  type CollectionDeclaration,
  DeclaredCollections,
  type Json,
  type Store,
  systemClock,
} from '@portcullis/core'
import { checkClient, type RedisClient } from './client.ts'
import { RedisCollection } from './collection.ts'
import { RedisStoreError } from './errors.ts'
import { linkTo } from './link.ts'
import { backendName, keyPrefix, within } from './options.ts'
import { Space } from './space.ts'

/** Options of {@link createRedisStore}. */
export interface RedisStoreOptions {
  /** An ioredis client, or one for a cluster; it stays the caller's, who closes it. */
  readonly client: RedisClient
  /** What every key has in it: `{<prefix>:<collection>:<partition>}…`. 1 to 64 of `A-Z a-z 0-9 . _ : -`. Default: `portcullis`. */
  readonly prefix?: string
  /**
   * Into how many parts a collection is divided, each of them kept on one node: 1 to 1024, the same in all processes, and for as long as
   * the data lives. Default: 16 on a cluster, otherwise 1.
   */
  readonly partitions?: number
  /** For each call, in milliseconds. Default: 250. */
  readonly timeout?: number
  /** For tests. Default: the server's clock, which is the same for all processes. */
  readonly clock?: Clock
  /** What events call it. Default: `redis`. */
  readonly name?: string
}

/** A store on Redis or Valkey. */
export interface RedisStore extends Store {
  /**
   * For the start of a service: whether Redis answers, has the data of a store with as many partitions as this one, and will not
   * evict what it was given to keep. Without it, the number of partitions is checked by the first call.
   * @throws RedisStoreError `store_redis.partitions_differ`, `store_redis.evicting`; `store_redis.failed` when `INFO` is not permitted; as
   *   every call does while Redis is down
   */
  check(): Promise<void>
}

/**
 * A store on Redis 6.2 or later, Valkey, or a cluster of them. Each verb is one round trip: a `GET`, or a script that runs all or not
 * at all. What expires, does so by the server's clock.
 *
 * A collection is divided by a hash of the id. All keys of a part share a hash tag, so that a cluster keeps them on one node and a script
 * may touch an entry and its indexes at once; the parts are spread over the nodes. More of them spread better, and cost a `find`
 * one call each. How many there are is written to the key `<prefix>:partitions`, which is meant to live forever: a process that is
 * configured otherwise would look for every id in the wrong part, and refuses instead.
 *
 * @throws RedisStoreError `store_redis.options_invalid`
 * @example const store = createRedisStore({ client: new Redis({ maxRetriesPerRequest: 0 }) })
 */
export function createRedisStore(options: RedisStoreOptions): RedisStore {
  const client = checkClient(options.client)
  const prefix = keyPrefix(options.prefix)
  const partitions = within('partitions', options.partitions ?? (client.isCluster === true ? 16 : 1), { min: 1, max: 1024 })
  if (!Number.isInteger(partitions)) throw new RedisStoreError('store_redis.options_invalid', 'partitions must be a whole number')
  const timeout = within('timeout', options.timeout ?? 250, { min: 1, max: 60_000 })
  const link = linkTo(client, timeout, backendName(options.name), options.clock ?? systemClock)
  const space = new Space(link, prefix, partitions, options.clock)
  const collections = new DeclaredCollections((declaration) => new RedisCollection<Json>(declaration, space))
  return {
    collection: <T extends Json>(given: CollectionDeclaration) => collections.of(given) as unknown as Collection<T>,
    async check() {
      await space.verify()
      const nodes = client.isCluster === true ? (client.nodes?.('master') ?? [client]) : [client]
      const key = `${prefix}:partitions`
      const memory = await Promise.all(
        nodes.map((node) => link.run({ key, repeatable: true }, () => node.call('INFO', 'memory'))),
      )
      if (memory.some(evicts)) {
        throw new RedisStoreError('store_redis.evicting', 'Redis has a maxmemory, and a maxmemory-policy other than noeviction')
      }
    },
  }
}

function evicts(info: unknown): boolean {
  const text = String(info)
  return !/^maxmemory:0\r?$/m.test(text) && !/^maxmemory_policy:noeviction\r?$/m.test(text)
}
