import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Clock, PortcullisError, type Store, stores } from '@portcullis/core'
import { createMemoryRateLimitStore, type RateLimitStore } from '@portcullis/rate-limit'
import { createRedisStore, type RedisClient } from '@portcullis/store-redis'
import { createRedisRateLimitStore } from '@portcullis/store-redis/rate-limit'
import { openPostgres, openSqlite, type SqlStore } from '@portcullis/store-sql'
import { createSqlRateLimitStore } from '@portcullis/store-sql/rate-limit'
import { Cluster, Redis } from 'ioredis'
import Database from 'libsql'
import pg from 'pg'
import type { Config } from './config.ts'

/** Attempts, a quarter of a second apart. */
const PATIENCE = 20

/** Where Ledger keeps things. */
export interface Backends {
  /** Their names, as the ready line has them. */
  readonly names: readonly string[]
  /** Each collection in its place. */
  readonly store: Store
  /** Counts requests. */
  readonly floods: RateLimitStore
  /** Counts guesses: over a restart, too, and in all processes together. */
  readonly guesses: RateLimitStore
  close(): Promise<void>
}

/** Milliseconds for a count: as long as for the rest of what is hot, since guesses are counted here, and a sign-in rather waits than fails. */
const COUNTING = 250

/**
 * SQLite and memory without a server; PostgreSQL where `DATABASE_URL` says; sessions, replay caches and limits in Redis where `REDIS_URL`
 * says.
 * @param limitKey names whom limits count
 * @throws StoreError, RedisStoreError
 */
export async function openBackends(config: Config, limitKey: Uint8Array, clock: Clock): Promise<Backends> {
  const durable = await openDurable(config, clock)
  const name = config.databaseUrl === undefined ? 'sqlite' : 'postgres'
  if (config.redisUrls.length === 0) {
    return {
      names: [name],
      store: durable,
      floods: createMemoryRateLimitStore({ clock }),
      guesses: createSqlRateLimitStore({ store: durable, secret: limitKey, timeout: COUNTING }),
      close: () => durable.close(),
    }
  }
  const client = connect(config.redisUrls)
  const hot = createRedisStore({ client, prefix: 'ledger' })
  const counted = createRedisRateLimitStore({ client, secret: limitKey, prefix: 'ledger', timeout: COUNTING })
  const backends: Backends = {
    names: [name, 'redis'],
    store: stores({ durable, hot }),
    floods: counted,
    guesses: counted,
    async close() {
      client.disconnect()
      await durable.close()
    },
  }
  try {
    await patiently(() => hot.check())
    return backends
  } catch (error) {
    await backends.close()
    throw error
  }
}

function openDurable({ databaseUrl, dataDir }: Config, clock: Clock): Promise<SqlStore> {
  if (databaseUrl === undefined) return openSqlite({ filename: join(dataDir, 'ledger.db'), Database, clock })
  return openPostgres({ connectionString: databaseUrl, Pool: pg.Pool, clock })
}

function connect(urls: readonly string[]): RedisClient & { disconnect(): void } {
  const [url = '', ...more] = urls
  const retry = (times: number): number => Math.min(20 * times, 500)
  const sockets = { connectTimeout: 1000, socketTimeout: 1000 }
  const client =
    more.length === 0
      ? new Redis(url, { maxRetriesPerRequest: 0, retryStrategy: retry, ...sockets })
      : new Cluster([...urls], {
          retryDelayOnFailover: 0,
          retryDelayOnTryAgain: 20,
          retryDelayOnClusterDown: 50,
          clusterRetryStrategy: retry,
          redisOptions: sockets,
        })
  // One for each attempt while the server is away. The breaker says so once.
  client.on('error', () => undefined)
  return client
}

/** A server that starts together with Ledger may take a moment. */
async function patiently(check: () => Promise<void>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await check()
    } catch (error) {
      if (attempt === PATIENCE || !(error instanceof PortcullisError && error.status === 503)) throw error
      await pause(250)
    }
  }
}
