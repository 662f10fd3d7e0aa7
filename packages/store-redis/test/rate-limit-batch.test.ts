import { setImmediate as endOfTick } from 'node:timers/promises'
import { hasRedis, RedisCluster } from '@portcullis/conformance/servers'
import { manualClock } from '@portcullis/conformance/store'
import { backendLostEvent, backendRestoredEvent } from '@portcullis/core'
import { createMemoryRateLimitStore, type RateLimitStore, type RateLimitVerdict, scopePolicies } from '@portcullis/rate-limit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RedisClient, RedisStoreError } from '../src/index.ts'
import { createRedisRateLimitStore } from '../src/rate-limit.ts'
import { ownServer, skipped } from './backends.ts'
import { Clients } from './clients.ts'

const secret = 'a secret of at least 16 bytes'

/** A client that notes how many buckets each call has. */
function noting(client: RedisClient): { readonly client: RedisClient; readonly calls: number[] } {
  const calls: number[] = []
  const noted: RedisClient = Object.create(client, {
    call: {
      value(command: string, ...args: string[]) {
        if (command === 'EVALSHA') calls.push(Number(args[1]))
        return client.call(command, ...args)
      },
    },
  })
  return { client: noted, calls }
}

function times<T>(count: number, make: (n: number) => T): T[] {
  return Array.from({ length: count }, (_, n) => make(n))
}

async function outcome(work: unknown): Promise<'allowed' | 'refused' | string> {
  try {
    return ((await work) as RateLimitVerdict | undefined)?.allowed === false ? 'refused' : 'allowed'
  } catch (error) {
    return (error as RedisStoreError).code
  }
}

async function outcomes(work: readonly unknown[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const one of await Promise.all(work.map(outcome))) counts[one] = (counts[one] ?? 0) + 1
  return counts
}

let limiters = 0
/** A limiter of the test's own. */
function limiter(quota: number, together?: string) {
  limiters += 1
  return scopePolicies(`batch-${limiters}`, [{ name: 'p', quota, window: 3600 }], together)
}

describe('calls', () => {
  const replyError = (message: string) => Object.assign(new Error(message), { name: 'ReplyError' })
  /** Answers each call by the next of these; after them, that every bucket was empty. */
  function scripted(...answers: readonly (unknown | ((keys: readonly string[]) => unknown))[]) {
    const calls: (readonly string[])[] = []
    const left = [...answers]
    const client: RedisClient = {
      async call(_command, _digest = '', count = '', ...rest) {
        const keys = rest.slice(0, Number(count))
        calls.push(keys)
        const next = left.shift()
        if (next instanceof Error) throw next
        return next ?? [keys.length, 1_800_000_000_000, ...keys.map(() => 0)]
      },
    }
    return { calls, limits: createRedisRateLimitStore({ client, secret, timeout: 10_000 }) }
  }

  it('a check alone does not wait for the end of the tick', async () => {
    const { calls, limits } = scripted()
    const check = limits.consume(['k'], limiter(1), 1)
    const sent = await Promise.race([new Promise((resolve) => process.nextTick(() => resolve(calls.length))), endOfTick('late')])
    expect(sent).toBe(1)
    expect(await outcome(check)).toBe('allowed')
  })

  it('checks that come while one is under way go together at the end of the tick, whoever read what from which socket', async () => {
    const { calls, limits } = scripted()
    const policies = limiter(1)
    const checks = [limits.consume(['first'], policies, 1)]
    await new Promise<void>((resolve) => process.nextTick(resolve))
    expect(calls.map((keys) => keys.length)).toEqual([1])
    for (let n = 0; n < 5; n++) {
      checks.push(limits.consume([`k${n}`], policies, 1) as Promise<RateLimitVerdict>)
      // Another callback of the same tick.
      await new Promise<void>((resolve) => process.nextTick(resolve))
    }
    expect(await outcomes(checks)).toEqual({ allowed: 6 })
    expect(calls.length).toBeLessThan(6)
  })

  it('are bounded: 1,000 checks of a tick, of three buckets each, are so many calls of at most 32 buckets', async () => {
    const { calls, limits } = scripted()
    const three = scopePolicies(
      'three',
      ['a', 'b', 'c'].map((name) => ({ name, quota: 5, window: 60 })),
    )
    await Promise.all(times(1000, (n) => limits.consume([`k${n}`, `k${n}`, `k${n}`], three, 1)))
    expect(calls.map((keys) => keys.length)).toEqual(times(100, () => 30))
    // One check of more is not divided.
    const many = scopePolicies(
      'many',
      times(200, (n) => ({ name: `p${n}`, quota: 5, window: 60 })),
    )
    expect(
      await outcome(
        limits.consume(
          times(200, () => 'k'),
          many,
          1,
        ),
      ),
    ).toBe('allowed')
    expect(calls.at(-1)).toHaveLength(200)
  })

  it.each([
    ['store_redis.unavailable', new Error('Connection is closed.')],
    ['store_redis.failed', replyError('NOPERM this user has no permissions to run the command')],
    ['store_redis.full', replyError("OOM command not allowed when used memory > 'maxmemory'.")],
    ['store_redis.reply_invalid', 'nonsense'],
    ['store_redis.reply_invalid', [1, 1_800_000_000_000, 0, 0]],
    ['store_redis.reply_invalid', times(32, () => 'nonsense')],
  ] as const)('that fails with %s fails all its callers, once each, and is not repeated', async (code, answer) => {
    const { calls, limits } = scripted(answer)
    const policies = limiter(1)
    let told = 0
    const checks = times(30, (n) => {
      const work = n % 5 === 0 ? limits.adjust([`k${n}`], policies, 1) : limits.consume([`k${n}`], policies, 1)
      return Promise.resolve<unknown>(work).finally(() => {
        told += 1
      })
    })
    expect(await outcomes(checks)).toEqual({ [code]: 30 })
    await endOfTick()
    expect([told, calls.length]).toEqual([30, 1])
  })

  it('of which one answer is none fails that caller, and no other', async () => {
    const { limits } = scripted([1, 1_800_000_000_000, 0, 'nonsense', 0, '-ERR this is no bucket', '12.5'])
    const policies = limiter(10)
    const found = await Promise.all(times(5, (n) => outcome(limits.consume([`k${n}`], policies, 1))))
    expect(found).toEqual(['allowed', 'store_redis.reply_invalid', 'allowed', 'store_redis.failed', 'allowed'])
  })

  it('that a moving slot refuses go one by one after that: what passed is not sent again, and each caller is told once', async () => {
    const again = replyError('TRYAGAIN Multiple keys request during rehashing of slot')
    const { calls, limits } = scripted(again, undefined, again, undefined, undefined)
    const policies = limiter(5)
    expect(await outcomes(times(3, (n) => limits.consume([`k${n}`], policies, 1)))).toEqual({ allowed: 3 })
    expect(calls.map((keys) => keys.length)).toEqual([3, 1, 1, 1, 1])
    const [together = []] = calls
    expect(calls.slice(1).map(([key]) => together.indexOf(key!))).toEqual([0, 1, 2, 1])
  })

  it('one by one, of which one is lost: the others have passed, and that one is not repeated', async () => {
    const again = replyError('TRYAGAIN Multiple keys request during rehashing of slot')
    const { calls, limits } = scripted(again, undefined, new Error('Connection is closed.'))
    const policies = limiter(5)
    const found = await Promise.all(times(3, (n) => outcome(limits.consume([`k${n}`], policies, 1))))
    expect(found).toEqual(['allowed', 'store_redis.unavailable', 'allowed'])
    expect(calls).toHaveLength(4)
  })

  it('one by one, of which one is lost while others are refused again: none of those is sent again', async () => {
    const again = replyError('TRYAGAIN Multiple keys request during rehashing of slot')
    const { calls, limits } = scripted(again, again, new Error('Connection is closed.'))
    const policies = limiter(5)
    const found = await Promise.all(times(3, (n) => outcome(limits.consume([`k${n}`], policies, 1))))
    expect(found).toEqual(['store_redis.unavailable', 'store_redis.unavailable', 'allowed'])
    expect(calls).toHaveLength(4)
  })

  it('that time out while the server is down are one: of a tick one tries, and the others are told at once', async () => {
    let frozen = true
    const answer = [1, 1_800_000_000_000, 0]
    const hanging: RedisClient = { call: () => (frozen ? new Promise(() => {}) : Promise.resolve(answer)) }
    const limits = createRedisRateLimitStore({ client: hanging, secret, timeout: 100 })
    const policies = limiter(1)
    for (let n = 0; n < 3; n++) expect(await outcome(limits.consume(['k'], policies, 1))).toBe('store_redis.timeout')
    await new Promise((resolve) => setTimeout(resolve, 300))
    const begun = performance.now()
    const found = await Promise.all(
      times(100, async (n) => [await outcome(limits.consume([`k${n}`], policies, 1)), performance.now() - begun] as const),
    )
    expect(found.filter(([code]) => code === 'store_redis.timeout')).toHaveLength(1)
    expect(found.filter(([code]) => code === 'store_redis.unavailable')).toHaveLength(99)
    frozen = false
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(await outcome(limits.consume(['k'], policies, 1))).toBe('allowed')
  })
})

describe.skipIf(skipped)('checks that travel together, on a redis-server of its own', () => {
  const own = ownServer()
  const open = (timeout = 10_000) => {
    const { client, calls } = noting(own.clients.of(own.server))
    return { limits: createRedisRateLimitStore({ client, secret, timeout }), calls }
  }

  it('1,000 parallel checks against a limit of 10 (rate-limiter-flexible, run: a sign-in recipe let 1,000 of 1,000 pass): 10 pass, in 32 calls', async () => {
    const { limits, calls } = open()
    const policies = limiter(10)
    expect(await outcomes(times(1000, () => limits.consume(['victim'], policies, 1)))).toEqual({ allowed: 10, refused: 990 })
    expect(calls).toEqual([...times(31, () => 32), 8])
  })

  it('1,000 parallel checks over three connections, among as many of other keys: of each key no more than its limit', async () => {
    const connections = [open(), open(), open()]
    const policies = limiter(10)
    const found = await Promise.all(
      times(3000, async (n) => [n % 30, await outcome(connections[n % 3]!.limits.consume([`k${n % 30}`], policies, 1))] as const),
    )
    for (let key = 0; key < 30; key++) {
      expect(found.filter(([of, result]) => of === key && result === 'allowed')).toHaveLength(10)
    }
  })

  it('NOSCRIPT in the middle, each time a batch is under way: nothing is lost, and nothing charged twice', async () => {
    const { limits } = open()
    const policies = limiter(1000)
    const checks: unknown[] = []
    for (let wave = 0; wave < 20; wave++) {
      for (let n = 0; n < 25; n++) checks.push(limits.consume([`k${n % 5}`], policies, 1))
      if (wave % 3 === 0) await own.server.command('SCRIPT', 'FLUSH')
      else await endOfTick()
    }
    expect(await outcomes(checks)).toEqual({ allowed: 500 })
    for (let n = 0; n < 5; n++) {
      expect((await limits.consume([`k${n}`], policies, 0)).results).toMatchObject([{ remaining: 900 }])
    }
  })

  it('whatever is asked and given back in a tick, in whatever order: each answer is that of the memory store, one after the other', async () => {
    const clock = manualClock()
    const { client, calls } = noting(own.clients.of(own.server))
    const limits = createRedisRateLimitStore({ client, secret, timeout: 10_000, clock })
    const memory = createMemoryRateLimitStore({ clock })
    const limiters = [
      scopePolicies('same-a', [{ name: 'p', quota: 7, window: 1 }], 'same'),
      scopePolicies(
        'same-b',
        [
          { name: 'p', quota: 5, window: 60 },
          { name: 'q', quota: 1, window: 1, burst: 3 },
        ],
        'same',
      ),
      scopePolicies('same-a', [{ name: 'p', quota: 7, window: 1 }], 'same'),
      scopePolicies(
        'same-c',
        [
          { name: 'strict', algorithm: 'strict', quota: 9, window: 2 },
          { name: 'gcra', quota: 6, window: 1 },
          { name: 'hour', algorithm: 'calendar', quota: 40, period: 'hour' },
        ],
        'same',
      ),
      scopePolicies(
        'same-d',
        [
          { name: 'fixed', algorithm: 'fixed', quota: 8, window: 1 },
          { name: 'sliding', algorithm: 'sliding', quota: 9, window: 1.1 },
        ],
        'same',
      ),
    ]
    let seed = 7
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
      return (seed >>> 8) % below
    }
    const asked: unknown[] = []
    const expected: unknown[] = []
    const verdicts = new Map<unknown, RateLimitVerdict>()
    for (let n = 0; n < 5000; n++) {
      if (random(50) === 0) await clock.advance(random(900))
      const policies = limiters[random(limiters.length)]!
      const keys = policies.map(() => `k${random(3)}`)
      if (random(3) === 0) {
        const units = random(7) - 3
        // What was reserved may be known of some, and may have gone.
        const reserved = random(2) === 0 ? verdicts.get(policies) : undefined
        asked.push(limits.adjust(keys, policies, units, reserved))
        memory.adjust(keys, policies, units, reserved)
        expected.push(undefined)
      } else {
        const cost = random(4)
        asked.push(limits.consume(keys, policies, cost))
        const verdict = memory.consume(keys, policies, cost)
        if (cost > 0 && verdict.allowed) verdicts.set(policies, verdict)
        expected.push(verdict)
      }
      if (random(40) === 0) await endOfTick()
    }
    expect(await Promise.all(asked)).toEqual(expected)
    expect(calls.length).toBeLessThan(600)
  })

  it('a bucket that somebody else has written to fails its own caller, and none of those that travel with him', async () => {
    const { limits, calls } = open()
    const client = own.clients.of(own.server)
    const numbers = { quota: 100, window: 3600 }
    const two = scopePolicies(
      'spoilt',
      ['p', 'q'].map((name) => ({ name, ...numbers })),
    )
    const policies = scopePolicies('spoilt', [{ name: 'p', ...numbers }])
    await limits.consume(['spoilt'], policies, 1)
    const [key = ''] = await client.keys('*spoilt:p:*')
    for (const foreign of ['a text', 'sixteen letters.', '']) {
      await client.set(key, foreign)
      const work = times(9, (n) => limits.consume([n === 4 ? 'spoilt' : `k${n}`], policies, 1))
      const found = await Promise.all(
        [...work, limits.adjust(['spoilt'], policies, -1), limits.adjust(['k1'], policies, -1)].map(outcome),
      )
      expect(found, foreign).toEqual(times(11, (n) => (n === 4 || n === 9 ? 'store_redis.failed' : 'allowed')))
      expect(calls.at(-1)).toBe(11)
      // Alike, with no key twice; and of different costs, or of several policies.
      const three = ['a', 'spoilt', 'b']
      const waves = [
        () => three.map((name) => limits.consume([name], policies, 1)),
        () => three.map((name, n) => limits.consume([name], policies, n)),
        () => three.map((name) => limits.consume([name, name], two, 1)),
      ]
      for (const wave of waves) {
        const found = await Promise.all(wave().map(outcome))
        expect(found, foreign).toEqual(['allowed', 'store_redis.failed', 'allowed'])
      }
    }
  })

  it('when memory has ended, those who would be charged are told, those who are refused are refused, and nothing is half charged', async () => {
    const { limits } = open()
    const two = scopePolicies(
      'full',
      ['a', 'b'].map((name) => ({ name, quota: 1, window: 3600 })),
    )
    expect(await outcome(limits.consume(['old', 'old'], two, 1))).toBe('allowed')
    await own.server.command('CONFIG', 'SET', 'maxmemory', '100kb')
    try {
      const keys = ['old', 'new', 'old', 'newer']
      const found = await Promise.all(keys.map((key) => outcome(limits.consume([key, key], two, 1))))
      expect(found).toEqual(['refused', 'store_redis.full', 'refused', 'store_redis.full'])
      // With no key twice.
      const apart = ['new', 'old', 'newer']
      expect(await Promise.all(apart.map((key) => outcome(limits.consume([key, key], two, 1))))).toEqual([
        'store_redis.full',
        'refused',
        'store_redis.full',
      ])
      // What needs no memory goes on.
      expect(await outcomes([limits.adjust(['old', 'old'], two, -1), limits.consume(['new', 'new'], two, 0)])).toEqual({
        allowed: 2,
      })
    } finally {
      await own.server.command('CONFIG', 'SET', 'maxmemory', '0')
    }
    for (const key of ['old', 'new', 'newer']) {
      expect((await limits.consume([key, key], two, 0)).results).toMatchObject([{ remaining: 1 }, { remaining: 1 }])
    }
  })

  it('a server that takes no writes: those who would be charged are told, the others are answered, and one event says so', async () => {
    const name = 'limits-read-only'
    const limits = createRedisRateLimitStore({ client: own.clients.of(own.server), secret, timeout: 10_000, name })
    const policies = limiter(1)
    expect(await outcome(limits.consume(['old'], policies, 1))).toBe('allowed')
    const told: string[] = []
    const stop = [
      backendLostEvent.subscribe(({ data }) => data.backend === name && told.push(`lost ${data.code}`)),
      backendRestoredEvent.subscribe(({ data }) => data.backend === name && told.push('restored')),
    ]
    const wave = () => Promise.all(['old', 'a', 'b'].map((key) => outcome(limits.consume([key], policies, 1))))
    try {
      await own.server.command('CONFIG', 'SET', 'min-replicas-to-write', '1')
      for (let n = 0; n < 5; n++) expect(await wave()).toEqual(['refused', 'store_redis.read_only', 'store_redis.read_only'])
      expect(told).toEqual(['lost store_redis.read_only'])
      await own.server.command('CONFIG', 'SET', 'min-replicas-to-write', '0')
      expect(await wave()).toEqual(['refused', 'allowed', 'allowed'])
      expect(told).toEqual(['lost store_redis.read_only', 'restored'])
    } finally {
      await own.server.command('CONFIG', 'SET', 'min-replicas-to-write', '0')
      for (const one of stop) one()
    }
  })

  it('a frozen server: 500 checks at once all end within 50 ms, the default, later ones at once, and it is used again when it is back', async () => {
    const client = own.clients.of(own.server)
    const limits = createRedisRateLimitStore({ client, secret, name: 'limits-frozen' })
    const patient = createRedisRateLimitStore({ client, secret, timeout: 10_000 })
    const told: string[] = []
    const stop = backendLostEvent.subscribe(({ data }) => data.backend === 'limits-frozen' && told.push(data.code))
    const policies = limiter(1000)
    const wave = () => times(500, async (n) => limits.consume([`k${n}`], policies, 1))
    expect(await outcome(patient.consume(['k'], policies, 1))).toBe('allowed')
    own.server.freeze()
    try {
      const begun = performance.now()
      await expect(limits.consume(['k'], policies, 1)).rejects.toThrow('within 50 ms')
      expect(await outcomes(wave())).toEqual({ 'store_redis.timeout': 500 })
      expect(performance.now() - begun).toBeLessThan(2 * 50 + 2000)
      // On a slow machine it is time already for one that tries.
      expect((await outcomes(wave()))['store_redis.unavailable']).toBeGreaterThanOrEqual(499)
      expect(told).toEqual(['store_redis.timeout'])
    } finally {
      stop()
      own.server.thaw()
    }
    const until = Date.now() + 10_000
    let back = false
    while (!back && Date.now() < until) {
      await endOfTick()
      back = (await outcome(limits.consume(['k'], policies, 0))) === 'allowed'
    }
    expect(back).toBe(true)
    expect((await patient.consume(['k'], policies, 0)).results[0]?.remaining).toBeLessThan(1000)
  })
})

describe.skipIf(!hasRedis())('checks that travel together, on a cluster', () => {
  const clients = new Clients()
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = new RedisCluster()
    await cluster.start()
  }, 60_000)
  afterAll(async () => {
    clients.close()
    await cluster.close()
  })
  const open = (): { readonly limits: RateLimitStore; readonly calls: number[] } => {
    const { client, calls } = noting(clients.ofCluster(cluster))
    return { limits: createRedisRateLimitStore({ client, secret, timeout: 10_000 }), calls }
  }

  it('of mixed slots: those of one slot in one call, and no call of two; of each key as many pass as its limit says', async () => {
    const { limits, calls } = open()
    const apart = limiter(10)
    const shared = limiter(10, 'one-word')
    // A node that is new to the client may send it elsewhere first, and then each goes by itself.
    for (let n = 0; n < 20; n++) {
      await limits.consume([`k${n}`], apart, 0)
      await limits.consume([`k${n}`], shared, 0)
    }
    calls.length = 0
    const work = times(1000, (n) => {
      const key = `k${n % 20}`
      return { of: `${n % 2} ${key}`, result: outcome(limits.consume([key], n % 2 === 0 ? apart : shared, 1)) }
    })
    const allowed = new Map<string, number>()
    for (const { of, result } of work) {
      expect(await result).toMatch(/^(allowed|refused)$/)
      if ((await result) === 'allowed') allowed.set(of, (allowed.get(of) ?? 0) + 1)
    }
    expect([...allowed.values()]).toEqual(times(20, () => 10))
    // Ten keys in slots of their own, 50 checks each; 500 in the slot of the word.
    expect(calls.toSorted((a, b) => a - b)).toEqual([...times(10, () => 18), 20, ...times(25, () => 32)])
  })

  it('of a slot that moves meanwhile: none is rejected, and each is charged once', async () => {
    const connections = [open(), open()]
    // A unit comes back in five minutes.
    const policies = scopePolicies('moving', [{ name: 'p', quota: 100_000, window: 366 * 86_400 }], 'moving')
    const keys = times(40, (n) => `k${n}`)
    const counted = new Map(keys.map((key) => [key, 0]))
    let running = true
    const caller = async ({ limits }: { readonly limits: RateLimitStore }): Promise<void> => {
      while (running) {
        const found = await Promise.all(keys.map((key) => outcome(limits.consume([key], policies, 1))))
        expect(found).toEqual(keys.map(() => 'allowed'))
        for (const key of keys) counted.set(key, (counted.get(key) ?? 0) + 1)
      }
    }
    const traffic = connections.map(caller)
    const client = clients.ofCluster(cluster)
    while ((counted.get('k0') ?? 0) < 4) await endOfTick()
    const masters = client.nodes('master')
    const [name = ''] = (await Promise.all(masters.map((node) => node.keys('*moving:p:*')))).flat()
    const slot = await cluster.slotOf(name)
    for (let time = 0; time < 2; time++) await cluster.migrate(slot, () => endOfTick())
    running = false
    await Promise.all(traffic)
    for (const key of keys) {
      const { results } = await connections[0]!.limits.consume([key], policies, 0)
      expect(results).toMatchObject([{ remaining: 100_000 - counted.get(key)! }])
    }
  }, 60_000)
})
