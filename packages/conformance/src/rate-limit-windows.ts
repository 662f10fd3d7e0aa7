import type { Policy, ScopedPolicy } from '@portcullis/rate-limit'
import { expect } from 'vitest'
import { codeOf, type RateLimitBehaviour, type RateLimitContext } from './rate-limit-subject.ts'

const MINUTE = 60_000
const HOUR = 3_600_000
const DAY = 24 * HOUR
const strict: Policy = { name: 'strict', algorithm: 'strict', quota: 4, window: 60 }
const fixed: Policy = { name: 'fixed', algorithm: 'fixed', quota: 4, window: 60 }
const sliding: Policy = { name: 'sliding', algorithm: 'sliding', quota: 4, window: 60 }
const hourly = { name: 'hourly', algorithm: 'calendar', quota: 4, period: 'hour' } as const

/** Limits that are not GCRA. */
export const windows: readonly RateLimitBehaviour[] = [
  {
    title: 'strict: at the edge of a window there is no second quota: each unit is back a window after it was charged',
    async check({ consume, limiter, advance, now }) {
      const policies = limiter(strict)
      await consume(['k'], policies, 1)
      await advance(59_999)
      const first = now() + 1
      expect(await consume(['k'], policies, 3)).toMatchObject({
        allowed: true,
        results: [{ remaining: 0, retryAt: first + 59_999 }],
      })
      expect(await consume(['k'], policies, 1)).toMatchObject({ allowed: false, results: [{ retryAt: first }] })
      await advance(1)
      expect(await consume(['k'], policies, 1)).toMatchObject({ allowed: true, results: [{ remaining: 0 }] })
      expect(await consume(['k'], policies, 1)).toMatchObject({ allowed: false, results: [{ retryAt: first + 59_999 }] })
    },
  },
  {
    title: 'strict: a cost passes when the oldest units that make room for it have gone, and not before',
    async check({ consume, limiter, advance, now }) {
      const policies = limiter(strict)
      const start = now()
      for (let n = 0; n < 4; n++) {
        const { results } = await consume(['k'], policies, 1)
        // With the last the quota is used up: whoever comes next waits for the first.
        expect(results).toMatchObject([{ allowed: true, retryAt: n < 3 ? now() : start + 60_000 }])
        await advance(10_000)
      }
      for (const [cost, retryAt] of [
        [1, 60_000],
        [3, 80_000],
        [4, 90_000],
        [5, Number.POSITIVE_INFINITY],
      ] as const) {
        expect((await consume(['k'], policies, cost)).results).toMatchObject([{ allowed: false, retryAt: start + retryAt }])
      }
    },
  },
  {
    title: 'strict: 1,000 units at 1,000 moments are counted one by one',
    async check({ consume, limiter, advance }) {
      const policies = limiter({ name: 'p', algorithm: 'strict', quota: 1000, window: 3600 })
      for (let n = 0; n < 1000; n++) {
        if (!(await consume(['k'], policies, 1)).allowed) throw new Error(`unit ${n} was refused`)
        await advance(1)
      }
      expect((await consume(['k'], policies, 1)).allowed).toBe(false)
      await advance(3_600_000 - 1000)
      expect((await consume(['k'], policies, 2)).allowed).toBe(false)
      expect((await consume(['k'], policies, 1)).allowed).toBe(true)
    },
  },
  {
    title: 'fixed: a window begins with its first unit, and with its end all are free',
    async check({ consume, limiter, advance, now }) {
      const policies = limiter(fixed)
      await advance(12_345)
      const start = now()
      await consume(['k'], policies, 1)
      await advance(59_999)
      expect(await consume(['k'], policies, 3)).toMatchObject({
        allowed: true,
        results: [{ remaining: 0, resetAt: start + 60_000 }],
      })
      expect(await consume(['k'], policies, 1)).toMatchObject({ allowed: false, results: [{ retryAt: start + 60_000 }] })
      await advance(1)
      expect(await consume(['k'], policies, 4)).toMatchObject({
        allowed: true,
        results: [{ remaining: 0, resetAt: start + 120_000 }],
      })
    },
  },
  {
    title: 'sliding: of the window before, the part counts that still overlaps',
    async check(context) {
      const { consume, limiter, advance } = context
      const policies = limiter(sliding)
      await toStartOf(context, MINUTE)
      await consume(['k'], policies, 4)
      await advance(60_000)
      expect((await consume(['k'], policies, 1)).allowed).toBe(false)
      await advance(14_999)
      expect((await consume(['k'], policies, 1)).allowed).toBe(false)
      await advance(1)
      expect((await consume(['k'], policies, 1)).allowed).toBe(true)
      await advance(15_000)
      // Two of four are left, and one of this window.
      expect((await consume(['k'], policies, 0)).results).toMatchObject([{ remaining: 1 }])
    },
  },
  {
    title: 'sliding: a window begins with a minute of the clock, whenever its first unit was charged',
    async check(context) {
      const { consume, limiter, advance, now } = context
      const policies = limiter(sliding)
      await toStartOf(context, MINUTE)
      const start = now()
      await advance(45_000)
      expect(await consume(['k'], policies, 4)).toMatchObject({ allowed: true, results: [{ resetAt: start + 2 * MINUTE }] })
      await advance(30_000)
      // A quarter of this window has passed, so a quarter of what the one before held.
      expect((await consume(['k'], policies, 0)).results).toMatchObject([{ remaining: 1, resetAt: start + 2 * MINUTE }])
      await advance(45_000)
      expect((await consume(['k'], policies, 0)).results).toMatchObject([{ remaining: 4 }])
    },
  },
  {
    title: 'calendar: a quota is of its period, and of the next one all is free',
    async check(context) {
      const { consume, limiter, advance, now } = context
      const policies = limiter(hourly)
      await toStartOf(context, HOUR)
      const start = now()
      await advance(HOUR - 1)
      expect((await consume(['k'], policies, 4)).allowed).toBe(true)
      expect(await consume(['k'], policies, 1)).toMatchObject({
        allowed: false,
        results: [{ retryAt: start + HOUR, resetAt: start + HOUR }],
      })
      await advance(1)
      expect(await consume(['k'], policies, 4)).toMatchObject({ allowed: true, results: [{ resetAt: start + 2 * HOUR }] })
    },
  },
  {
    title: 'calendar: a day is one of its time zone, and begins with its midnight, not with that of UTC',
    async check(context) {
      const { consume, limiter, advance, now } = context
      // 5:45 before UTC, all the year.
      const policies = limiter({ name: 'daily', algorithm: 'calendar', quota: 4, period: 'day', timeZone: 'Asia/Kathmandu' })
      await toStartOf(context, DAY)
      const midnight = now() + 18.25 * HOUR
      await advance(18.25 * HOUR - 1)
      expect((await consume(['k'], policies, 4)).allowed).toBe(true)
      expect(await consume(['k'], policies, 1)).toMatchObject({ allowed: false, results: [{ retryAt: midnight }] })
      await advance(1)
      expect(await consume(['k'], policies, 4)).toMatchObject({ allowed: true, results: [{ resetAt: midnight + DAY }] })
      await advance(5.75 * HOUR)
      expect((await consume(['k'], policies, 1)).allowed).toBe(false)
      await advance(18.25 * HOUR - 1)
      expect((await consume(['k'], policies, 1)).allowed).toBe(false)
      await advance(1)
      expect((await consume(['k'], policies, 4)).allowed).toBe(true)
    },
  },
  {
    title: 'policies by several algorithms in one check are charged together or not at all',
    async check({ consume, limiter }) {
      const policies = limiter(
        { name: 'p', quota: 5, window: 60 },
        { ...strict, quota: 2 },
        { ...fixed, quota: 9 },
        sliding,
        hourly,
      )
      const keys = policies.map(() => 'k')
      for (const allowed of [true, true, false, false]) expect((await consume(keys, policies, 1)).allowed).toBe(allowed)
      expect((await consume(keys, policies, 0)).results.map(({ remaining }) => remaining)).toEqual([3, 0, 7, 2, 2])
    },
  },
  {
    title: 'what was reserved comes back to the moment, the window or the period that it was charged to',
    async check({ store, consume, limiter, advance }) {
      const policies = limiter(strict, fixed)
      const keys = ['k', 'k']
      const first = await consume(keys, policies, 2)
      await advance(30_000)
      await consume(keys, policies, 2)
      await store.adjust(keys, policies, -1, first)
      expect((await consume(keys, policies, 0)).results).toMatchObject([{ remaining: 1 }, { remaining: 1 }])
      await advance(30_000)
      // Of the first two of the strict limit one came back by hand, one by time; of the fixed one, the window has ended.
      expect((await consume(keys, policies, 0)).results).toMatchObject([{ remaining: 2 }, { remaining: 4 }])
      await store.adjust(keys, policies, -1, first)
      expect((await consume(keys, policies, 0)).results).toMatchObject([{ remaining: 2 }, { remaining: 4 }])
    },
  },
  {
    title: 'what is given back a second time is not taken from other units',
    async check({ store, consume, limiter, advance }) {
      const policies = limiter(strict)
      const first = await consume(['k'], policies, 2)
      await advance(30_000)
      await consume(['k'], policies, 2)
      for (let n = 0; n < 2; n++) await store.adjust(['k'], policies, -2, first)
      expect((await consume(['k'], policies, 0)).results).toMatchObject([{ remaining: 2 }])
    },
  },
  {
    title: 'what is given back without a reservation is taken from the newest units, and never more than there are',
    async check({ store, consume, limiter, advance, remaining }) {
      const policies = limiter(strict)
      await consume(['k'], policies, 1)
      await advance(30_000)
      await consume(['k'], policies, 2)
      await store.adjust(['k'], policies, -2)
      await advance(29_999)
      expect(await remaining('k', policies)).toBe(3)
      await advance(1)
      expect(await remaining('k', policies)).toBe(4)
      await consume(['k'], policies, 3)
      await store.adjust(['k'], policies, -1_000_000_000)
      expect(await remaining('k', policies)).toBe(4)
      await store.adjust(['k'], policies, -1)
      expect(await remaining('k', policies)).toBe(4)
    },
  },
  {
    title: 'what is charged beyond a quota is waited for',
    async check({ store, consume, limiter, advance }) {
      const policies = limiter(strict, fixed)
      await store.adjust(['k', 'k'], policies, 9)
      expect((await consume(['k', 'k'], policies, 0)).results).toMatchObject([
        { allowed: false, remaining: 0 },
        { allowed: false, remaining: 0 },
      ])
      await advance(60_000)
      expect((await consume(['k', 'k'], policies, 4)).allowed).toBe(true)
    },
  },
  {
    title:
      'a scope that is declared by another algorithm, of another period or in another time zone is rate_limit.policy_conflict',
    async check({ consume, limiter, name }) {
      const daily = { ...hourly, period: 'day' } as const
      const elsewhere = { ...hourly, timeZone: 'Asia/Kathmandu' }
      const others: readonly (readonly [Policy, Policy])[] = [
        [strict, { ...strict, algorithm: 'fixed' }],
        [hourly, daily],
        [hourly, elsewhere],
      ]
      for (const [policy, other] of others) {
        const policies = limiter(policy)
        await consume(['k'], policies, 1)
        const [scoped] = limiter(other)
        const conflict = [{ ...scoped, scope: policies[0]?.scope ?? name }] as ScopedPolicy[]
        expect(await codeOf(() => consume(['k'], conflict, 1))).toBe('rate_limit.policy_conflict')
      }
    },
  },
]

/** The same on a clock that is set back. */
export const windowsSetBack: readonly RateLimitBehaviour[] = [
  {
    title: 'of no algorithm does a clock that goes back, over the edge of a window or a period, grant a quota a second time',
    async check(context) {
      const { consume, limiter, advance, now } = context
      const all = [strict, fixed, sliding, hourly].map((policy) => limiter(policy))
      await toStartOf(context, HOUR)
      const start = now()
      for (const policies of all) expect((await consume(['k'], policies, 4)).allowed).toBe(true)
      await advance(-1)
      const refused = await Promise.all(all.map((policies) => consume(['k'], policies, 1)))
      expect(refused.map(({ allowed }) => allowed)).toEqual([false, false, false, false])
      // Of the sliding window, a quarter of the next one has to pass.
      expect(refused.map(({ results }) => results[0]?.retryAt)).toEqual(
        [MINUTE, MINUTE, 1.25 * MINUTE, HOUR].map((ms) => start + ms),
      )
    },
  },
  {
    title: 'a clock that goes back stands still for a log: what is charged meanwhile goes to the newest moment that it has seen',
    async check({ consume, limiter, advance, now }) {
      const policies = limiter(strict)
      await consume(['k'], policies, 1)
      const end = now() + MINUTE
      await advance(-30_000)
      expect(await consume(['k'], policies, 1)).toMatchObject({ allowed: true, results: [{ remaining: 2, resetAt: end }] })
      await advance(MINUTE)
      expect((await consume(['k'], policies, 0)).results).toMatchObject([{ remaining: 2, resetAt: end }])
      await advance(30_000)
      expect((await consume(['k'], policies, 0)).results).toMatchObject([{ remaining: 4 }])
    },
  },
]

/** Moves the time to the beginning of such a stretch since the epoch. */
async function toStartOf({ now, advance }: RateLimitContext, ms: number): Promise<void> {
  await advance(ms - (now() % ms))
}
