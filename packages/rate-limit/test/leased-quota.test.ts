import { PortcullisError } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import {
  byAddress,
  createBruteForceGuard,
  createMemoryRateLimitStore,
  type LeaseQuotaOptions,
  leaseQuota,
  limit,
  type RateLimitStore,
  type RateLimitVerdict,
  rememberExhausted,
  type ScopedPolicy,
  scopePolicies,
} from '../src/index.ts'
import { caught, manualClock, request } from './support.ts'

/** A store on a server whose clock shows another time than the one here, and which answers when it is let. */
function remote(options: Partial<LeaseQuotaOptions> = {}) {
  const [here, there] = [manualClock(5_000), manualClock()]
  const memory = createMemoryRateLimitStore({ clock: there })
  const server = {
    asked: [] as number[],
    adjusted: [] as number[],
    down: false,
    degraded: false,
    held: undefined as Promise<void> | undefined,
    late: undefined as Promise<void> | undefined,
  }
  const pass = (milliseconds: number): void => {
    here.time += milliseconds
    there.time += milliseconds
  }
  const bare: RateLimitStore = {
    declare: (policies) => memory.declare(policies),
    async consume(keys, policies, cost) {
      server.asked.push(cost)
      if (server.down) throw new PortcullisError('test.down', 'down', { status: 503 })
      const verdict = memory.consume(keys, policies, cost)
      await server.held
      return { ...verdict, degraded: server.degraded }
    },
    async adjust(keys, policies, units, reserved) {
      server.adjusted.push(units)
      await server.late
      memory.adjust(keys, policies, units, reserved)
    },
  }
  const store = leaseQuota(bare, { processes: 2, clock: here, ...options })
  const left = (keys: readonly string[] = ['k'], of: readonly ScopedPolicy[] = policies): number =>
    memory.consume(keys, of, 0).results[0]!.remaining
  /** Checks one after the other. @returns what the store was asked for meanwhile */
  const checks = async (times: number, cost = 1, keys: readonly string[] = ['k'], of: readonly ScopedPolicy[] = policies) => {
    const before = server.asked.length
    for (let n = 0; n < times; n++) expect((await store.consume(keys, of, cost)).allowed).toBe(true)
    return server.asked.slice(before)
  }
  return { here, there, memory, server, pass, bare, store, left, checks }
}

function gate(): { readonly until: Promise<void>; open(): void } {
  let open = (): void => {}
  const until = new Promise<void>((resolve) => {
    open = resolve
  })
  return { until, open: () => open() }
}

const policies = scopePolicies('api', [{ name: 'p', quota: 1000, window: 100 }])

describe('units that are taken ahead', () => {
  it('serve checks at once, without a trip and without a promise, and double with demand', async () => {
    const { checks, store, left } = remote()
    // One, two, four, eight, sixteen, and as many as it may from there on.
    expect(await checks(31)).toEqual([1, 2, 4, 8, 16])
    expect(await checks(64)).toEqual([32, 32])
    expect(left()).toBe(1000 - 31 - 64)
    expect(await checks(1)).toEqual([32])
    expect(store.consume(['k'], policies, 1)).not.toBeInstanceOf(Promise)
  })

  it('cost a rare key nothing: a key that nobody asked for during a lease begins again with one', async () => {
    const { checks, pass, left } = remote()
    expect(await checks(7)).toEqual([1, 2, 4])
    pass(1000)
    expect(await checks(2)).toEqual([1, 2])
    pass(1000)
    for (let n = 0; n < 5; n++) {
      expect(await checks(1)).toEqual([1])
      pass(1000)
    }
    expect(left()).toBe(1000)
  })

  it('are no more than are used within the lease: where twice as much would be wasted, it stays', async () => {
    const { checks, pass } = remote()
    await checks(7)
    const asked: number[] = []
    for (let n = 0; n < 64; n++) {
      asked.push(...(await checks(1)))
      pass(80)
    }
    // Eight last for 640 ms of 1,000; sixteen would not be used up.
    expect(new Set(asked)).toEqual(new Set([8]))
  })

  it('are dropped at the end of the lease, counted from the question, however late the answer came', async () => {
    const { checks, pass, server, store } = remote()
    await checks(3)
    const wait = gate()
    server.held = wait.until
    const taken = store.consume(['k'], policies, 1)
    pass(400)
    wait.open()
    await taken
    server.held = undefined
    pass(599)
    expect(store.consume(['k'], policies, 1)).not.toBeInstanceOf(Promise)
    pass(1)
    expect(await checks(1)).toEqual([1])
  })

  it('are not used by a clock that was set back: nobody knows how old they are', async () => {
    const { checks, here } = remote()
    await checks(4)
    here.time -= 5_000
    expect(await checks(1)).toEqual([1])
    here.time += 5_000
    expect(await checks(1)).toEqual([1])
  })

  it('are a share of what is left, so that all processes may take as much, and none near exhaustion', async () => {
    const { checks, store, server } = remote({ processes: 4 })
    const forty = scopePolicies('forty', [{ name: 'p', quota: 40, window: 3600 }])
    const asked: number[] = []
    for (let n = 0; n < 40; n++) asked.push(...(await checks(1, 1, ['k'], forty)))
    let left = 40
    for (const [i, units] of asked.entries()) {
      if (i > 0) expect(units, `of ${left}`).toBeLessThanOrEqual(Math.max(1, Math.floor((left - 1) / 4)))
      if (left < 8) expect(units).toBe(1)
      left -= units
    }
    expect(left).toBe(0)
    expect(asked.length).toBeLessThan(22)
    const refused = await store.consume(['k'], forty, 1)
    expect(refused).toMatchObject({ allowed: false, degraded: false, results: [{ remaining: 0 }] })
    expect(server.asked.at(-1)).toBe(1)
  })

  it('are asked for once more without the surplus where the store has less than it said', async () => {
    const { checks, memory, store, server } = remote({ processes: 1 })
    await checks(15)
    memory.consume(['k'], policies, 984)
    const verdict = await store.consume(['k'], policies, 1)
    expect(server.asked.slice(-2)).toEqual([16, 1])
    expect(verdict.allowed).toBe(true)
    expect((await store.consume(['k'], policies, 1)).allowed).toBe(false)
  })

  it('are multiples of the cost, and none where the cost is too high', async () => {
    const { checks } = remote()
    expect(await checks(10, 5)).toEqual([5, 5, 5, 10, 20, 35])
    expect(await checks(3, 32, ['dear'])).toEqual([32, 32, 32])
  })

  it('stay where they are when a check costs more than there is of them', async () => {
    const { checks, store } = remote()
    await checks(8)
    expect(await checks(1, 10)).toEqual([10])
    expect(store.consume(['k'], policies, 7)).not.toBeInstanceOf(Promise)
  })

  it('of several policies are taken together or not at all', async () => {
    const { checks, left, store, memory } = remote()
    const both = scopePolicies('both', [
      { name: 'minute', quota: 600, window: 60 },
      { name: 'hour', quota: 900, window: 3600 },
    ])
    expect(await checks(4, 1, ['k', 'k'], both)).toEqual([1, 2, 4])
    expect(left(['k'], both.slice(0, 1))).toBe(593)
    expect(left(['k'], both.slice(1))).toBe(893)
    memory.consume(['k'], both.slice(1), 893)
    await checks(3, 1, ['k', 'k'], both)
    expect(await store.consume(['k', 'k'], both, 1)).toMatchObject({
      allowed: false,
      results: [{ allowed: true }, { allowed: false }],
    })
    expect(left(['k'], both.slice(0, 1))).toBe(593)
  })
})

describe('a verdict from the hand', () => {
  it('says what is left: what the store said, and what is in hand; and when everything has come back', async () => {
    const { checks, pass, store, there } = remote()
    await checks(3)
    const trip = await store.consume(['k'], policies, 1)
    const resetAt = there.time + 700
    expect(trip).toEqual({
      allowed: true,
      at: there.time,
      results: [{ policy: 'p', allowed: true, remaining: 996, retryAt: there.time, resetAt }],
      degraded: false,
    })
    pass(30)
    expect(store.consume(['k'], policies, 1)).toEqual({
      allowed: true,
      at: there.time,
      results: [{ policy: 'p', allowed: true, remaining: 995, retryAt: there.time, resetAt }],
      degraded: false,
    })
  })

  it('says when the charge will have come back by itself, whatever was charged since: that is what a refund goes by', async () => {
    const { checks, store } = remote()
    await checks(7)
    const trip = await store.consume(['k'], policies, 1)
    await checks(1, 20)
    const hand = store.consume(['k'], policies, 1) as RateLimitVerdict
    expect(hand.results[0]!.resetAt).toBe(trip.results[0]!.resetAt)
  })

  it('says when the next one passes where nothing is left in hand or in the store', async () => {
    const { checks, store, memory, there } = remote({ processes: 1 })
    const ten = scopePolicies('ten', [{ name: 'p', quota: 10, window: 100 }])
    await checks(3, 1, ['k'], ten)
    memory.consume(['k'], ten, 3)
    await checks(1, 1, ['k'], ten)
    const before = memory.consume(['k'], ten, 0).results[0]!.remaining
    expect(before).toBe(0)
    let last: RateLimitVerdict | undefined
    for (let n = 0; n < 3; n++) last = await store.consume(['k'], ten, 1)
    expect(last).toMatchObject({ allowed: true, results: [{ remaining: 0, retryAt: there.time + 10_000 }] })
    expect(await store.consume(['k'], ten, 1)).toMatchObject({ allowed: false, results: [{ retryAt: there.time + 10_000 }] })
  })
})

describe('checks that meet', () => {
  it('share one refill, and one more for those whom it left hungry: a thousand at once are two trips', async () => {
    const { server, store, left } = remote()
    const verdicts = await Promise.all(Array.from({ length: 900 }, () => store.consume(['k'], policies, 1)))
    expect(verdicts.every(({ allowed }) => allowed)).toBe(true)
    expect(server.asked).toHaveLength(2)
    expect(new Set(verdicts.map(({ results }) => results[0]!.remaining)).size).toBe(900)
    expect(left()).toBe(1000 - server.asked[0]! - server.asked[1]!)
  })

  it('are all or nothing each: more than are left get exactly what is left', async () => {
    const { store, left } = remote()
    const verdicts = await Promise.all(Array.from({ length: 1500 }, () => store.consume(['k'], policies, 1)))
    expect(verdicts.filter(({ allowed }) => allowed)).toHaveLength(1000)
    expect(left()).toBe(0)
  })

  it('do not wait for each other near exhaustion, or where they cost too much for anything to be taken ahead', async () => {
    const { server, store, memory, checks, pass, left } = remote()
    for (const cost of [32, 1]) {
      if (cost === 1) {
        pass(1000)
        memory.consume(['k'], policies, left() - 4)
        expect(await checks(1)).toEqual([1])
      }
      const wait = gate()
      server.held = wait.until
      const before = server.asked.length
      const both = [store.consume(['k'], policies, cost), store.consume(['k'], policies, cost)]
      expect(server.asked.slice(before)).toEqual([cost, cost])
      wait.open()
      server.held = undefined
      for (const verdict of await Promise.all(both)) expect(verdict.allowed).toBe(true)
    }
  })

  it('of different keys have nothing in common', async () => {
    const { checks } = remote()
    expect(await checks(3, 1, ['a'])).toEqual([1, 2])
    expect(await checks(3, 1, ['b'])).toEqual([1, 2])
    const long = 'x'.repeat(10_000)
    expect(await checks(3, 1, [`${long}a`])).toEqual([1, 2])
    expect(await checks(3, 1, [`${long}b`])).toEqual([1, 2])
  })

  it('share an error of the store too; what is in hand is used meanwhile, until the lease ends', async () => {
    const { checks, server, store, pass } = remote()
    await checks(8)
    server.down = true
    await checks(7)
    const before = server.asked.length
    const all = await Promise.allSettled(Array.from({ length: 100 }, () => store.consume(['k'], policies, 1)))
    expect(all.every((one) => one.status === 'rejected' && one.reason.code === 'test.down')).toBe(true)
    expect(server.asked).toHaveLength(before + 1)
    server.down = false
    expect(await checks(1)).toHaveLength(1)
    server.down = true
    pass(1000)
    expect((await caught(() => store.consume(['k'], policies, 1))).code).toBe('test.down')
  })
})

describe('exact is', () => {
  const exactly = async (options: Partial<LeaseQuotaOptions>, keys: readonly string[], of: readonly ScopedPolicy[]) => {
    const { checks } = remote(options)
    expect(await checks(5, 1, keys, of)).toEqual([1, 1, 1, 1, 1])
  }
  const two = [
    { name: 'a', quota: 1000, window: 60 },
    { name: 'b', quota: 1000, window: 60 },
  ]

  it('what is named so: a limiter, or one of its policies, and not one whose name begins alike', async () => {
    await exactly({ exact: ['api'] }, ['k'], policies)
    await exactly({ exact: ['two:b'] }, ['k', 'k'], scopePolicies('two', two))
    const { checks } = remote({ exact: ['ap', 'api:'] })
    expect(await checks(3)).toEqual([1, 2])
  })

  it('a check of several keys, and what is declared together', async () => {
    await exactly({}, ['all', 'k'], scopePolicies('two', two))
    await exactly({}, ['k', 'k'], scopePolicies('two', two, 'word'))
  })

  it('a policy in another company than that in which it is leased', async () => {
    const { checks } = remote()
    expect(await checks(3, 1, ['k', 'k'], scopePolicies('two', two))).toEqual([1, 2])
    expect(await checks(3, 1, ['k', 'k'], scopePolicies('two', two))).toEqual([4])
    expect(await checks(3, 1, ['k'], scopePolicies('two', two.slice(0, 1)))).toEqual([1, 1, 1])
  })

  it('a check that costs nothing', async () => {
    const { checks, server } = remote()
    await checks(4)
    expect(await checks(2, 0)).toEqual([0, 0])
    expect(server.asked.slice(0, 3)).toEqual([1, 2, 4])
  })

  it('every guess at a secret, without anybody having said so', async () => {
    const { store, server } = remote()
    const guard = createBruteForceGuard({ store })
    const attempts = await Promise.all(Array.from({ length: 50 }, () => guard.attempt({ account: 'ann', address: '192.0.2.1' })))
    expect(attempts.filter(({ allowed }) => allowed)).toHaveLength(10)
    expect(server.asked.every((units) => units <= 1)).toBe(true)
  })

  it('what a store counts in a bucket that strangers share: nothing is taken of it', async () => {
    const { checks, server } = remote()
    await checks(3)
    server.degraded = true
    expect(await checks(4)).toEqual([4, 1, 1, 1])
  })
})

describe('what is settled', () => {
  it('goes back to the store, once, by the time of the charge', async () => {
    const { checks, store, server, left, pass } = remote()
    await checks(4)
    const verdict = store.consume(['k'], policies, 1) as RateLimitVerdict
    const before = left()
    await store.adjust(['k'], policies, -1, verdict)
    expect([server.adjusted, left()]).toEqual([[-1], before + 1])
    pass(verdict.results[0]!.resetAt - verdict.at)
    await store.adjust(['k'], policies, -1, verdict)
    expect(left()).toBe(1000)
  })

  it('beyond the estimate is paid with what is in hand first', async () => {
    const { checks, store, server, left } = remote()
    await checks(8)
    const verdict = store.consume(['k'], policies, 1) as RateLimitVerdict
    expect(store.adjust(['k'], policies, 4, verdict)).toBeUndefined()
    expect(server.adjusted).toEqual([])
    await store.adjust(['k'], policies, 6, verdict)
    expect(server.adjusted).toEqual([4])
    expect(left()).toBe(1000 - 15 - 4)
  })

  it('as a penalty empties the hand at once, and what is under way: a blocked key does not pass', async () => {
    const { store, server, checks } = remote()
    const guard = limit({ policies: [{ name: 'p', quota: 1000, window: 100 }], key: byAddress(), store })
    const req = request('192.0.2.1')
    for (let n = 0; n < 8; n++) expect((await guard(req)).type).toBe('continue')
    await guard.block(byAddress()(req), 10)
    expect((await guard(req)).type).toBe('reply')

    await checks(15)
    const wait = gate()
    server.held = wait.until
    const late = store.consume(['k'], policies, 1)
    await store.adjust(['k'], policies, 2000)
    server.held = undefined
    wait.open()
    expect((await late).allowed).toBe(true)
    const before = server.asked.length
    expect((await store.consume(['k'], policies, 1)).allowed).toBe(false)
    expect(server.asked.slice(before)).toEqual([1])
  })

  it('as a penalty is charged in the store as a whole, and empties the hand before it is there and once more after it', async () => {
    const { store, server, checks } = remote()
    await checks(8)
    const wait = gate()
    server.late = wait.until
    const penalty = store.adjust(['k'], policies, 4)
    expect(server.adjusted).toEqual([4])
    // What is taken now was charged before the penalty.
    expect(await checks(3)).toEqual([1, 2])
    expect(await checks(2)).toEqual([4])
    wait.open()
    await penalty
    expect(await checks(1)).toEqual([1])
  })

  it('as a penalty of one policy empties the hand of its whole company', async () => {
    const { checks, store } = remote()
    const both = scopePolicies('both', [
      { name: 'a', quota: 1000, window: 60 },
      { name: 'b', quota: 1000, window: 60 },
    ])
    await checks(8, 1, ['k', 'k'], both)
    await store.adjust(['k'], [both[1]!], 2000)
    expect((await store.consume(['k', 'k'], both, 1)).allowed).toBe(false)
  })
})

describe('the wrapper', () => {
  it('holds no more keys than it is told: junk drops those unused for longest, with what they hold', async () => {
    const { checks } = remote({ maxKeys: 10 })
    await checks(32)
    await checks(8, 1, ['cold'])
    for (let n = 0; n < 25; n++) {
      await checks(3, 1, [`junk${n}`])
      expect(await checks(1)).toEqual([])
    }
    expect(await checks(1, 1, ['cold'])).toEqual([1])
  })

  it('never holds a key twice: one whose answer is awaited stays, and others are exact meanwhile', async () => {
    const { server, store, left } = remote({ maxKeys: 1 })
    const wait = gate()
    server.held = wait.until
    const first = store.consume(['k'], policies, 1)
    const others = Array.from({ length: 5 }, () => store.consume(['other'], policies, 1))
    const again = Array.from({ length: 20 }, () => store.consume(['k'], policies, 1))
    wait.open()
    await Promise.all([first, ...others, ...again])
    expect(server.asked.slice(0, 6)).toEqual([1, 1, 1, 1, 1, 1])
    expect(server.asked).toHaveLength(7)
    expect(left(['other'])).toBe(995)
  })

  it('stands over a store that answers at once, and over what is known to be exhausted', async () => {
    const clock = manualClock()
    const memory = createMemoryRateLimitStore({ clock })
    const store = leaseQuota(rememberExhausted(memory, { clock }), { processes: 2, clock })
    const verdicts = Array.from({ length: 1200 }, () => store.consume(['k'], policies, 1))
    expect(verdicts.filter((verdict) => !(verdict instanceof Promise) && verdict.allowed)).toHaveLength(1000)
    expect(verdicts.some((verdict) => verdict instanceof Promise)).toBe(false)
    expect((await caught(() => store.consume([], policies, 1))).code).toBe('rate_limit.key_missing')
    expect((await caught(() => store.consume(['k'], policies, -1))).code).toBe('rate_limit.cost_invalid')
    expect((await caught(() => store.adjust(['k'], policies, 0.5))).code).toBe('rate_limit.cost_invalid')
    const conflict = scopePolicies('api', [{ name: 'p', quota: 2, window: 1 }])
    expect((await caught(() => store.consume(['k'], conflict, 1))).code).toBe('rate_limit.policy_conflict')
  })

  it.each(['strict', 'fixed', 'sliding', 'calendar'])(
    'refuses what is counted by %s, unless it is to be exact',
    async (algorithm) => {
      const other = policies.map((policy) => ({ ...policy, algorithm })) as unknown as readonly ScopedPolicy[]
      const bare: RateLimitStore = { consume: () => ({ allowed: true, at: 0, results: [], degraded: false }), adjust: () => {} }
      const store = leaseQuota(bare, { processes: 2 })
      expect((await caught(() => store.declare?.(other))).code).toBe('rate_limit.options_invalid')
      expect((await caught(() => store.consume(['k'], other, 1))).code).toBe('rate_limit.options_invalid')
      const exact = leaseQuota(bare, { processes: 2, exact: ['api'] })
      exact.declare?.(other)
      expect(exact.consume(['k'], other, 1)).toMatchObject({ allowed: true })
    },
  )

  it('goes by the monotonic clock of the machine', async () => {
    const { bare } = remote()
    const store = leaseQuota(bare, { processes: 2, lease: 3_600_000 })
    for (let n = 0; n < 2; n++) await store.consume(['k'], policies, 1)
    expect(store.consume(['k'], policies, 1)).not.toBeInstanceOf(Promise)
  })

  it.each([
    { processes: 0 },
    { processes: 1.5 },
    { processes: undefined as unknown as number },
    { most: 0 },
    { most: 10_001 },
    { lease: 0 },
    { lease: Number.NaN },
    { lease: 3_600_001 },
    { maxKeys: 0 },
    { exact: [''] },
    { exact: ['sign in'] },
  ])('is not made with %j', async (options) => {
    expect((await caught(() => leaseQuota(createMemoryRateLimitStore(), { processes: 2, ...options }))).code).toBe(
      'rate_limit.options_invalid',
    )
  })
})
