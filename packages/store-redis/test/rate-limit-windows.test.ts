import { manualClock } from '@portcullis/conformance/store'
import { type Policy, type RateLimitVerdict, scopePolicies } from '@portcullis/rate-limit'
import { describe, expect, it, vi } from 'vitest'
import type { RedisStoreError } from '../src/index.ts'
import { createRedisRateLimitStore } from '../src/rate-limit.ts'
import { ownServer, skipped } from './backends.ts'

const secret = 'a secret of at least 16 bytes'
const DAY = 86_400_000
/** What a period's key outlives it by: milliseconds. */
const GRACE = 300_000

async function outcome(work: unknown): Promise<'allowed' | 'refused' | string> {
  try {
    return ((await work) as RateLimitVerdict | undefined)?.allowed === false ? 'refused' : 'allowed'
  } catch (error) {
    return (error as RedisStoreError).code
  }
}

let limiters = 0
/** A limiter of the test's own. */
function limiter(...policies: readonly Policy[]) {
  limiters += 1
  return scopePolicies(`windows-${limiters}`, policies)
}

describe.skipIf(skipped)('limits by windows, on a redis-server of its own', () => {
  const own = ownServer()
  const client = () => own.clients.of(own.server)
  const open = (options: { readonly clock?: { now(): number } } = {}) =>
    createRedisRateLimitStore({ client: client(), secret, timeout: 10_000, ...options })
  const keys = () => client().keys(`*windows-${limiters}:*`)

  async function keyOfLimiter(): Promise<string> {
    const [key, ...others] = await keys()
    expect(others).toEqual([])
    return key ?? ''
  }

  it.each([
    ['strict', { name: 'p', algorithm: 'strict', quota: 10, window: 60 }, (at: number) => [at, at + 60_000]],
    ['fixed', { name: 'p', algorithm: 'fixed', quota: 10, window: 60 }, (at: number) => [at, at + 60_000]],
    [
      'sliding',
      { name: 'p', algorithm: 'sliding', quota: 10, window: 60 },
      (at: number) => [at - (at % 60_000), at - (at % 60_000) + 120_000],
    ],
    [
      'calendar',
      { name: 'p', algorithm: 'calendar', quota: 10, period: 'day' },
      (at: number) => [at - (at % DAY), at - (at % DAY) + DAY + GRACE],
    ],
  ] as const)(
    '%s: a key is 16 bytes an entry, ends when it has nothing to tell, and is gone when all is given back',
    async (_name, policy, expected) => {
      const limits = open()
      const policies = limiter(policy)
      const verdict = await limits.consume(['k'], policies, 3)
      const [start, end] = expected(verdict.at)
      const key = await keyOfLimiter()
      expect(await client().call('PEXPIRETIME', key)).toBe(end)
      const kept = (await client().getBuffer(key))!
      expect([kept.readDoubleBE(0), kept.readDoubleBE(8), kept.length]).toEqual([start, 3, 16])
      await limits.adjust(['k'], policies, -1, verdict)
      expect(await client().call('PEXPIRETIME', key)).toBe(end)
      await limits.adjust(['k'], policies, -2, verdict)
      expect(await keys()).toEqual([])
    },
  )

  it('a key ends with what is left of it, when the newest entry is given back', async () => {
    const limits = open()
    const policies = limiter({ name: 'p', algorithm: 'strict', quota: 10, window: 60 })
    const first = await limits.consume(['k'], policies, 1)
    let second = await limits.consume(['k'], policies, 0)
    while (second.at === first.at) second = await limits.consume(['k'], policies, 0)
    second = await limits.consume(['k'], policies, 1)
    const ends = async () => client().call('PEXPIRETIME', await keyOfLimiter())
    expect(await ends()).toBe(second.at + 60_000)
    await limits.adjust(['k'], policies, -1, second)
    expect(await ends()).toBe(first.at + 60_000)
  })

  it('what is refused, asked for nothing, or given back where nothing is, writes nothing', async () => {
    const limits = open()
    for (const algorithm of ['strict', 'fixed', 'sliding'] as const) {
      const policies = limiter({ name: 'p', algorithm, quota: 2, window: 60 })
      expect(await outcome(limits.consume(['k'], policies, 3))).toBe('refused')
      await limits.consume(['k'], policies, 0)
      await limits.adjust(['k'], policies, -1)
      expect(await keys()).toEqual([])
    }
  })

  it('1,000 checks of one strict key at once, over two connections: 10 pass', async () => {
    const connections = [open(), open()]
    const policies = limiter({ name: 'p', algorithm: 'strict', quota: 10, window: 3600 })
    const work = Array.from({ length: 1000 }, (_, n) => outcome(connections[n % 2]!.consume(['victim'], policies, 1)))
    expect((await Promise.all(work)).filter((one) => one === 'allowed')).toHaveLength(10)
  })

  it('all or nothing across algorithms: what one of them refuses is charged to none', async () => {
    const limits = open()
    const policies = limiter(
      { name: 'gcra', quota: 10, window: 3600 },
      { name: 'strict', algorithm: 'strict', quota: 10, window: 3600 },
      { name: 'day', algorithm: 'calendar', quota: 2, period: 'day' },
    )
    const three = ['k', 'k', 'k']
    const found = await Promise.all([1, 1, 1, 0].map((cost) => limits.consume(three, policies, cost)))
    expect(found.map(({ allowed }) => allowed)).toEqual([true, true, false, true])
    expect(found[3]?.results.map(({ remaining }) => remaining)).toEqual([8, 8, 0])
  })

  it('a clock that is behind a period which another has begun counts in it, and does not end its key earlier', async () => {
    const midnight = Date.UTC(2030, 5, 2)
    const policies = limiter({ name: 'p', algorithm: 'calendar', quota: 2, period: 'day' })
    const ahead = open({ clock: manualClock(midnight + 5000) })
    const behind = open({ clock: manualClock(midnight - 5000) })
    expect(await outcome(ahead.consume(['k'], policies, 1))).toBe('allowed')
    const ends = await client().call('PEXPIRETIME', await keyOfLimiter())
    expect(await outcome(behind.consume(['k'], policies, 1))).toBe('allowed')
    expect(await client().call('PEXPIRETIME', await keyOfLimiter())).toBe(ends)
    expect(await outcome(behind.consume(['k'], policies, 1))).toBe('refused')
  })

  it('a process whose clock is years behind is limited all the same', async () => {
    const limits = open()
    const policies = limiter({ name: 'p', algorithm: 'calendar', quota: 2, period: 'day' })
    const here = vi.spyOn(Date, 'now').mockReturnValue(Date.UTC(2001, 0, 1))
    try {
      const found: string[] = []
      for (let n = 0; n < 3; n++) found.push(await outcome(limits.consume(['k'], policies, 1)))
      expect(found).toEqual(['allowed', 'allowed', 'refused'])
    } finally {
      here.mockRestore()
    }
  })

  it('a policy that is given another algorithm begins anew, and neither reads what the other has kept', async () => {
    const [gcra, strict] = [open(), open()]
    const before = limiter({ name: 'p', quota: 2, window: 3600 })
    const after = scopePolicies(`windows-${limiters}`, [{ name: 'p', algorithm: 'strict', quota: 2, window: 3600 }])
    for (const [store, policies] of [
      [gcra, before],
      [strict, after],
    ] as const) {
      const found = [1, 2, 3].map(() => outcome(store.consume(['k'], policies, 1)))
      expect(await Promise.all(found)).toEqual(['allowed', 'allowed', 'refused'])
    }
    expect(await keys()).toHaveLength(2)
  })

  it('a log that somebody else has written to fails its own caller, and none of those that travel with him', async () => {
    const limits = open()
    const policies = limiter({ name: 'p', algorithm: 'strict', quota: 10, window: 3600 })
    await limits.consume(['spoilt'], policies, 1)
    const key = await keyOfLimiter()
    const doubles = (...numbers: readonly number[]): Buffer => {
      const bytes = Buffer.alloc(8 * numbers.length)
      for (const [n, number] of numbers.entries()) bytes.writeDoubleBE(number, 8 * n)
      return bytes
    }
    const now = Date.now()
    const foreign = ['', 'a text', 'sixteen letters.', doubles(now), doubles(now, 0), doubles(now, -1), doubles(now, Number.NaN)]
    for (const value of [...foreign, doubles(Number.NaN, 1), doubles(now, 1, now - 1, 1), doubles(now, 1, now, 1)]) {
      await client().set(key, value)
      const work = ['a', 'spoilt', 'b'].map((name) => limits.consume([name], policies, 0))
      const found = await Promise.all(
        [...work, limits.adjust(['spoilt'], policies, -1), limits.adjust(['a'], policies, -1)].map(outcome),
      )
      expect(found, String(value)).toEqual(['allowed', 'store_redis.failed', 'allowed', 'store_redis.failed', 'allowed'])
    }
  })

  it('when memory has ended, who would be charged is told, and nothing is half charged', async () => {
    const limits = open()
    const policies = limiter(
      { name: 'gcra', quota: 1, window: 3600 },
      { name: 'strict', algorithm: 'strict', quota: 1, window: 3600 },
    )
    const ask = (key: string, cost = 1) => outcome(limits.consume([key, key], policies, cost))
    expect(await ask('old')).toBe('allowed')
    await own.server.command('CONFIG', 'SET', 'maxmemory', '100kb')
    try {
      expect(await Promise.all(['old', 'new', 'old', 'newer'].map((key) => ask(key)))).toEqual([
        'refused',
        'store_redis.full',
        'refused',
        'store_redis.full',
      ])
      expect(await ask('new', 0)).toBe('allowed')
    } finally {
      await own.server.command('CONFIG', 'SET', 'maxmemory', '0')
    }
    expect(await Promise.all(['new', 'newer'].map((key) => ask(key)))).toEqual(['allowed', 'allowed'])
  })
})
