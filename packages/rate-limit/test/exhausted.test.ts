import { PortcullisError } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import {
  byAddress,
  createBruteForceGuard,
  createMemoryRateLimitStore,
  limit,
  type Policy,
  type RateLimitStore,
  type RateLimitVerdict,
  type RememberExhaustedOptions,
  rememberExhausted,
  scopePolicies,
} from '../src/index.ts'
import { caught, manualClock, request } from './support.ts'

/**
 * A store on a server whose clock shows another time than the one here, and which takes a while: what is sent waits until it is
 * let through, both ways.
 */
function remote(options: RememberExhaustedOptions = {}) {
  const [here, there] = [manualClock(5_000), manualClock()]
  const memory = createMemoryRateLimitStore({ clock: there })
  const server = {
    trips: 0,
    down: false,
    thinks: 0,
    late: undefined as Promise<void> | undefined,
    returns: undefined as Promise<void> | undefined,
  }
  const pass = (milliseconds: number): void => {
    here.time += milliseconds
    there.time += milliseconds
  }
  const trip = async <T>(work: () => T): Promise<T> => {
    server.trips += 1
    const { late, returns } = server
    if (server.down) throw new PortcullisError('test.down', 'down', { status: 503 })
    await late
    const answer = work()
    await returns
    return answer
  }
  const bare: RateLimitStore = {
    declare: (policies) => memory.declare(policies),
    consume: (...check) => trip(() => memory.consume(...check)),
    adjust: (...change) => trip(() => memory.adjust(...change)),
  }
  const store = rememberExhausted(bare, { clock: here, maxAge: Number.POSITIVE_INFINITY, ...options })
  /** Whether it was answered without a trip, and what. */
  const ask = async (keys: readonly string[], policies: ReturnType<typeof scopePolicies>, cost = 1) => {
    const before = server.trips
    const verdict = await store.consume(keys, policies, cost)
    return { known: server.trips === before, verdict }
  }
  return { here, there, memory, server, pass, bare, store, ask }
}

function held(): { readonly until: Promise<void>; release(): void } {
  let release = (): void => {}
  const until = new Promise<void>((resolve) => {
    release = resolve
  })
  return { until, release: () => release() }
}

const one: readonly Policy[] = [{ name: 'p', quota: 1, window: 1 }]
const policies = scopePolicies('api', one)

describe('a key that is known to be exhausted', () => {
  it('is refused at once, without a trip and without a promise, until the very millisecond in which it would pass', async () => {
    const { store, server, pass, ask, there } = remote()
    const first = await store.consume(['k'], policies, 1)
    const refused = await store.consume(['k'], policies, 1)
    expect(refused).toMatchObject({ allowed: false, results: [{ retryAt: there.time + 1000 }] })
    for (let n = 0; n < 1000; n++) {
      const known = store.consume(['k'], policies, 1)
      expect(known).not.toBeInstanceOf(Promise)
      expect(known).toEqual({ ...refused, at: there.time })
      pass(n === 999 ? 0 : 1)
    }
    expect(server.trips).toBe(2)
    pass(1)
    expect(await ask(['k'], policies)).toMatchObject({ known: false, verdict: { allowed: true, at: first.at + 1000 } })
  })

  it('answers what the store itself would have answered, whatever is asked, for as long as nothing is given back past it', async () => {
    const { store, server, pass, ask, there } = remote()
    const model = createMemoryRateLimitStore({ clock: there })
    const two = scopePolicies('two', [
      { name: 'second', quota: 3, window: 1 },
      { name: 'minute', quota: 20, window: 10 },
    ])
    let [seed, known] = [3, 0]
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
      return (seed >>> 8) % below
    }
    for (let n = 0; n < 4000; n++) {
      const key = `k${random(4)}`
      if (random(4) === 0) pass(random(120))
      if (random(20) === 0) {
        const units = random(5) - 2
        await store.adjust([key, key], two, units)
        model.adjust([key, key], two, units)
        continue
      }
      const cost = 1 + random(3)
      const answer = await ask([key, key], two, cost)
      const expected = model.consume([key, key], two, cost)
      expect(answer.verdict.allowed).toBe(expected.allowed)
      expect(answer.verdict.results.map(({ allowed }) => allowed).every(Boolean)).toBe(expected.allowed)
      if (answer.known) known += 1
    }
    expect(known).toBeGreaterThan(500)
    expect(server.trips).toBeLessThan(3700)
  })

  it('is asked for as soon as it may pass by the time of the store, however long its answer was under way', async () => {
    for (const way of ['late', 'returns'] as const) {
      const { store, server, pass, ask } = remote()
      await store.consume(['k'], policies, 1)
      const wait = held()
      server[way] = wait.until
      const refused = store.consume(['k'], policies, 1)
      await Promise.resolve()
      pass(300)
      wait.release()
      const { at, results } = await refused
      server[way] = undefined
      // Sent late or answered late, the store's time may be 300 ms ahead of what its answer says.
      pass(results[0]!.retryAt - at - 301)
      expect((await ask(['k'], policies)).known, way).toBe(true)
      pass(1)
      expect((await ask(['k'], policies)).known, way).toBe(false)
    }
  })

  it('says a time that is no later than that of the store: whoever waits as it says does not come too early', async () => {
    const { store, server, pass, there } = remote()
    await store.consume(['k'], policies, 1)
    const wait = held()
    server.late = wait.until
    const refused = store.consume(['k'], policies, 1)
    await Promise.resolve()
    pass(200)
    wait.release()
    await refused
    pass(100)
    const known = store.consume(['k'], policies, 1) as RateLimitVerdict
    expect(known.at).toBeLessThanOrEqual(there.time)
    expect(known.at).toBe(there.time)
    expect(known.results[0]?.retryAt).toBe(there.time + 700)
  })

  it('does not depend on the clock of this machine being right, or on any of its jumps', async () => {
    const bare = remote().bare
    const store = rememberExhausted(bare)
    await store.consume(['k'], policies, 1)
    await store.consume(['k'], policies, 1)
    expect(store.consume(['k'], policies, 1)).not.toBeInstanceOf(Promise)
  })

  it('is known for its cost alone: less may pass, and a check that costs nothing is always asked for', async () => {
    const { ask } = remote()
    const five = scopePolicies('five', [{ name: 'p', quota: 5, window: 60 }])
    await ask(['k'], five, 3)
    expect(await ask(['k'], five, 3)).toMatchObject({ known: false, verdict: { allowed: false } })
    expect(await ask(['k'], five, 3)).toMatchObject({ known: true, verdict: { allowed: false } })
    expect(await ask(['k'], five, 0)).toMatchObject({ known: false, verdict: { allowed: true } })
    expect(await ask(['k'], five, 2)).toMatchObject({ known: false, verdict: { allowed: true } })
  })

  it('is told of no time that is too early because less passed meanwhile, also where the answer to that came in first', async () => {
    const five = scopePolicies('five', [{ name: 'p', quota: 5, window: 60 }])
    for (const late of [false, true]) {
      const { ask, server, store, there } = remote()
      await ask(['k'], five, 3)
      const wait = held()
      if (late) server.returns = wait.until
      const refused = store.consume(['k'], five, 3)
      server.returns = undefined
      if (!late) await refused
      expect((await ask(['k'], five, 2)).verdict.allowed).toBe(true)
      wait.release()
      expect((await refused).results[0]?.retryAt).toBe(there.time + 12_000)
      const { verdict } = await ask(['k'], five, 3)
      expect(verdict.results[0]?.retryAt).toBe(there.time + 36_000)
      expect(await ask(['k'], five, 3)).toMatchObject({ known: true, verdict: { results: [{ retryAt: there.time + 36_000 }] } })
    }
  })

  it('that owes more than there is refuses a check that costs nothing, and is asked each time', async () => {
    const { ask, store } = remote()
    await store.adjust(['k'], policies, 5)
    for (let n = 0; n < 3; n++) expect(await ask(['k'], policies, 0)).toMatchObject({ known: false, verdict: { allowed: false } })
  })

  it('of several policies is refused while one of them refuses, and says of the others what is so', async () => {
    const { ask, pass } = remote()
    const two = scopePolicies('two', [
      { name: 'short', quota: 1, window: 1 },
      { name: 'long', quota: 1, window: 60 },
    ])
    await ask(['k', 'k'], two)
    await ask(['k', 'k'], two)
    expect((await ask(['k', 'k'], two)).verdict.results).toMatchObject([{ allowed: false }, { allowed: false }])
    pass(1000)
    const { known, verdict } = await ask(['k', 'k'], two)
    expect([known, verdict.allowed]).toEqual([true, false])
    expect(verdict.results).toMatchObject([
      { policy: 'short', allowed: true, remaining: 1, retryAt: verdict.at },
      { policy: 'long', allowed: false },
    ])
  })

  it('says nothing of a check of which another bucket is not known', async () => {
    const { ask } = remote()
    const both = scopePolicies('both', [
      { name: 'address', quota: 1, window: 60 },
      { name: 'account', quota: 5, window: 60 },
    ])
    await ask(['a', 'x'], both)
    await ask(['a', 'x'], both)
    expect((await ask(['a', 'x'], both)).known).toBe(true)
    expect(await ask(['a', 'y'], both)).toMatchObject({ known: false, verdict: { allowed: false } })
    expect(await ask(['b', 'x'], both)).toMatchObject({ known: false, verdict: { allowed: true } })
  })
})

describe('units that are given back', () => {
  it('through the same store are known at once, whatever list of policies they are given back under', async () => {
    const { ask, store } = remote()
    const both = scopePolicies('both', [
      { name: 'a', quota: 1, window: 60 },
      { name: 'b', quota: 1, window: 60 },
    ])
    await ask(['k', 'k'], both)
    await ask(['k', 'k'], both)
    expect((await ask(['k', 'k'], both)).known).toBe(true)
    await store.adjust(['k'], scopePolicies('both', [{ name: 'a', quota: 1, window: 60 }]), -1)
    expect(await ask(['k', 'k'], both)).toMatchObject({ known: false, verdict: { allowed: false } })
    expect((await ask(['k', 'k'], both)).known).toBe(true)
    await store.adjust(['k', 'k'], both, -1)
    expect(await ask(['k', 'k'], both)).toMatchObject({ known: false, verdict: { allowed: true } })
  })

  it('are known before the store has answered: a question that follows is sent after them', async () => {
    const { ask, store } = remote()
    await ask(['k'], policies)
    await ask(['k'], policies)
    const given = store.adjust(['k'], policies, -1)
    expect(await ask(['k'], policies)).toMatchObject({ known: false, verdict: { allowed: true } })
    await given
  })

  it('are not undone by a refusal from before them that comes in after them', async () => {
    const { ask, store, server } = remote()
    await ask(['k'], policies)
    const wait = held()
    server.returns = wait.until
    const refused = store.consume(['k'], policies, 1)
    server.returns = undefined
    await store.adjust(['k'], policies, -1)
    wait.release()
    expect((await refused).allowed).toBe(false)
    expect(await ask(['k'], policies)).toMatchObject({ known: false, verdict: { allowed: true } })
  })

  it('are not undone by a refusal of the time in which they were under way', async () => {
    for (const failing of [false, true]) {
      const { ask, store, server } = remote()
      await ask(['k'], policies)
      const wait = held()
      server.late = wait.until
      const given = Promise.resolve(store.adjust(['k'], policies, -1))
      server.late = undefined
      expect(await ask(['k'], policies)).toMatchObject({ known: false, verdict: { allowed: false } })
      server.down = failing
      wait.release()
      await given
      server.down = false
      expect(await ask(['k'], policies)).toMatchObject({ known: false, verdict: { allowed: true } })
    }
  })

  it('of more keys than are remembered, while a question is under way: none of them is undone', async () => {
    const { ask, store, server } = remote({ maxKeys: 3 })
    for (let n = 0; n < 5; n++) await ask([`k${n}`], policies)
    const wait = held()
    server.returns = wait.until
    const refused = Array.from({ length: 5 }, (_, n) => store.consume([`k${n}`], policies, 1))
    server.returns = undefined
    for (let n = 0; n < 5; n++) await store.adjust([`k${n}`], policies, -1)
    wait.release()
    await Promise.all(refused)
    for (let n = 0; n < 5; n++) expect(await ask([`k${n}`], policies)).toMatchObject({ known: false, verdict: { allowed: true } })
  })

  it('by another process are noticed after maxAge, and not a millisecond later', async () => {
    const { ask, memory, pass } = remote({ maxAge: 500 })
    const hour = scopePolicies('hour', [{ name: 'p', quota: 1, window: 3600 }])
    await ask(['k'], hour)
    await ask(['k'], hour)
    memory.adjust(['k'], hour, -1)
    pass(499)
    expect(await ask(['k'], hour)).toMatchObject({ known: true, verdict: { allowed: false } })
    pass(1)
    expect(await ask(['k'], hour)).toMatchObject({ known: false, verdict: { allowed: true } })
  })

  it('by default are noticed within a second', async () => {
    const { bare, here, memory, pass, server } = remote()
    const store = rememberExhausted(bare, { clock: here })
    const hour = scopePolicies('hour', [{ name: 'p', quota: 1, window: 3600 }])
    for (let n = 0; n < 3; n++) await store.consume(['k'], hour, 1)
    expect(server.trips).toBe(2)
    memory.adjust(['k'], hour, -1)
    pass(1000)
    expect((await store.consume(['k'], hour, 1)).allowed).toBe(true)
  })

  it('to a guard of sign-ins, by who knew the password, let him in again at once', async () => {
    const { store } = remote()
    const guard = createBruteForceGuard({ store })
    const identity = { account: 'ann', address: '192.0.2.1' }
    const attempts = await Promise.all(Array.from({ length: 20 }, () => guard.attempt(identity)))
    const allowed = attempts.filter((attempt) => attempt.allowed)
    expect(allowed).toHaveLength(10)
    expect((await guard.attempt(identity)).allowed).toBe(false)
    await allowed[0]!.settle('success')
    expect((await guard.attempt(identity)).allowed).toBe(true)
    expect((await guard.attempt(identity)).allowed).toBe(false)
  })
})

describe('the memory', () => {
  it('is bounded, and forgets what was unused for longest: junk keys cost those who are exhausted a trip, and nothing else', async () => {
    const { ask } = remote({ maxKeys: 10 })
    const exhaust = async (key: string): Promise<void> => {
      await ask([key], policies)
      await ask([key], policies)
    }
    await exhaust('hot')
    await exhaust('cold')
    for (let n = 0; n < 100; n++) {
      await exhaust(`junk${n}`)
      expect((await ask(['hot'], policies)).known).toBe(true)
    }
    expect(await ask(['cold'], policies)).toMatchObject({ known: false, verdict: { allowed: false } })
  })

  it('tells long keys apart, and keeps none of them', async () => {
    const { ask } = remote()
    const [long, other] = ['x'.repeat(10_000), `${'x'.repeat(9_999)}y`]
    await ask([long], policies)
    await ask([long], policies)
    expect((await ask([long], policies)).known).toBe(true)
    expect(await ask([other], policies)).toMatchObject({ known: false, verdict: { allowed: true } })
  })

  it('does not hold what was said of a bucket that strangers share', async () => {
    const { bare, here, server } = remote()
    const store = rememberExhausted(
      {
        ...bare,
        consume: async (...check) => {
          const verdict = await bare.consume(...check)
          return { ...verdict, degraded: true }
        },
      },
      { clock: here },
    )
    for (let n = 0; n < 3; n++) await store.consume(['k'], policies, 1)
    expect(server.trips).toBe(3)
  })

  it('answers while the store is down, where it knows; an error is no answer, and is not remembered', async () => {
    const { store, server, ask } = remote()
    await ask(['k'], policies)
    await ask(['k'], policies)
    server.down = true
    expect(await ask(['k'], policies)).toMatchObject({ known: true, verdict: { allowed: false } })
    expect((await caught(() => store.consume(['other'], policies, 1))).code).toBe('test.down')
    expect((await caught(() => store.adjust(['k'], policies, -1))).code).toBe('test.down')
    server.down = false
    expect((await ask(['other'], policies)).verdict.allowed).toBe(true)
    expect(await ask(['k'], policies)).toMatchObject({ known: false, verdict: { allowed: false } })
  })

  it('of a store that answers at once, or throws at once, is the same', async () => {
    const clock = manualClock()
    const memory = createMemoryRateLimitStore({ clock })
    let asked = 0
    const counting: RateLimitStore['consume'] = (...check) => {
      asked += 1
      return memory.consume(...check)
    }
    const store = rememberExhausted({ consume: counting, adjust: (...change) => memory.adjust(...change) }, { clock })
    for (let n = 0; n < 5; n++) expect(store.consume(['k'], policies, 1)).not.toBeInstanceOf(Promise)
    expect(asked).toBe(2)
    store.adjust(['k'], policies, -1)
    expect((store.consume(['k'], policies, 1) as RateLimitVerdict).allowed).toBe(true)
    expect((await caught(() => store.consume([], policies, 1))).code).toBe('rate_limit.key_missing')
    expect((await caught(() => store.consume(['k'], policies, -1))).code).toBe('rate_limit.cost_invalid')
  })

  it('refuses a scope that is asked for with other numbers, as the store does', async () => {
    const { ask, store } = remote()
    await ask(['k'], policies)
    await ask(['k'], policies)
    const other = scopePolicies('api', [{ name: 'p', quota: 2, window: 1 }])
    expect((await caught(() => store.consume(['k'], other, 1))).code).toBe('rate_limit.policy_conflict')
    expect((await caught(() => store.declare?.(other))).code).toBe('rate_limit.policy_conflict')
    // The same limiter, declared for another route.
    expect((await ask(['k'], scopePolicies('api', one))).known).toBe(true)
  })

  it('stands behind a limit on a route: refused with a Retry-After that is never early', async () => {
    const { store, server, pass } = remote()
    const guard = limit({ policies: [{ name: 'p', quota: 1, window: 60 }], key: byAddress(), store })
    const first = await guard(request('192.0.2.1'))
    await guard(request('192.0.2.1'))
    pass(1500)
    const decision = guard(request('192.0.2.1'))
    expect(first).toMatchObject({ type: 'continue' })
    expect(decision).toMatchObject({
      type: 'reply',
      reply: { status: 429, headers: expect.arrayContaining([['Retry-After', '59']]) },
    })
    expect(server.trips).toBe(2)
  })

  it.each([{ maxKeys: 0 }, { maxKeys: 1.5 }, { maxKeys: 1_000_001 }, { maxAge: 0 }, { maxAge: Number.NaN }, { maxAge: -1 }])(
    'is not made with %j',
    async (options) => {
      expect((await caught(() => rememberExhausted(createMemoryRateLimitStore(), options))).code).toBe(
        'rate_limit.options_invalid',
      )
    },
  )
})
