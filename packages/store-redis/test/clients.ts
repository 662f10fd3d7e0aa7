import type { RedisCluster, RedisServer } from '@portcullis/conformance/servers'
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis'

/** What the README recommends. */
const SETTINGS = {
  maxRetriesPerRequest: 0,
  retryStrategy: (times: number) => Math.min(20 * times, 500),
  connectTimeout: 1000,
  socketTimeout: 1000,
} satisfies RedisOptions

/** What the README recommends for a cluster. */
const CLUSTER_SETTINGS = {
  retryDelayOnFailover: 0,
  retryDelayOnTryAgain: 20,
  retryDelayOnClusterDown: 50,
  slotsRefreshTimeout: 1000,
  clusterRetryStrategy: (times: number) => Math.min(20 * times, 500),
  redisOptions: { connectTimeout: 1000, socketTimeout: 1000 },
} satisfies ClusterOptions

/** Clients that a test makes, and ends with {@link Clients.close}. */
export class Clients {
  readonly #open: (Redis | Cluster)[] = []

  of(server: RedisServer, other: object = {}): Redis {
    return this.#keep(new Redis({ ...SETTINGS, ...other, path: server.socket }))
  }

  /** By TCP, at a port that need not be the server's: a proxy may stand between. */
  at(port: number, other: object = {}): Redis {
    return this.#keep(new Redis({ ...SETTINGS, ...other, host: '127.0.0.1', port }))
  }

  ofCluster(cluster: RedisCluster, other: object = {}): Cluster {
    return this.#keep(new Cluster([...cluster.addresses], { ...CLUSTER_SETTINGS, ...other }))
  }

  close(): void {
    for (const client of this.#open) client.disconnect()
  }

  #keep<T extends Redis | Cluster>(client: T): T {
    // While a server is down there is one of these for each attempt.
    client.on('error', () => undefined)
    this.#open.push(client)
    return client
  }
}
