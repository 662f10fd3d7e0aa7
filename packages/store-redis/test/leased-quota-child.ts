import { leaseQuota, scopePolicies } from '@portcullis/rate-limit'
import { Redis } from 'ioredis'
import { createRedisRateLimitStore } from '../src/rate-limit.ts'

const LIMIT = { quota: 2000, window: 1, burst: 5000 } as const
const PROCESSES = 3

/** A child says what it does in single bytes: ready, a check that was charged in Redis, one from the hand. */
const SAYS = { ready: 'r', charged: 'c', hand: 'h' } as const

/**
 * Checks as fast as it can, once anything comes in, and until the input ends. What it says is written at once (a pipe is synchronous on
 * POSIX), so that no more is unsaid when it is killed than the eight checks under way.
 */
async function run(socket: string): Promise<void> {
  const client = new Redis({ path: socket, maxRetriesPerRequest: 0 })
  const bare = createRedisRateLimitStore({ client, secret: 'a secret of at least 16 bytes', timeout: 30_000 })
  const store = leaseQuota(bare, { processes: PROCESSES })
  const policies = scopePolicies('load', [{ name: 'p', ...LIMIT }])
  await client.ping()
  let going = true
  const begun = new Promise<void>((begin) => {
    process.stdin.once('data', () => begin())
    process.stdin.once('end', () => {
      going = false
    })
  })
  process.stdout.write(SAYS.ready)
  await begun
  const check = async (): Promise<void> => {
    const verdict = store.consume(['k'], policies, 1)
    const hand = !(verdict instanceof Promise)
    if ((await verdict).allowed) process.stdout.write(hand ? SAYS.hand : SAYS.charged)
  }
  while (going) {
    await Promise.all(Array.from({ length: 8 }, check))
    // For the input to be read.
    await new Promise(setImmediate)
  }
  client.disconnect()
}

interface Child {
  readonly limit: { readonly quota: number; readonly window: number; readonly burst: number }
  readonly processes: number
  readonly says: { readonly ready: string; readonly charged: string; readonly hand: string }
  run(socket: string): Promise<void>
}

/** What the test and the process that it starts have in common. */
export const child: Child = { limit: LIMIT, processes: PROCESSES, says: SAYS, run }
