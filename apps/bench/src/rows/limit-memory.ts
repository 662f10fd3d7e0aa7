import type { RequestView } from '@portcullis/core'
import {
  byAddress,
  createMemoryRateLimitStore,
  limit,
  type Policy,
  type RateLimitStore,
  scopePolicies,
} from '@portcullis/rate-limit'
import { MemoryStore, rateLimit } from 'express-rate-limit'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { type Bench, compare, type Peer, speedOf } from '../bench.ts'
import { expectAnswer } from '../errors.ts'
import type { MeasureOptions, Subject } from '../harness.ts'
import { bytesPerKey } from '../memory.ts'
import { type Growth, type Row, row } from '../report.ts'
import { addresses, requestsFrom } from './addresses.ts'

const BYTES = 100
/** A limit that one key never reaches while it is timed, and that forgets no key meanwhile. */
const QUOTA = 1_000_000_000
const WINDOW = 86_400
/** One unit takes a second to come back: entries stay live as they do under a limit that is in use. */
const live: Policy = { name: 'live', quota: 1, window: 1, burst: QUOTA }

function keyAt(requests: readonly string[], n: number): string {
  return requests[n & (requests.length - 1)] as string
}

function ours(keys: readonly string[], requests: readonly string[]): Subject {
  const store = createMemoryRateLimitStore({ maxKeys: Math.max(keys.length, 1) })
  const policies = scopePolicies('bench', [live])
  for (const key of keys) expectAnswer('rate-limit', store.consume([key], policies, 1).allowed)
  assertRefuses(store)
  return {
    name: 'ours',
    run(iterations) {
      let allowed = 0
      for (let n = 0; n < iterations; n++) if (store.consume([keyAt(requests, n)], policies, 1).allowed) allowed++
      return allowed
    },
  }
}

function assertRefuses(store: RateLimitStore): void {
  const policies = scopePolicies('assertion', [{ name: 'one', quota: 1, window: 60 }])
  store.consume(['k'], policies, 1)
  const verdict = store.consume(['k'], policies, 1)
  expectAnswer('rate-limit', !(verdict instanceof Promise) && !verdict.allowed)
}

/** What a route pays: guard, headers and facts. A second passes between two requests, so that none is refused. */
function ourGuard(): Subject {
  let asked = 0
  const clock = { now: (): number => Date.now() + 1000 * asked++ }
  const guard = limit({ policies: [{ name: 'burst', quota: 100, window: 60 }], key: byAddress(), clock })
  const request = { client: { ip: '192.0.2.1' } } as RequestView
  const ask = (): boolean => {
    const decision = guard(request)
    return !(decision instanceof Promise) && decision.type === 'continue' && decision.headers !== undefined
  }
  for (let n = 0; n < 1_000; n++) expectAnswer('rate-limit', ask())
  return {
    name: 'ours',
    run(iterations) {
      let allowed = 0
      for (let n = 0; n < iterations; n++) if (ask()) allowed++
      return allowed
    },
  }
}

/** The same of express-rate-limit: its middleware, with the headers of draft 8, and a response that keeps them. */
async function expressMiddleware(): Promise<Peer> {
  const middleware = rateLimit({
    windowMs: 60_000,
    limit: QUOTA,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    validate: false,
  })
  const request = { ip: '192.0.2.1', app: { get: () => false } } as unknown as Parameters<typeof middleware>[0]
  const ask = async (): Promise<boolean> => {
    const kept = new Map<string, unknown>()
    const response = {
      headersSent: false,
      setHeader: (name: string, value: unknown) => kept.set(name, value),
      append: (name: string, value: unknown) => kept.set(name, value),
    } as unknown as Parameters<typeof middleware>[1]
    let passed = false
    await middleware(request, response, (error?: unknown) => {
      passed = error === undefined
    })
    return passed && kept.size > 0
  }
  expectAnswer('express-rate-limit', await ask())
  return {
    name: 'express-rate-limit',
    async run(iterations) {
      let allowed = 0
      for (let n = 0; n < iterations; n++) if (await ask()) allowed++
      return allowed
    },
  }
}

async function flexible(keys: readonly string[], requests: readonly string[], target?: number): Promise<Peer> {
  const limiter = new RateLimiterMemory({ points: QUOTA, duration: WINDOW })
  for (const key of keys) expectAnswer('rate-limiter-flexible', (await limiter.consume(key)).consumedPoints === 1)
  const strict = new RateLimiterMemory({ points: 1, duration: WINDOW })
  await strict.consume('k')
  expectAnswer(
    'rate-limiter-flexible',
    await strict.consume('k').then(
      () => false,
      () => true,
    ),
  )
  return {
    name: 'rate-limiter-flexible',
    ...(target === undefined ? {} : { target }),
    async run(iterations) {
      let allowed = 0
      for (let n = 0; n < iterations; n++) if ((await limiter.consume(keyAt(requests, n))).remainingPoints >= 0) allowed++
      return allowed
    },
  }
}

/** The bare store: it counts; comparing with the limit and headers are for the middleware, which is not timed. */
async function express(keys: readonly string[], requests: readonly string[], target?: number): Promise<Peer> {
  const store = new MemoryStore()
  store.init({ windowMs: WINDOW * 1000 } as Parameters<MemoryStore['init']>[0])
  for (const key of keys) expectAnswer('express-rate-limit', (await store.increment(key)).totalHits === 1)
  return {
    name: 'express-rate-limit store',
    ...(target === undefined ? {} : { target }),
    async run(iterations) {
      let allowed = 0
      for (let n = 0; n < iterations; n++) if ((await store.increment(keyAt(requests, n))).totalHits <= QUOTA) allowed++
      return allowed
    },
  }
}

/** A Map and a number: what counting by key costs whoever does it. */
function bareMap(keys: readonly string[], requests: readonly string[]): Peer {
  const counts = new Map(keys.map((key) => [key, 1]))
  return {
    name: 'Map (limit)',
    run(iterations) {
      let allowed = 0
      for (let n = 0; n < iterations; n++) {
        const key = keyAt(requests, n)
        const count = (counts.get(key) ?? 0) + 1
        counts.set(key, count)
        if (count <= QUOTA && Date.now() > 0) allowed++
      }
      return allowed
    },
  }
}

async function speeds(size: number, options: MeasureOptions): Promise<readonly Row[]> {
  const keys = addresses(size)
  const requests = requestsFrom(keys)
  const against = async (): Promise<readonly Peer[]> => [
    await flexible(keys, requests, 3),
    await express(keys, requests, 1.5),
    bareMap(keys, requests),
  ]
  const rows = await compare(`limit.memory.${size}`, ours(keys, requests), await against(), options)
  if (size > 1) return rows
  const guard = await compare('limit.memory.guard', ourGuard(), [await expressMiddleware()], options)
  return [...rows, ...guard]
}

const SIZES = [1_000, 10_000, 100_000, 1_000_000]

async function growth(options: MeasureOptions): Promise<readonly Growth[]> {
  const [fast, small]: { size: number; ours: number }[][] = [[], []]
  for (const size of SIZES) {
    const keys = addresses(size)
    fast?.push({ size, ours: Math.round(await speedOf(ours(keys, requestsFrom(keys)), options)) })
    small?.push({ size, ours: Math.round(await bytesPerKey('portcullis', size)) })
  }
  return [
    { bench: 'limit.memory', unit: 'ops/s', size: 'keys', growth: fast ?? [] },
    { bench: 'limit.memory.bytes', unit: 'bytes/key', size: 'keys', growth: small ?? [] },
  ]
}

async function bytes(): Promise<readonly Row[]> {
  const of = (subject: Parameters<typeof bytesPerKey>[0]): Promise<number> => bytesPerKey(subject, 100_000)
  const our = { bench: 'limit.memory.bytes', ours: await of('portcullis'), unit: 'bytes/key' } as const
  return [
    row({ ...our, peer: 'target', theirs: BYTES, target: 1 }),
    row({ ...our, peer: 'rate-limiter-flexible', theirs: await of('rate-limiter-flexible') }),
    row({ ...our, peer: 'express-rate-limit store', theirs: await of('express-rate-limit') }),
  ]
}

/** One policy, in this process: one key, and 100,000 keys in random order. */
export const limitMemory: Bench = {
  name: 'limit.memory',
  async run(options) {
    const rows = [...(await speeds(1, options)), ...(await speeds(100_000, options)), ...(await bytes())]
    return { rows, growth: await growth(options) }
  },
}
