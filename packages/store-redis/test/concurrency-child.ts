import type { Clock } from '@portcullis/core'
import { type ConcurrencyLimit, createConcurrencyLimit } from '@portcullis/rate-limit'
import { Redis } from 'ioredis'
import { createRedisStore, type RedisClient } from '../src/index.ts'

/** Seconds: so long that no timer renews anything while the test runs. */
const LEASE = 3600

/** One limit, as each of its processes declares it. */
function sharedLimit(client: RedisClient, clock: Clock): ConcurrencyLimit {
  const store = createRedisStore({ client, clock, timeout: 10_000 })
  const secret = 'a secret of at least 16 bytes'
  return createConcurrencyLimit({ max: 10, lease: LEASE, store, secret, clock, whenUnavailable: 'closed' })
}

/** Takes so many seats at a time, says which it got, and stays until it is killed. @param now milliseconds since the epoch */
async function run(socket: string, count: string, now: string): Promise<void> {
  const client = new Redis({ path: socket, maxRetriesPerRequest: 0 })
  const limit = sharedLimit(client, { now: () => Number(now) })
  for (let n = 0; n < Number(count); n++) process.stdout.write((await limit.acquire('k')).acquired ? 's' : '-')
  process.stdin.resume()
}

/** For the test, and for the process that it starts. */
export const child: { readonly sharedLimit: typeof sharedLimit; readonly run: typeof run } = { sharedLimit, run }
