import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  byAddress,
  createMemoryRateLimitStore,
  type LimitOptions,
  limit,
  type Policy,
  scopePolicies,
  type WindowPolicy,
} from '../src/index.ts'
import { manualClock, request } from './support.ts'

const RUNS = { numRuns: 4_000 }

const windowed = (...algorithms: WindowPolicy['algorithm'][]) =>
  fc.record({
    name: fc.constant('p'),
    algorithm: fc.constantFrom(...algorithms),
    quota: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 300 })),
    window: fc.integer({ min: 1, max: 60_000 }).map((ms) => ms / 1000),
  })

/** Steps of an adversary: how far the clock moves, in parts of a window or a millisecond, and what he asks for then. */
const step = fc.record({
  parts: fc.oneof(fc.constant(0), fc.constantFrom(0.25, 0.5, 1, 2), fc.double({ min: 0, max: 2.5, noNaN: true })),
  ms: fc.constantFrom(-1, 0, 0, 0, 1),
  cost: fc.integer({ min: 0, max: 6 }),
})
const sequence = fc.array(step, { minLength: 1, maxLength: 60 })

function bucket(p: Policy) {
  const clock = manualClock()
  const store = createMemoryRateLimitStore({ clock })
  const policies = scopePolicies('t', [p])
  return {
    clock,
    store,
    policies,
    ask(cost = 1) {
      const verdict = store.consume(['k'], policies, cost)
      return { ...verdict.results[0]!, at: verdict.at }
    },
  }
}

/** Runs a sequence. @returns what was admitted, and when */
function admittedIn(p: WindowPolicy, steps: readonly { parts: number; ms: number; cost: number }[]) {
  const made = bucket(p)
  const admitted: { at: number; cost: number }[] = []
  for (const { parts, ms, cost } of steps) {
    made.clock.time += Math.max(0, Math.round(parts * p.window * 1000) + ms)
    if (cost > 0 && made.ask(cost).allowed) admitted.push({ at: made.clock.time, cost })
  }
  return { ...made, admitted }
}

/** The most that was admitted in any stretch of so many milliseconds. */
function mostWithin(admitted: readonly { at: number; cost: number }[], ms: number): number {
  let most = 0
  for (const { at: from } of admitted) {
    let units = 0
    for (const { at, cost } of admitted) if (at >= from && at < from + ms) units += cost
    most = Math.max(most, units)
  }
  return most
}

describe('windows, over adversarial sequences', () => {
  it('strict: never more than the quota in any window, wherever it begins [ASVS 2.4.1]', () => {
    fc.assert(
      fc.property(windowed('strict'), sequence, (p, steps) => {
        const { admitted } = admittedIn(p, steps)
        expect(mostWithin(admitted, Math.round(p.window * 1000))).toBeLessThanOrEqual(p.quota)
      }),
      RUNS,
    )
  })

  it('fixed and sliding: never twice the quota in any window', () => {
    fc.assert(
      fc.property(windowed('fixed', 'sliding'), sequence, (p, steps) => {
        const { admitted } = admittedIn(p, steps)
        expect(mostWithin(admitted, Math.round(p.window * 1000))).toBeLessThan(2 * p.quota)
      }),
      RUNS,
    )
  })

  it('fixed: never more than the quota between the first unit of a window and its end', () => {
    fc.assert(
      fc.property(windowed('fixed'), sequence, (p, steps) => {
        const { admitted } = admittedIn(p, steps)
        const window = Math.round(p.window * 1000)
        let [from, units] = [Number.NEGATIVE_INFINITY, 0]
        for (const { at, cost } of admitted) {
          if (at >= from + window) [from, units] = [at, 0]
          units += cost
          expect(units).toBeLessThanOrEqual(p.quota)
        }
      }),
      RUNS,
    )
  })

  it('sliding: never more than the quota in this window of the clock and the part of the one before that overlaps', () => {
    fc.assert(
      fc.property(windowed('sliding'), sequence, (p, steps) => {
        const { admitted } = admittedIn(p, steps)
        const window = Math.round(p.window * 1000)
        for (const [n, { at }] of admitted.entries()) {
          const from = at - (at % window)
          const so = admitted.slice(0, n + 1)
          const sum = (a: number, b: number): number =>
            so.reduce((units, one) => units + (one.at >= a && one.at < b ? one.cost : 0), 0)
          const used = sum(from, from + window) + (sum(from - window, from) * (from + window - at)) / window
          expect(used).toBeLessThanOrEqual(p.quota)
        }
      }),
      RUNS,
    )
  })

  it('never refuse a client who keeps the pace, with not a millisecond to spare', () => {
    const cases: WindowPolicy[] = [
      { name: 'p', algorithm: 'strict', quota: 7, window: 1 },
      { name: 'p', algorithm: 'strict', quota: 1000, window: 0.999 },
      { name: 'p', algorithm: 'strict', quota: 1, window: 366 * 86_400 },
      { name: 'p', algorithm: 'fixed', quota: 3, window: 1 },
      { name: 'p', algorithm: 'fixed', quota: 89_989, window: 60 },
      // Of a window that is counted in the next by its overlap, one unit more would be on the edge: the README says so.
      { name: 'p', algorithm: 'sliding', quota: 8, window: 1 },
      { name: 'p', algorithm: 'sliding', quota: 1001, window: 60 },
    ]
    for (const p of cases) {
      const { clock, ask } = bucket(p)
      const pace = p.algorithm === 'sliding' ? p.quota - 1 : p.quota
      const start = clock.time
      for (let n = 0; n < 5_000; n++) {
        clock.time = start + Math.ceil((n * Math.round(p.window * 1000)) / pace)
        if (!ask().allowed) throw new Error(`request ${n} of ${p.quota} in ${p.window} s was refused (${p.algorithm})`)
      }
    }
  })

  it('say exactly when: refused one millisecond before retryAt, accepted at it', () => {
    fc.assert(
      fc.property(windowed('strict', 'fixed', 'sliding'), sequence, fc.integer({ min: 1, max: 20 }), (p, steps, want) => {
        const cost = Math.min(want, p.quota)
        const { clock, ask } = admittedIn(p, steps)
        const { allowed, retryAt, at } = ask(cost)
        // An accepted check says when the same passes again.
        const again = allowed ? ask(cost) : { allowed, retryAt, at }
        if (again.allowed) return
        expect(again.retryAt).toBe(retryAt)
        expect(Number.isInteger(retryAt)).toBe(true)
        clock.time = retryAt - 1
        expect(ask(cost).allowed).toBe(false)
        clock.time = retryAt
        expect(ask(cost).allowed).toBe(true)
      }),
      RUNS,
    )
  })

  it('have everything back at resetAt, and not before', () => {
    fc.assert(
      fc.property(windowed('strict', 'fixed', 'sliding'), sequence, (p, steps) => {
        const { clock, ask } = admittedIn(p, steps)
        const { resetAt, at } = ask(0)
        if (resetAt > at && p.algorithm !== 'sliding') {
          clock.time = resetAt - 1
          expect(ask(0).remaining).toBeLessThan(p.quota)
        }
        clock.time = Math.max(resetAt, at)
        expect(ask(0)).toMatchObject({ remaining: p.quota, resetAt: clock.time })
      }),
      RUNS,
    )
  })

  it('charge nothing for a refusal', () => {
    fc.assert(
      fc.property(windowed('strict', 'fixed', 'sliding'), fc.integer({ min: 1, max: 100 }), (p, refusals) => {
        const { ask } = bucket(p)
        while (ask().allowed);
        const { retryAt, resetAt } = ask()
        for (let n = 0; n < refusals; n++) expect(ask()).toMatchObject({ allowed: false, retryAt, resetAt })
      }),
      { numRuns: 300 },
    )
  })

  it('gain nothing from a clock that goes backwards, in any sequence', () => {
    const jump = fc.integer({ min: -120_000, max: 60_000 })
    fc.assert(
      fc.property(windowed('strict', 'fixed', 'sliding'), fc.array(jump, { minLength: 1, maxLength: 60 }), (p, jumps) => {
        const { clock, ask } = bucket(p)
        let furthest = clock.time
        const admitted: { at: number; cost: number }[] = []
        for (const ms of jumps) {
          clock.time += ms
          furthest = Math.max(furthest, clock.time)
          if (ask().allowed) admitted.push({ at: furthest, cost: 1 })
        }
        const bound = p.algorithm === 'strict' ? p.quota : 2 * p.quota
        expect(mostWithin(admitted, Math.round(p.window * 1000))).toBeLessThanOrEqual(bound)
      }),
      RUNS,
    )
  })

  it('never give back more than was charged, nor what time has given back already', () => {
    fc.assert(
      fc.property(windowed('strict', 'fixed', 'sliding'), sequence, fc.integer({ min: 1, max: 50 }), (p, steps, units) => {
        const { clock, ask, store, policies } = admittedIn(p, steps)
        const before = store.consume(['k'], policies, 1)
        if (!before.allowed) return
        store.adjust(['k'], policies, -units, before)
        // At most what this very entry holds, which may have had units before: never beyond the quota.
        expect(ask(0).remaining).toBeLessThanOrEqual(p.quota)
        clock.time += Math.round(p.window * 2000)
        const later = store.consume(['k'], policies, 1)
        store.adjust(['k'], policies, -units, before)
        expect(store.consume(['k'], policies, 0).results[0]!.remaining).toBe(later.results[0]!.remaining)
      }),
      RUNS,
    )
  })
})

describe('a check of policies by several algorithms', () => {
  const policies = scopePolicies('mixed', [
    { name: 'second', quota: 5, window: 1 },
    { name: 'minute', algorithm: 'strict', quota: 7, window: 60 },
    { name: 'day', algorithm: 'calendar', quota: 10, period: 'day', timeZone: 'Europe/Berlin' },
  ])

  it('charges all of them or none', () => {
    const clock = manualClock()
    const store = createMemoryRateLimitStore({ clock })
    for (let n = 0; n < 20; n++) {
      store.consume(['k', 'k', 'k'], policies, 1)
      clock.time += 500
    }
    const left = store.consume(['k', 'k', 'k'], policies, 0)
    expect(left.results.map(({ remaining }) => remaining)).toEqual([5, 0, 3])
  })
})

describe('what clients are told', () => {
  const clock = () => manualClock(Date.parse('2026-11-20T12:00:00Z'))
  const told = (options: Partial<LimitOptions> & Pick<LimitOptions, 'policies'>) => {
    const time = clock()
    const guard = limit({ key: byAddress(), clock: time, ...options })
    return {
      time,
      async ask(): Promise<(string | undefined)[]> {
        const decision = await guard(request('192.0.2.1'))
        const headers = (decision.type === 'reply' ? decision.reply.headers : decision.headers) ?? []
        const names =
          options.headers === 'legacy' ? ['Limit', 'Remaining', 'Reset'].map((name) => `X-RateLimit-${name}`) : ['RateLimit']
        return names.map((name) => headers.find(([one]) => one === name)?.[1])
      },
    }
  }
  const fixed: Policy = { name: 'p', algorithm: 'fixed', quota: 3, window: 60 }

  it('of a fixed window: what is left is for the rest of it, and a refusal is until its end', async () => {
    const { time, ask } = told({ policies: [fixed] })
    expect(await ask()).toEqual(['"p";r=2;t=60'])
    time.time += 50_000
    expect(await ask()).toEqual(['"p";r=1;t=10'])
    expect(await ask()).toEqual(['"p";r=0;t=10'])
    expect(await ask()).toEqual(['"p";r=0;t=10'])
  })

  it('of a fixed window that has not begun: the whole of it', async () => {
    const { ask } = told({ policies: [fixed], cost: 0 })
    expect(await ask()).toEqual(['"p";r=3;t=60'])
  })

  it('of a strict or sliding one: the pace at which what is left is meant to be spent, and then when there is more', async () => {
    const strict = told({ policies: [{ ...fixed, algorithm: 'strict' }] })
    const sliding = told({ policies: [{ ...fixed, algorithm: 'sliding' }] })
    for (const { time, ask } of [strict, sliding]) {
      expect(await ask()).toEqual(['"p";r=2;t=40'])
      time.time += 50_000
      expect(await ask()).toEqual(['"p";r=1;t=20'])
    }
    expect([await strict.ask(), await strict.ask()]).toEqual([['"p";r=0;t=10'], ['"p";r=0;t=10']])
    // In ten seconds a window begins, of which a third has to pass.
    expect([await sliding.ask(), await sliding.ask()]).toEqual([['"p";r=0;t=30'], ['"p";r=0;t=30']])
  })

  it('in X-RateLimit-*: when all is back, or on a refusal when it passes', async () => {
    const month: Policy = { name: 'p', algorithm: 'calendar', quota: 2, period: 'month', timeZone: 'Europe/Berlin' }
    const december = Date.parse('2026-11-30T23:00:00Z') / 1000
    const calendar = told({ policies: [month], headers: 'legacy' })
    expect([await calendar.ask(), await calendar.ask(), await calendar.ask()]).toEqual([
      ['2', '1', `${december}`],
      ['2', '0', `${december}`],
      ['2', '0', `${december}`],
    ])
    const { time, ask } = told({ policies: [{ ...fixed, algorithm: 'strict', quota: 2 }], headers: 'legacy' })
    const start = time.time / 1000
    expect(await ask()).toEqual(['2', '1', `${start + 60}`])
    time.time += 10_000
    expect(await ask()).toEqual(['2', '0', `${start + 70}`])
    expect(await ask()).toEqual(['2', '0', `${start + 60}`])
  })
})
