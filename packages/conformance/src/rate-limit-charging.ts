import type { Policy } from '@portcullis/rate-limit'
import { expect } from 'vitest'
import type { RateLimitBehaviour } from './rate-limit-subject.ts'

const minute: Policy = { name: 'minute', quota: 5, window: 60 }
const day: Policy = { name: 'day', quota: 8, window: 86_400 }

/** What a check charges, and what its verdict says. */
export const charging: readonly RateLimitBehaviour[] = [
  {
    title: 'a bucket that is new is full; each charge takes its cost, and the one beyond the burst is refused',
    async check({ consume, limiter, now }) {
      const policies = limiter(minute)
      for (let left = 4; left >= 0; left--) {
        expect(await consume(['k'], policies)).toMatchObject({
          allowed: true,
          at: now(),
          degraded: false,
          results: [{ policy: 'minute', allowed: true, remaining: left }],
        })
      }
      expect(await consume(['k'], policies)).toMatchObject({ allowed: false, results: [{ allowed: false, remaining: 0 }] })
    },
  },
  {
    title: 'a verdict is whole: every field of it as the arithmetic has it',
    async check({ consume, limiter, now }) {
      const policies = limiter(minute, day)
      const at = now()
      expect(await consume(['k', 'k'], policies, 4)).toEqual({
        allowed: true,
        at,
        degraded: false,
        results: [
          { policy: 'minute', allowed: true, remaining: 1, retryAt: at + 36_000, resetAt: at + 48_000 },
          { policy: 'day', allowed: true, remaining: 4, retryAt: at, resetAt: at + 43_200_000 },
        ],
      })
    },
  },
  {
    title: 'what one policy refuses is charged to none (rate-limiter-flexible: a union charges the others)',
    async check({ consume, limiter, remaining }) {
      const policies = limiter(minute, day)
      for (let n = 0; n < 5; n++) expect((await consume(['k', 'k'], policies)).allowed).toBe(true)
      for (let n = 0; n < 20; n++) {
        expect(await consume(['k', 'k'], policies)).toMatchObject({
          allowed: false,
          results: [
            { policy: 'minute', allowed: false, remaining: 0 },
            { policy: 'day', allowed: true, remaining: 3 },
          ],
        })
      }
      expect(await remaining('k', policies)).toBe(0)
    },
  },
  {
    title: 'it is all or nothing whichever of the policies refuses, and each that refuses says so',
    async check({ consume, limiter }) {
      const names = ['a', 'b', 'c']
      for (const tight of names) {
        const policies = limiter(...names.map((name) => ({ name, quota: name === tight ? 2 : 9, window: 60 })))
        for (let n = 0; n < 2; n++) expect((await consume(['k', 'k', 'k'], policies)).allowed).toBe(true)
        const { allowed, results } = await consume(['k', 'k', 'k'], policies)
        expect(allowed).toBe(false)
        expect(results.map((result) => result.allowed)).toEqual(names.map((name) => name !== tight))
        const { results: after } = await consume(['k', 'k', 'k'], policies, 0)
        expect(after.map((result) => result.remaining)).toEqual(names.map((name) => (name === tight ? 0 : 7)))
      }
    },
  },
  {
    title: 'a refusal moves nothing: a client that hammers is let in at the moment it was told',
    async check({ consume, limiter, now, advance }) {
      const policies = limiter(minute)
      const first = await consume(['k'], policies, 5)
      for (let n = 0; n < 11; n++) {
        await advance(1000)
        expect(await consume(['k'], policies)).toMatchObject({
          allowed: false,
          results: [{ retryAt: first.at + 12_000, resetAt: first.at + 60_000 }],
        })
      }
      await advance(1000)
      expect(now()).toBe(first.at + 12_000)
      expect((await consume(['k'], policies)).allowed).toBe(true)
    },
  },
  {
    title: 'a cost of 0 asks, is always allowed, and charges nothing',
    async check({ consume, limiter, now }) {
      const policies = limiter(minute)
      const at = now()
      expect(await consume(['k'], policies, 0)).toMatchObject({
        allowed: true,
        results: [{ remaining: 5, retryAt: at, resetAt: at }],
      })
      await consume(['k'], policies, 3)
      for (let n = 0; n < 10; n++) expect((await consume(['k'], policies, 0)).results).toMatchObject([{ remaining: 2 }])
      await consume(['k'], policies, 2)
      expect(await consume(['k'], policies, 0)).toMatchObject({
        allowed: true,
        results: [{ allowed: true, remaining: 0, retryAt: at, resetAt: at + 60_000 }],
      })
    },
  },
  {
    title: 'a cost is charged whole or not at all',
    async check({ consume, limiter, remaining }) {
      const policies = limiter(minute)
      expect((await consume(['k'], policies, 3)).allowed).toBe(true)
      expect((await consume(['k'], policies, 3)).allowed).toBe(false)
      expect(await remaining('k', policies)).toBe(2)
      expect((await consume(['k'], policies, 2)).allowed).toBe(true)
    },
  },
  {
    title: 'a cost beyond the burst never passes, and its retryAt is Infinity',
    async check({ consume, limiter, remaining, advance }) {
      const policies = limiter({ name: 'smooth', quota: 60, window: 60, burst: 3 })
      for (const wait of [0, 3_600_000]) {
        await advance(wait)
        expect(await consume(['k'], policies, 4)).toMatchObject({
          allowed: false,
          results: [{ allowed: false, remaining: 3, retryAt: Number.POSITIVE_INFINITY }],
        })
      }
      expect(await remaining('k', policies)).toBe(3)
      expect((await consume(['k'], policies, 3)).allowed).toBe(true)
    },
  },
  {
    title: 'retryAt is right to the millisecond: refused one before it, accepted at it',
    async check({ consume, limiter, now, advance }) {
      for (const [quota, window, burst, cost] of [
        [7, 1, 7, 1],
        [7, 1, 7, 3],
        [3, 0.01, 2, 1],
        [1, 60, 4, 2],
        [1000, 1, 10, 10],
        [11, 13, 5, 5],
      ] as const) {
        const policies = limiter({ name: 'p', quota, window, burst })
        for (let used = 0; used + cost <= burst; used += cost) await consume(['k'], policies, cost)
        for (let n = 0; n < 4; n++) {
          const refused = await consume(['k'], policies, cost)
          const retryAt = refused.results[0]?.retryAt ?? 0
          expect(retryAt).toBeGreaterThan(now())
          await advance(retryAt - 1 - now())
          expect(await consume(['k'], policies, cost)).toMatchObject({ allowed: false, results: [{ retryAt }] })
          await advance(1)
          expect((await consume(['k'], policies, cost)).allowed).toBe(true)
        }
      }
    },
  },
  {
    title: 'at resetAt everything has come back, and a millisecond before it has not',
    async check({ consume, limiter, now, advance }) {
      const policies = limiter({ name: 'p', quota: 7, window: 1, burst: 21 })
      await consume(['k'], policies, 20)
      const resetAt = (await consume(['k'], policies)).results[0]?.resetAt ?? 0
      expect(resetAt).toBe(now() + 3000)
      await advance(2999)
      expect(await consume(['k'], policies, 0)).toMatchObject({ results: [{ remaining: 20, resetAt }] })
      expect((await consume(['k'], policies, 21)).allowed).toBe(false)
      await advance(1)
      expect(await consume(['k'], policies, 0)).toMatchObject({ results: [{ remaining: 21, resetAt }] })
      expect((await consume(['k'], policies, 21)).allowed).toBe(true)
    },
  },
  {
    title: 'remaining counts whole units as they come back one by one, and never beyond the burst',
    async check({ remaining, consume, limiter, advance }) {
      const policies = limiter({ name: 'p', quota: 10, window: 1, burst: 4 })
      await consume(['k'], policies, 4)
      const seen: number[] = []
      for (let ms = 0; ms <= 600; ms += 50) {
        seen.push(await remaining('k', policies))
        await advance(50)
      }
      expect(seen).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 4, 4])
    },
  },
  {
    title: 'a client that keeps the pace is never refused, and one that is a millisecond faster is',
    async check({ consume, limiter, advance }) {
      const policies = limiter({ name: 'p', quota: 50, window: 1, burst: 1 })
      for (let n = 0; n < 200; n++) {
        expect((await consume(['k'], policies)).allowed).toBe(true)
        await advance(20)
      }
      expect((await consume(['k'], policies)).allowed).toBe(true)
      await advance(19)
      expect((await consume(['k'], policies)).allowed).toBe(false)
    },
  },
  {
    title: 'at no pace do more pass than the burst and what the time grants',
    async check({ consume, limiter, advance }) {
      const policies = limiter({ name: 'p', quota: 3, window: 1, burst: 5 })
      let passed = 0
      let elapsed = 0
      for (let n = 0; n < 200; n++) {
        if ((await consume(['k'], policies)).allowed) passed += 1
        const step = (n * 37) % 90
        await advance(step)
        elapsed += step
      }
      const granted = 5 + Math.floor((elapsed * 3) / 1000)
      expect(passed).toBeLessThanOrEqual(granted)
      expect(passed).toBeGreaterThanOrEqual(granted - 1)
    },
  },
]
