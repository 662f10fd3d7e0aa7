import { hasRedis, RedisCluster, RedisServer } from '@portcullis/conformance/servers'
import { manualClock, type StoreUnderTest } from '@portcullis/conformance/store'
import type { Store } from '@portcullis/core'
import { afterAll, beforeAll } from 'vitest'
import { createRedisStore, type RedisClient } from '../src/index.ts'
import { Clients } from './clients.ts'

/** A server of the suite's own, with clients that end with it. Called in a `describe`. */
export interface OwnServer {
  readonly clients: Clients
  /** Once it has been started. */
  readonly server: RedisServer
}

export function ownServer(): OwnServer {
  const clients = new Clients()
  let server: RedisServer | undefined
  beforeAll(async () => {
    server = new RedisServer()
    await server.start()
  })
  afterAll(async () => {
    clients.close()
    await server?.close()
  })
  return {
    clients,
    get server() {
      if (server === undefined) throw new TypeError('the server has not been started')
      return server
    },
  }
}

type Three = readonly [RedisClient, RedisClient, RedisClient]

/** What every suite runs on. */
export interface TestBackend {
  /** As the reports name it. */
  readonly name: string
  /** Starts it before the tests. Called in a `describe`. @returns the same three clients each time */
  start(): () => Three
}

const alone: TestBackend = {
  name: 'Redis, three clients',
  start() {
    const own = ownServer()
    return once((): Three => [own.clients.of(own.server), own.clients.of(own.server), own.clients.of(own.server)])
  },
}

const together: TestBackend = {
  name: 'Redis Cluster, three clients',
  start() {
    const clients = new Clients()
    let cluster: RedisCluster | undefined
    beforeAll(async () => {
      cluster = new RedisCluster()
      await cluster.start()
    }, 60_000)
    afterAll(async () => {
      clients.close()
      await cluster?.close()
    })
    return once((): Three => {
      if (cluster === undefined) throw new TypeError('the cluster has not been started')
      return [clients.ofCluster(cluster), clients.ofCluster(cluster), clients.ofCluster(cluster)]
    })
  },
}

/** A server, and a cluster. */
export const backends: readonly TestBackend[] = [alone, together]

/** A store on each client, for suites that race over connections and move a clock. */
export function storesOn(
  clients: Three,
  options: { readonly partitions?: number; readonly prefix?: string } = {},
): StoreUnderTest {
  const clock = manualClock()
  // Two hundred calls at once on a busy machine are slower than a service would stand.
  const open = (client: RedisClient): Store => createRedisStore({ client, clock, timeout: 10_000, ...options })
  const [first, ...others] = clients
  return { store: open(first), peers: others.map(open), now: clock.now, advance: clock.advance, close: async () => {} }
}

/** Without Redis, suites are skipped, by name. */
export const skipped: boolean = !hasRedis()

function once<T>(make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}
