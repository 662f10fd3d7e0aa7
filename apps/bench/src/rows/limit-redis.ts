import { hasRedis, RedisServer } from '@portcullis/conformance/servers'
import { type GcraPolicy, type RateLimitStore, rememberExhausted, scopePolicies } from '@portcullis/rate-limit'
import { createRedisRateLimitStore } from '@portcullis/store-redis/rate-limit'
import { Redis } from 'ioredis'
import { RedisStore } from 'rate-limit-redis'
import { RateLimiterRedis, type RateLimiterRes } from 'rate-limiter-flexible'
import { type Bench, compare, type Peer } from '../bench.ts'
import { expectAnswer } from '../errors.ts'
import type { MeasureOptions, Subject } from '../harness.ts'
import type { Growth, Row } from '../report.ts'
import { addresses, requestsFrom } from './addresses.ts'
import { growthOf, serverTime } from './limit-redis-server.ts'

const KEYS = 10_000
const BUSY = 64
const IN_FLIGHT = [1, BUSY, 512] as const
/** A limit that no key reaches while it is timed. */
const QUOTA = 1_000_000_000
const WINDOW = 86_400
/** One unit takes ten minutes to come back: buckets are read and written as those of a limit in use, and none ends while they are counted. */
const LIVE = { quota: 1, window: 600, burst: QUOTA }
const ONE = { quota: 1, window: WINDOW, burst: 1 }
const TIMEOUT = 30_000
const SECRET = 'a secret of the bench alone'

/** One check of a key. @returns whether it was allowed */
type Check = (key: string) => boolean | Promise<boolean>

/** A library on a connection of its own, with limits of two sizes. */
interface Limiter {
  readonly name: string
  /** Allows all that is asked here. */
  readonly wide: Check
  /** Allows one in a day, and remembers where it was exhausted, if the library can. */
  readonly narrow: Check
  /** Calls that went to the server. */
  readonly trips: () => number
}

type Open = (client: Redis) => Omit<Limiter, 'trips'>

const ours: Open = (client) => {
  const store = createRedisRateLimitStore({ client, secret: SECRET, timeout: TIMEOUT })
  const remembering = rememberExhausted(store)
  const checkBy = (by: RateLimitStore, policy: Omit<GcraPolicy, 'name'>): Check => {
    const policies = scopePolicies(`bench-${policy.burst}`, [{ name: 'p', ...policy }])
    return (key) => {
      const verdict = by.consume([key], policies, 1)
      return verdict instanceof Promise ? verdict.then(({ allowed }) => allowed) : verdict.allowed
    }
  }
  return { name: 'ours', wide: checkBy(store, LIVE), narrow: checkBy(remembering, ONE) }
}

const flexible: Open = (storeClient) => {
  const checkBy = (points: number, options: object): Check => {
    const limiter = new RateLimiterRedis({ storeClient, keyPrefix: `f${points}`, points, duration: WINDOW, ...options })
    return async (key) => {
      try {
        return (await limiter.consume(key)).remainingPoints >= 0
      } catch (refused) {
        if (refused instanceof Error) throw refused
        return (refused as RateLimiterRes).msBeforeNext < 0
      }
    }
  }
  return { name: 'rate-limiter-flexible', wide: checkBy(QUOTA, {}), narrow: checkBy(1, { inMemoryBlockOnConsumed: 1 }) }
}

/** The bare store: it counts; comparing with the limit and headers are for the middleware of express-rate-limit, which is not timed. */
const express: Open = (client) => {
  const checkBy = (limit: number): Check => {
    const store = new RedisStore({
      sendCommand: (command: string, ...args: string[]) => client.call(command, ...args) as Promise<number>,
      prefix: `e${limit}:`,
    })
    store.init({ windowMs: WINDOW * 1000 } as Parameters<RedisStore['init']>[0])
    return async (key) => (await store.increment(key)).totalHits <= limit
  }
  return { name: 'rate-limit-redis', wide: checkBy(QUOTA), narrow: checkBy(1) }
}

/** What it costs to ask at all: the driver, and the shortest command that counts. */
const bare: Open = (client) => ({
  name: 'INCR (limit)',
  wide: async (key) => (await client.incr(`b:${key}`)) <= QUOTA,
  narrow: async (key) => (await client.incr(`n:${key}`)) <= 1,
})

/** One policy on a server that the bench starts and ends: checks in flight, and a key that is known to be exhausted. */
export const limitRedis: Bench = {
  name: 'limit.redis',
  async run(options) {
    if (!hasRedis()) {
      process.stderr.write('limit.redis skipped: there is no such server here\n')
      return { rows: [] }
    }
    const server = new RedisServer()
    await server.start()
    const clients: Redis[] = []
    // As the README of store-redis asks for it.
    const open = (limiter: Open): Limiter => {
      const client = new Redis(server.socket, { maxRetriesPerRequest: 0, socketTimeout: 1000 })
      clients.push(client)
      return counted(client, limiter)
    }
    const admin = new Redis(server.socket)
    clients.push(admin)
    try {
      const [our, flex, exp, raw] = [open(ours), open(flexible), open(express), open(bare)]
      for (const limiter of [our, flex, exp, raw]) await assertAnswers(limiter)
      const { rows, growth } = await speeds(our, [flex, exp], raw, options)
      const others = [...(await denied(our, flex, options)), ...(await times(admin, [our, flex, exp], options))]
      const larger = await growthOf(admin, (keys) => subjectOf(our, keys, BUSY), options)
      return { rows: [...rows, ...others], growth: [growth, ...larger] }
    } finally {
      for (const client of clients) client.disconnect()
      await server.close()
    }
  },
}

/** Counts what a driver is given to send, whichever way. */
function counted(client: Redis, open: Open): Limiter {
  let sent = 0
  const send = client.sendCommand
  client.sendCommand = function (this: Redis, ...args: Parameters<typeof send>) {
    sent += 1
    return send.apply(this, args)
  }
  return { ...open(client), trips: () => sent }
}

async function assertAnswers({ name, wide, narrow }: Limiter): Promise<void> {
  for (let n = 0; n < 10; n++) expectAnswer(name, await wide('probe'))
  const answers = [await narrow('probe'), await narrow('probe'), await narrow('probe'), await narrow('other')]
  expectAnswer(name, answers.join() === 'true,false,false,true')
}

async function speeds(
  our: Limiter,
  peers: readonly Limiter[],
  raw: Limiter,
  options: MeasureOptions,
): Promise<{ readonly rows: readonly Row[]; readonly growth: Growth }> {
  const requests = requestsFrom(addresses(KEYS))
  const rows: Row[] = []
  const sizes: { size: number; ours: number }[] = []
  for (const inFlight of IN_FLIGHT) {
    const target = inFlight === 1 ? undefined : inFlight === BUSY ? 1.5 : 2
    const peersHere: Peer[] = peers.map((peer) => ({
      ...subjectOf(peer, requests, inFlight),
      ...(target !== undefined && { target }),
    }))
    const subject = subjectOf(our, requests, inFlight)
    const found = await compare(`limit.redis.${inFlight}`, subject, [...peersHere, subjectOf(raw, requests, inFlight)], options)
    rows.push(...found)
    sizes.push({ size: inFlight, ours: found[0]?.ours ?? 0 })
  }
  return { rows, growth: { bench: 'limit.redis', unit: 'ops/s', size: 'checks in flight', growth: sizes } }
}

/** What a check costs the server. */
async function times(
  admin: Redis,
  [our, ...peers]: readonly [Limiter, ...Limiter[]],
  options: MeasureOptions,
): Promise<readonly Row[]> {
  const requests = requestsFrom(addresses(KEYS))
  const subject = (limiter: Limiter): Subject => subjectOf(limiter, requests, BUSY)
  return serverTime(`limit.redis.cpu.${BUSY}`, admin, [subject(our), ...peers.map(subject)], options, 1)
}

/** So many checks at once, each followed by the next as soon as it is answered. */
function subjectOf({ name, wide }: Limiter, requests: readonly string[], inFlight: number): Subject {
  let place = 0
  return {
    name,
    async run(iterations) {
      let begun = 0
      let allowed = 0
      const one = async (): Promise<void> => {
        while (begun < iterations) {
          begun += 1
          place = place + 1 === requests.length ? 0 : place + 1
          if (await wide(requests[place] as string)) allowed += 1
        }
      }
      await Promise.all(Array.from({ length: Math.min(inFlight, iterations) }, one))
      expectAnswer(name, allowed === iterations)
    },
  }
}

/** A key that is known to be exhausted. That nothing goes to the server is asserted: at most once a second, to see that it still is. */
async function denied(our: Limiter, flex: Limiter, options: MeasureOptions): Promise<readonly Row[]> {
  const refused = ({ name, narrow, trips }: Limiter): Subject => ({
    name,
    async run(iterations) {
      const [begun, before] = [performance.now(), trips()]
      let allowed = 0
      for (let n = 0; n < iterations; n++) {
        const answer = narrow('exhausted')
        if (typeof answer === 'boolean' ? answer : await answer) allowed += 1
      }
      expectAnswer(name, allowed === 0 && trips() - before <= 1 + (performance.now() - begun) / 1000)
    },
  })
  for (const { narrow } of [our, flex]) for (let n = 0; n < 2; n++) await narrow('exhausted')
  return compare('limit.redis.denied', refused(our), [{ ...refused(flex), target: 1 }], options)
}
