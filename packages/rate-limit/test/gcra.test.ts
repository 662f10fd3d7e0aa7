import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMemoryRateLimitStore, type GcraPolicy as Policy, scopePolicies } from '../src/index.ts'
import { manualClock } from './support.ts'

const RUNS = { numRuns: 4_000 }

const policy = fc.record({
  name: fc.constant('p'),
  quota: fc.integer({ min: 1, max: 500 }),
  window: fc.integer({ min: 1, max: 120_000 }).map((ms) => ms / 1000),
  burst: fc.integer({ min: 1, max: 200 }),
})

/** Steps of an adversary: how far the clock moves, and what he asks for then. */
const steps = (move: fc.Arbitrary<number>) =>
  fc.array(fc.record({ move, cost: fc.integer({ min: 0, max: 5 }) }), { minLength: 1, maxLength: 60 })

const forward = fc.oneof(fc.constant(0), fc.constant(1), fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 0, max: 500_000 }))
const anywhere = fc.oneof(
  forward,
  forward.map((ms) => -ms),
)

function bucket(p: Policy) {
  const clock = manualClock()
  const store = createMemoryRateLimitStore({ clock })
  const policies = scopePolicies('t', [p])
  return {
    clock,
    ask(cost = 1) {
      const verdict = store.consume(['k'], policies, cost)
      return { ...verdict.results[0]!, at: verdict.at }
    },
  }
}

describe('GCRA, over adversarial sequences', () => {
  it('never admits more than burst + elapsed × quota / window, in any stretch of any sequence', () => {
    fc.assert(
      fc.property(policy, steps(forward), (p, sequence) => {
        const { clock, ask } = bucket(p)
        const admitted: { at: number; cost: number }[] = []
        for (const { move, cost } of sequence) {
          clock.time += move
          if (ask(cost).allowed) admitted.push({ at: clock.time, cost })
        }
        for (let from = 0; from < admitted.length; from++) {
          let units = 0
          for (let to = from; to < admitted.length; to++) {
            units += admitted[to]!.cost
            const elapsed = admitted[to]!.at - admitted[from]!.at
            // Compared as integers: units × window ≤ burst × window + elapsed × quota.
            const window = Math.round(p.window * 1000)
            expect(units * window).toBeLessThanOrEqual(p.burst * window + elapsed * p.quota)
          }
        }
      }),
      RUNS,
    )
  })

  it('agrees at every step with a bucket computed in exact integers', () => {
    fc.assert(
      fc.property(policy, steps(forward), (p, sequence) => {
        const { clock, ask } = bucket(p)
        const window = BigInt(Math.round(p.window * 1000))
        const quota = BigInt(p.quota)
        // Ticks of 1/quota ms; a unit is `window` of them.
        let arrival = 0n
        for (const { move, cost } of sequence) {
          clock.time += move
          const now = BigInt(clock.time) * quota
          const base = arrival > now ? arrival : now
          const next = base + BigInt(cost) * window
          const allowed = next - BigInt(p.burst) * window <= now
          if (allowed) arrival = next
          const result = ask(cost)
          expect(result.allowed).toBe(allowed)
          expect(BigInt(result.remaining)).toBe((BigInt(p.burst) * window - ((allowed ? next : base) - now)) / window)
        }
      }),
      RUNS,
    )
  })

  it('never refuses a client who keeps the pace, however long, with not a millisecond to spare', () => {
    const cases: Policy[] = [
      { name: 'p', quota: 7, window: 1, burst: 2 },
      { name: 'p', quota: 3, window: 1, burst: 5 },
      { name: 'p', quota: 1000, window: 0.999, burst: 2 },
      { name: 'p', quota: 89_989, window: 60, burst: 10 },
      { name: 'p', quota: 1, window: 366 * 86_400, burst: 2 },
    ]
    for (const p of cases) {
      const { clock, ask } = bucket(p)
      const start = clock.time
      // Spends all but one unit, so that from here on every request passes at the very millisecond at which it may.
      expect(ask(p.burst! - 1).allowed).toBe(true)
      for (let n = 0; n < 50_000; n++) {
        const due = n * Math.round(p.window * 1000)
        clock.time = start + Math.floor(due / p.quota) + (due % p.quota === 0 ? 0 : 1)
        if (!ask().allowed) throw new Error(`request ${n} of ${p.quota} in ${p.window} s was refused`)
      }
    }
  })

  it('says exactly when: refused one millisecond before retryAt, accepted at it', () => {
    fc.assert(
      fc.property(policy, steps(forward), fc.integer({ min: 1, max: 200 }), (p, sequence, want) => {
        const cost = Math.min(want, p.burst)
        const { clock, ask } = bucket(p)
        for (const { move, cost: spent } of sequence) {
          clock.time += move
          ask(spent)
        }
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

  it('charges nothing for a refusal', () => {
    fc.assert(
      fc.property(policy, fc.integer({ min: 1, max: 300 }), (p, refusals) => {
        const { ask } = bucket(p)
        while (ask().allowed);
        const { retryAt, resetAt } = ask()
        for (let n = 0; n < refusals; n++) expect(ask()).toMatchObject({ allowed: false, retryAt, resetAt })
      }),
      { numRuns: 200 },
    )
  })

  it('earns nothing from a clock that goes backwards, however often it goes to and fro', () => {
    fc.assert(
      fc.property(policy, steps(anywhere), (p, sequence) => {
        const { clock, ask } = bucket(p)
        const start = clock.time
        let latest = start
        let units = 0
        for (const { move, cost } of sequence) {
          clock.time += move
          latest = Math.max(latest, clock.time)
          if (ask(cost).allowed) units += cost
        }
        const window = Math.round(p.window * 1000)
        expect(units * window).toBeLessThanOrEqual(p.burst * window + (latest - start) * p.quota)
      }),
      RUNS,
    )
  })

  it('earns nothing when a clock that ran ahead had spent buckets dropped, and goes back', () => {
    const clock = manualClock()
    const store = createMemoryRateLimitStore({ clock })
    const policies = scopePolicies('t', [{ name: 'p', quota: 5, window: 60 }])
    const start = clock.time
    let admitted = 0
    for (let swing = 0; swing < 10; swing++) {
      for (let n = 0; n < 20; n++) if (store.consume(['k'], policies, 1).allowed) admitted++
      clock.time = start + 60_000
      for (let n = 0; n < 20; n++) store.consume([`other ${swing} ${n}`], policies, 1)
      clock.time = start
    }
    // A burst, and what the one minute that has passed at most gives.
    expect(admitted).toBeLessThanOrEqual(10)
  })

  it('counts windows of a millisecond and of a year', () => {
    const short = bucket({ name: 'p', quota: 2, window: 0.001 })
    expect([short.ask().allowed, short.ask().allowed, short.ask().allowed]).toEqual([true, true, false])
    short.clock.time += 1
    expect([short.ask().allowed, short.ask().allowed, short.ask().allowed]).toEqual([true, true, false])

    const long = bucket({ name: 'p', quota: 1, window: 365 * 86_400 })
    const start = long.clock.time
    expect(long.ask().allowed).toBe(true)
    expect(long.ask()).toMatchObject({ allowed: false, retryAt: start + 365 * 86_400_000 })
  })

  it('counts half a second as half a second (rate-limiter-flexible kept the key for ever)', () => {
    const { clock, ask } = bucket({ name: 'p', quota: 1, window: 0.5 })
    expect(ask().allowed).toBe(true)
    clock.time += 499
    expect(ask().allowed).toBe(false)
    clock.time += 1
    expect(ask().allowed).toBe(true)
  })

  it('holds a window of 30 days without a timer (timers of more than 24.8 days fire at once)', () => {
    const { clock, ask } = bucket({ name: 'p', quota: 10, window: 30 * 86_400 })
    for (let n = 0; n < 10; n++) expect(ask().allowed).toBe(true)
    clock.time += 3 * 86_400_000 - 1
    expect(ask().allowed).toBe(false)
    clock.time += 1
    expect(ask().allowed).toBe(true)
  })
})
