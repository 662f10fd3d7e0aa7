import { describe, expect, it } from 'vitest'
import { createMemoryRateLimitStore, type Policy, scopePolicies } from '../src/index.ts'
import { caught, manualClock } from './support.ts'

const minute: Policy = { name: 'minute', quota: 5, window: 60 }
const day: Policy = { name: 'day', quota: 8, window: 86_400 }

describe('several policies in one check', () => {
  it('charges the day nothing for what the minute refuses (rate-limiter-flexible: a union charges it)', () => {
    const store = createMemoryRateLimitStore({ clock: manualClock() })
    const policies = scopePolicies('api', [minute, day])
    for (let n = 0; n < 5; n++) expect(store.consume(['k', 'k'], policies, 1).allowed).toBe(true)
    for (let n = 0; n < 50; n++) {
      const { allowed, results } = store.consume(['k', 'k'], policies, 1)
      expect(allowed).toBe(false)
      expect(results).toMatchObject([
        { policy: 'minute', allowed: false, remaining: 0 },
        { policy: 'day', allowed: true, remaining: 3 },
      ])
    }
  })

  it('names every policy that refuses', () => {
    const store = createMemoryRateLimitStore({ clock: manualClock() })
    const policies = scopePolicies('api', [minute, { ...day, quota: 5 }])
    store.consume(['k', 'k'], policies, 5)
    expect(store.consume(['k', 'k'], policies, 1).results.map(({ allowed }) => allowed)).toEqual([false, false])
  })

  it('keeps the keys of each policy apart', () => {
    const store = createMemoryRateLimitStore({ clock: manualClock() })
    const policies = scopePolicies('api', [minute, day])
    store.consume(['a', 'shared'], policies, 5)
    expect(store.consume(['b', 'shared'], policies, 3).allowed).toBe(true)
    const refused = store.consume(['c', 'shared'], policies, 1)
    expect(refused.results).toMatchObject([{ allowed: true, remaining: 5 }, { allowed: false }])
  })
})

describe('cost', () => {
  it('charges a request what it costs, and asks without charging for a cost of 0', () => {
    const store = createMemoryRateLimitStore({ clock: manualClock() })
    const policies = scopePolicies('api', [minute])
    expect(store.consume(['k'], policies, 0).results).toMatchObject([{ remaining: 5 }])
    expect(store.size).toBe(0)
    expect(store.consume(['k'], policies, 3).results).toMatchObject([{ remaining: 2 }])
    expect(store.consume(['k'], policies, 3)).toMatchObject({ allowed: false, results: [{ remaining: 2 }] })
    expect(store.consume(['k'], policies, 0)).toMatchObject({ allowed: true, results: [{ remaining: 2 }] })
  })

  it('says of a cost beyond the burst that it never passes', () => {
    const store = createMemoryRateLimitStore({ clock: manualClock() })
    const { allowed, results } = store.consume(['k'], scopePolicies('api', [minute]), 6)
    expect(allowed).toBe(false)
    expect(results).toMatchObject([{ retryAt: Number.POSITIVE_INFINITY, remaining: 5 }])
  })

  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 1e10])('throws for a cost of %s', async (cost) => {
    const store = createMemoryRateLimitStore()
    expect(await caught(() => store.consume(['k'], scopePolicies('api', [minute]), cost))).toMatchObject({
      code: 'rate_limit.cost_invalid',
    })
  })

  it('throws when a policy has no key, and charges nothing', async () => {
    const store = createMemoryRateLimitStore()
    const policies = scopePolicies('api', [minute, day])
    expect(await caught(() => store.consume(['k'], policies, 1))).toMatchObject({ code: 'rate_limit.key_missing' })
    expect(store.consume(['k', 'k'], policies, 0).results).toMatchObject([{ remaining: 5 }, { remaining: 8 }])
  })
})

describe('reserve, then settle', () => {
  const clock = manualClock()
  const policies = scopePolicies('api', [minute])

  it('gives back what was reserved and not used', () => {
    const store = createMemoryRateLimitStore({ clock })
    const reserved = store.consume(['k'], policies, 4)
    store.adjust(['k'], policies, -3, reserved)
    expect(store.consume(['k'], policies, 0).results).toMatchObject([{ remaining: 4 }])
  })

  it('charges what was used beyond the reservation, also past the limit, and the next request waits for it', () => {
    const store = createMemoryRateLimitStore({ clock })
    store.consume(['k'], policies, 1)
    store.adjust(['k'], policies, 9)
    const { results, at } = store.consume(['k'], policies, 1)
    // Ten used of five: six units of 12 s must come back before one is free.
    expect(results).toMatchObject([{ allowed: false, remaining: 0, retryAt: at + 6 * 12_000 }])
  })

  it('does not give back a second time what time has given back already', () => {
    const later = manualClock()
    const store = createMemoryRateLimitStore({ clock: later })
    const reserved = store.consume(['k'], policies, 5)
    later.time += 60_000
    store.consume(['k'], policies, 5)
    store.adjust(['k'], policies, -5, reserved)
    expect(store.consume(['k'], policies, 1).allowed).toBe(false)
  })

  it('never holds more than a burst, however much is given back', () => {
    const store = createMemoryRateLimitStore({ clock })
    store.consume(['k'], policies, 1)
    store.adjust(['k'], policies, -1000)
    expect(store.consume(['k'], policies, 5).allowed).toBe(true)
    expect(store.consume(['k'], policies, 1).allowed).toBe(false)
  })

  it('gives nothing back to a key that it does not know', () => {
    const store = createMemoryRateLimitStore({ clock })
    store.adjust(['k'], policies, -5)
    expect(store.size).toBe(0)
  })
})

describe('a bounded memory', () => {
  it('does not lose a victim to 5,000 junk keys (@fastify/rate-limit: pushed out)', () => {
    const store = createMemoryRateLimitStore({ clock: manualClock(), maxKeys: 1_000 })
    const policies = scopePolicies('api', [minute])
    for (let n = 0; n < 5; n++) store.consume(['victim'], policies, 1)
    for (let n = 0; n < 5_000; n++) store.consume([`junk ${n}`], policies, 1)
    expect(store.consume(['victim'], policies, 1)).toMatchObject({ allowed: false, degraded: false })
    expect(store.size).toBe(1_000)
  })

  it('lets new keys share one bucket when it is full of live ones, and says so', () => {
    const clock = manualClock()
    const store = createMemoryRateLimitStore({ clock, maxKeys: 10 })
    const policies = scopePolicies('api', [minute])
    for (let n = 0; n < 10; n++) store.consume([`live ${n}`], policies, 1)
    const verdicts = Array.from({ length: 8 }, (_, n) => store.consume([`new ${n}`], policies, 1))
    expect(verdicts.map(({ allowed }) => allowed)).toEqual([true, true, true, true, true, false, false, false])
    expect(verdicts.every(({ degraded }) => degraded)).toBe(true)
    expect(store.consume(['live 0'], policies, 1)).toMatchObject({ allowed: true, degraded: false })
    expect(store.size).toBe(10)
  })

  it('gives new keys their own buckets again once others have run out', () => {
    const clock = manualClock()
    const store = createMemoryRateLimitStore({ clock, maxKeys: 10 })
    const policies = scopePolicies('api', [minute])
    for (let n = 0; n < 10; n++) store.consume([`old ${n}`], policies, 1)
    clock.time += 12_000
    expect(store.consume(['new'], policies, 1)).toMatchObject({ allowed: true, degraded: false })
  })

  it('drops what has run out as new keys come in, without a timer', () => {
    const clock = manualClock()
    const store = createMemoryRateLimitStore({ clock })
    const policies = scopePolicies('api', [minute])
    for (let n = 0; n < 20_000; n++) {
      clock.time += 100
      store.consume([`k${n}`], policies, 1)
    }
    // 120 are live at a time, each for 12 s.
    expect(store.size).toBeLessThan(500)
    for (let n = 19_900; n < 20_000; n++) expect(store.consume([`k${n}`], policies, 0).results[0]!.remaining).toBeLessThan(5)
  })

  it('keeps every live bucket right while slots are freed and taken again', () => {
    const clock = manualClock()
    const store = createMemoryRateLimitStore({ clock, maxKeys: 300 })
    const policies = scopePolicies('api', [minute])
    const expected = new Map<string, number>()
    for (let n = 0; n < 30_000; n++) {
      clock.time += 60
      const key = `k${(n * 7919) % 401}`
      const { allowed, degraded } = store.consume([key], policies, 1)
      expect(degraded).toBe(false)
      const base = Math.max(expected.get(key) ?? 0, clock.time)
      expect(allowed).toBe(base + 12_000 - 60_000 <= clock.time)
      if (allowed) expected.set(key, base + 12_000)
    }
  })

  it('keeps keys of any length and any characters apart', () => {
    const store = createMemoryRateLimitStore({ clock: manualClock() })
    const policies = scopePolicies('api', [minute])
    const long = 'x'.repeat(10_000)
    const keys = ['a', 'é', '\ud800', '\ud801', '\ufffd', '漢', `${long}1`, `${long}2`, '#', 'x'.repeat(64), 'x'.repeat(65)]
    for (const key of keys) expect(store.consume([key], policies, 5).allowed).toBe(true)
    for (const key of keys) expect(store.consume([key], policies, 1).allowed).toBe(false)
    expect(store.size).toBe(keys.length)
  })
})

describe('limiters that share a store', () => {
  it('do not meet unless they are named alike', () => {
    const store = createMemoryRateLimitStore({ clock: manualClock() })
    const one = scopePolicies('one', [minute])
    store.consume(['k'], one, 5)
    expect(store.consume(['k'], scopePolicies('two', [minute]), 1).allowed).toBe(true)
    expect(store.consume(['k'], scopePolicies('one', [{ ...minute }]), 1).allowed).toBe(false)
  })

  it('charge each new key for its first request, whatever room had to be made for it', () => {
    const store = createMemoryRateLimitStore({ clock: manualClock() })
    const policies = scopePolicies('one', [{ name: 'once', quota: 1, window: 60 }])
    const keys = Array.from({ length: 5000 }, (_, n) => `key ${n}`)
    const passed = (): number => keys.filter((key) => store.consume([key], policies, 1).allowed).length
    expect([passed(), passed()]).toEqual([5000, 0])
  })

  it('are refused when they are named alike and count differently', async () => {
    const store = createMemoryRateLimitStore()
    store.declare(scopePolicies('one', [minute]))
    expect(await caught(() => store.declare(scopePolicies('one', [{ ...minute, quota: 6 }])))).toMatchObject({
      code: 'rate_limit.policy_conflict',
    })
  })
})

describe('options', () => {
  it.each([0, -1, 1.5, Number.NaN, 2 ** 25])('refuses maxKeys %s', async (maxKeys) => {
    expect(await caught(() => createMemoryRateLimitStore({ maxKeys }))).toMatchObject({ code: 'rate_limit.options_invalid' })
  })

  it.each<[string, Policy[]]>([
    ['no policy', []],
    ['an empty name', [{ ...minute, name: '' }]],
    ['a name that is not for a header', [{ ...minute, name: 'a"b' }]],
    ['a name twice', [minute, minute]],
    ['a quota of 0', [{ ...minute, quota: 0 }]],
    ['a quota of 1.5', [{ ...minute, quota: 1.5 }]],
    ['a burst of 0', [{ ...minute, burst: 0 }]],
    ['a window of 0', [{ ...minute, window: 0 }]],
    ['a window of half a millisecond', [{ ...minute, window: 0.0005 }]],
    ['a window of 1.5 milliseconds', [{ ...minute, window: 0.0015 }]],
    ['a window of more than a year', [{ ...minute, window: 367 * 86_400 }]],
    ['a window that is not a number', [{ ...minute, window: Number.NaN }]],
  ])('refuses %s', async (_, policies) => {
    expect(await caught(() => scopePolicies('api', policies))).toMatchObject({ code: 'rate_limit.policy_invalid' })
  })

  it.each(['', 'a b', 'a::b', 'x'.repeat(65)])('refuses the limiter name %j', async (name) => {
    expect(await caught(() => scopePolicies(name, [minute]))).toMatchObject({ code: 'rate_limit.options_invalid' })
  })
})
