import { type AllowedAttempt, createBruteForceGuard, type Policy, type RateLimitStore } from '@portcullis/rate-limit'
import { expect } from 'vitest'
import type { RateLimitBehaviour, RateLimitContext } from './rate-limit-subject.ts'

/** Of every algorithm but GCRA. */
const LOGS_OF_TEN: readonly Policy[] = [
  { name: 'p', algorithm: 'strict', quota: 10, window: 3600 },
  { name: 'p', algorithm: 'fixed', quota: 10, window: 3600 },
  { name: 'p', algorithm: 'sliding', quota: 10, window: 3600 },
  { name: 'p', algorithm: 'calendar', quota: 10, period: 'year' },
]

/** Many at once, spread over every connection that the backend gives. */
export const races: readonly RateLimitBehaviour[] = [
  {
    title: 'of 1,000 checks at once against a limit of 10, exactly 10 pass',
    check: (context) => tenPass(context, { name: 'p', quota: 10, window: 3600 }),
  },
  ...LOGS_OF_TEN.map((policy) => ({
    title: `of 1,000 checks at once against a limit of 10 that is ${policy.algorithm}, exactly 10 pass`,
    check: (context: RateLimitContext) => tenPass(context, policy),
  })),
  {
    title: 'of 1,000 checks at once of two policies, no more pass than the tighter one says, and the other is charged no more',
    async check(context) {
      const policies = context.limiter({ name: 'p', quota: 25, window: 3600 }, { name: 'q', quota: 10, window: 60 })
      const verdicts = await atOnce(context, 1000, (store) => store.consume(['k', 'k'], policies, 1))
      expect(verdicts.filter(({ allowed }) => allowed)).toHaveLength(10)
      const { results } = await context.consume(['k', 'k'], policies, 0)
      expect(results.map(({ remaining }) => remaining)).toEqual([15, 0])
    },
  },
  {
    title: 'of 1,000 checks at once of two policies, one of them strict, no more pass than the tighter one says, whichever it is',
    async check(context) {
      for (const [strict, other] of [
        [10, 25],
        [25, 10],
      ] as const) {
        const policies = context.limiter(
          { name: 'p', algorithm: 'strict', quota: strict, window: 3600 },
          { name: 'q', quota: other, window: 3600 },
        )
        const verdicts = await atOnce(context, 1000, (store) => store.consume(['k', 'k'], policies, 1))
        expect(verdicts.filter(({ allowed }) => allowed)).toHaveLength(10)
        const { results } = await context.consume(['k', 'k'], policies, 0)
        expect(results.map(({ remaining }) => remaining)).toEqual([strict - 10, other - 10])
      }
    },
  },
  {
    title: 'a first charge is a race like any other: 200 new keys, five checks of each at once, and of each two pass',
    async check(context) {
      const policies = context.limiter({ name: 'p', quota: 2, window: 3600 })
      const verdicts = await atOnce(context, 1000, (store, n) => store.consume([`k${n % 200}`], policies, 1))
      const passed = range(200).map((key) => verdicts.filter(({ allowed }, n) => allowed && n % 200 === key).length)
      expect(passed).toEqual(passed.map(() => 2))
    },
  },
  {
    title: 'checks of the same buckets in opposite orders do not wait for each other for ever, and none is counted wrong',
    async check(context) {
      const policies = context.limiter(...['p', 'q', 'r'].map((name) => ({ name, quota: 150, window: 3600 })))
      const reversed = policies.toReversed()
      const verdicts = await atOnce(context, 400, (store, n) =>
        store.consume(['k', 'k', 'k'], n % 2 === 0 ? policies : reversed, 1),
      )
      expect(verdicts.filter(({ allowed }) => allowed)).toHaveLength(150)
      const { results } = await context.consume(['k', 'k', 'k'], policies, 0)
      expect(results.map(({ remaining }) => remaining)).toEqual([0, 0, 0])
    },
  },
  {
    title: 'keys that cross over, with adjusts among the checks, do not wait for each other for ever, and add up',
    async check(context) {
      const policies = context.limiter({ name: 'p', quota: 1000, window: 3600 }, { name: 'q', quota: 1000, window: 3600 })
      const crossed = [
        ['a', 'b'],
        ['b', 'a'],
      ] as const
      await atOnce(context, 400, async (store, n) => {
        const keys = crossed[n % 2] ?? crossed[0]
        if (n % 4 < 2) await store.consume(keys, policies, 2)
        else await store.adjust(keys, policies, n % 8 < 4 ? 3 : -1)
      })
      // On each of the four buckets: 100 checks of 2, and of 100 adjusts half charge 3 and half give back 1. What is given back before
      // anything was taken is lost, so the sum has a bound only.
      for (const keys of crossed) {
        for (const { remaining } of (await context.consume(keys, policies, 0)).results) {
          expect(remaining).toBeGreaterThanOrEqual(1000 - 350)
          expect(remaining).toBeLessThanOrEqual(1000 - 300)
        }
      }
    },
  },
  {
    title: 'a refund and a first charge of the same key at once: the refund takes no more than its own units away',
    async check(context) {
      await firstChargesAndRefunds(context, { name: 'p', quota: 1000, window: 3600 })
      await firstChargesAndRefunds(context, { name: 'p', algorithm: 'strict', quota: 1000, window: 3600 })
    },
  },
  {
    title: 'of 200 refunds at once each counts once',
    async check(context) {
      const policies = context.limiter({ name: 'p', quota: 500, window: 3600 })
      const reserved = await context.consume(['k'], policies, 300)
      await atOnce(context, 200, (store) => store.adjust(['k'], policies, -1, reserved))
      expect(await context.remaining('k', policies)).toBe(400)
    },
  },
  {
    title:
      'of 200 guesses at one account at once, no more reach the secret than the limit of the pair, whatever connection they take',
    async check(context) {
      expect((await guesses(context)).length).toBe(10)
      expect((await guesses(context)).length).toBe(0)
    },
  },
  {
    title: 'guesses that were right give back what they took, once each, and 200 at once get no more than that',
    async check(context) {
      const attempts = await guesses(context)
      expect(attempts).toHaveLength(10)
      await Promise.all(attempts.map((attempt, n) => attempt.settle(n < 4 ? 'success' : 'failure')))
      // Once more, and otherwise: the first word counts.
      await Promise.all(attempts.map((attempt) => attempt.settle('success')))
      expect(await guesses(context)).toHaveLength(4)
    },
  },
]

async function tenPass(context: RateLimitContext, policy: Policy): Promise<void> {
  const policies = context.limiter(policy)
  const verdicts = await atOnce(context, 1000, (store) => store.consume(['k'], policies, 1))
  const passed = verdicts.filter(({ allowed }) => allowed)
  expect(passed).toHaveLength(10)
  // Each saw its own state: no two took the same unit.
  expect(passed.map(({ results }) => results[0]?.remaining).sort((a, b) => Number(a) - Number(b))).toEqual(range(10))
}

/** On each of 300 keys that are new, a charge of 5 and a refund of 1 at once, over different connections: 4 at least are counted. */
async function firstChargesAndRefunds(context: RateLimitContext, policy: Policy): Promise<void> {
  const policies = context.limiter(policy)
  await atOnce(context, 600, async (store, n) => {
    const key = [`k${n >> 1}`]
    if (n % 2 === 0) await store.consume(key, policies, 5)
    else await store.adjust(key, policies, -1)
  })
  const left = await atOnce(context, 300, (store, n) => store.consume([`k${n}`], policies, 0))
  // What is given back before anything was taken is lost.
  expect(left.filter(({ results }) => ![995, 996].includes(results[0]?.remaining ?? 0))).toEqual([])
}

/** 200 attempts at once, by a guard for each connection. @returns those that were let through */
async function guesses(context: RateLimitContext): Promise<AllowedAttempt[]> {
  const guards = context.connections.map((store) => createBruteForceGuard({ name: context.name, store }))
  const identity = { account: 'ann@example.org', address: '203.0.113.7' }
  const attempts = await Promise.all(range(200).map((n) => guards[n % guards.length]?.attempt(identity)))
  return attempts.filter((attempt): attempt is AllowedAttempt => attempt?.allowed === true)
}

function atOnce<T>(
  { connections, store }: RateLimitContext,
  callers: number,
  use: (store: RateLimitStore, n: number) => T | Promise<T>,
): Promise<T[]> {
  return Promise.all(range(callers).map(async (n) => use(connections[n % connections.length] ?? store, n)))
}

function range(length: number): number[] {
  return Array.from({ length }, (_, n) => n)
}
