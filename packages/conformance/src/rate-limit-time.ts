import { expect } from 'vitest'
import type { RateLimitBehaviour } from './rate-limit-subject.ts'

const YEAR = 366 * 86_400

/** Long and short windows, and fractions of a millisecond. */
export const time: readonly RateLimitBehaviour[] = [
  {
    title: 'seven a second, paced: over a thousand charges no fraction is lost and none is won',
    async check({ consume, limiter, now, advance }) {
      // One ahead: of whoever comes after his time, the clock rounds the fraction away.
      const policies = limiter({ name: 'p', quota: 7, window: 1, burst: 2 })
      const start = now()
      for (let n = 0; n < 1000; n++) {
        const { allowed, results } = await consume(['k'], policies)
        const expected = start + Math.ceil((n * 1000) / 7)
        expect([allowed, results[0]?.retryAt]).toEqual([true, expected])
        await advance(expected - now())
      }
    },
  },
  {
    title: 'seven a second: 10,000 charges at one moment come back after 10,000 sevenths of a second, to the millisecond',
    async check({ consume, limiter, now }) {
      const policies = limiter({ name: 'p', quota: 7, window: 1, burst: 10_000 })
      const seen: (number | undefined)[] = []
      for (let batch = 0; batch < 100; batch++) {
        const verdicts = await Promise.all(Array.from({ length: 100 }, () => consume(['k'], policies)))
        seen.push(...verdicts.map(({ results }) => results[0]?.resetAt))
      }
      const expected = Array.from({ length: 10_000 }, (_, n) => now() + Math.ceil(((n + 1) * 1000) / 7))
      expect(seen.sort((a, b) => Number(a) - Number(b))).toEqual(expected)
      expect((await consume(['k'], policies)).allowed).toBe(false)
    },
  },
  {
    title: 'windows of 1 ms and of 366 days, quotas of 1 and of 1,000,000,000: a burst passes, no more, and comes back',
    async check({ consume, limiter, advance }) {
      for (const window of [0.001, YEAR]) {
        for (const quota of [1, 1_000_000_000]) {
          const policies = limiter({ name: 'p', quota, window })
          const described = `${quota} in ${window} s`
          for (let time = 0; time < 2; time++) {
            const halves = quota === 1 ? [1] : [quota / 2, quota / 2]
            for (const half of halves) expect((await consume(['k'], policies, half)).allowed, described).toBe(true)
            expect((await consume(['k'], policies, 1)).allowed, described).toBe(false)
            expect((await consume(['k'], policies, quota)).allowed, described).toBe(false)
            await advance(Math.round(window * 1000) - 1)
            if (window !== 0.001) expect((await consume(['k'], policies, quota)).allowed, described).toBe(false)
            await advance(1)
          }
        }
      }
    },
  },
  {
    title: 'one in 366 days: refused until the very millisecond',
    async check({ consume, limiter, now, advance }) {
      const policies = limiter({ name: 'p', quota: 1, window: YEAR })
      const at = now()
      expect(await consume(['k'], policies)).toMatchObject({ allowed: true, results: [{ retryAt: at + YEAR * 1000 }] })
      await advance(YEAR * 1000 - 1)
      expect(await consume(['k'], policies)).toMatchObject({ allowed: false, results: [{ retryAt: at + YEAR * 1000 }] })
      await advance(1)
      expect((await consume(['k'], policies)).allowed).toBe(true)
    },
  },
  {
    title: 'a burst of many windows comes back only with all of them',
    async check({ consume, limiter, advance, remaining }) {
      const policies = limiter({ name: 'p', quota: 1, window: 86_400, burst: 1000 })
      await consume(['k'], policies, 1000)
      await advance(86_400_000 * 999)
      expect(await remaining('k', policies)).toBe(999)
      await advance(86_400_000)
      expect(await remaining('k', policies)).toBe(1000)
    },
  },
  {
    title: 'a bucket that has come back entirely is as good as new, however long ago it was used',
    async check({ consume, limiter, advance }) {
      const policies = limiter({ name: 'p', quota: 7, window: 1, burst: 3 })
      await consume(['k'], policies, 3)
      await advance(2 * YEAR * 1000)
      expect((await consume(['k'], policies, 3)).allowed).toBe(true)
      expect((await consume(['k'], policies, 1)).allowed).toBe(false)
    },
  },
]

/** A clock that is set back. */
export const backwards: readonly RateLimitBehaviour[] = [
  {
    title: 'time that goes backwards, once or again and again, adds nothing',
    async check({ consume, limiter, advance }) {
      const policies = limiter({ name: 'p', quota: 5, window: 60 })
      expect((await consume(['k'], policies, 5)).allowed).toBe(true)
      for (let n = 0; n < 10; n++) {
        await advance(-30_000)
        expect((await consume(['k'], policies)).allowed).toBe(false)
        await advance(30_000)
        expect((await consume(['k'], policies)).allowed).toBe(false)
      }
      // Twelve seconds after the charge one unit has come back, and it came back once.
      await advance(12_000)
      expect((await consume(['k'], policies)).allowed).toBe(true)
      await advance(-12_000)
      expect((await consume(['k'], policies)).allowed).toBe(false)
      await advance(12_000)
      expect((await consume(['k'], policies)).allowed).toBe(false)
    },
  },
  {
    title: 'a clock that is set back makes nobody wait for longer than before it was',
    async check({ consume, limiter, now, advance }) {
      const policies = limiter({ name: 'p', quota: 5, window: 60 })
      await consume(['k'], policies, 5)
      const before = now()
      await advance(-3_600_000)
      expect((await consume(['k'], policies)).allowed).toBe(false)
      await advance(3_600_000 + 60_000)
      expect(now()).toBe(before + 60_000)
      expect((await consume(['k'], policies, 5)).allowed).toBe(true)
    },
  },
]
