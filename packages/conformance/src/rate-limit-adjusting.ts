import type { Policy } from '@portcullis/rate-limit'
import { expect } from 'vitest'
import type { RateLimitBehaviour } from './rate-limit-subject.ts'

const minute: Policy = { name: 'minute', quota: 5, window: 60 }
const day: Policy = { name: 'day', quota: 8, window: 86_400 }

/** Settling what was reserved. */
export const adjusting: readonly RateLimitBehaviour[] = [
  {
    title: 'what was reserved and not used is given back, to all policies',
    async check({ store, consume, limiter }) {
      const policies = limiter(minute, day)
      const reserved = await consume(['k', 'k'], policies, 4)
      await store.adjust(['k', 'k'], policies, -3, reserved)
      expect((await consume(['k', 'k'], policies, 0)).results).toMatchObject([{ remaining: 4 }, { remaining: 7 }])
    },
  },
  {
    title: 'what was used beyond the reservation is charged, past the limit too, and the next check waits for it',
    async check({ store, consume, limiter, now, advance }) {
      const policies = limiter(minute)
      const reserved = await consume(['k'], policies, 1)
      await store.adjust(['k'], policies, 9, reserved)
      const at = now()
      // Ten used of five: six units of 12 s must come back before one is free.
      expect((await consume(['k'], policies)).results).toEqual([
        { policy: 'minute', allowed: false, remaining: 0, retryAt: at + 72_000, resetAt: at + 120_000 },
      ])
      await advance(71_999)
      expect((await consume(['k'], policies)).allowed).toBe(false)
      await advance(1)
      expect((await consume(['k'], policies)).allowed).toBe(true)
    },
  },
  {
    title: 'units are charged to a key that nobody has checked yet',
    async check({ store, limiter, remaining }) {
      const policies = limiter(minute)
      await store.adjust(['k'], policies, 2)
      expect(await remaining('k', policies)).toBe(3)
    },
  },
  {
    title: 'what time has given back is not given back a second time',
    async check({ store, consume, limiter, advance, remaining }) {
      const policies = limiter(minute)
      const reserved = await consume(['k'], policies, 5)
      await advance(60_000)
      await consume(['k'], policies, 5)
      await store.adjust(['k'], policies, -5, reserved)
      expect(await remaining('k', policies)).toBe(0)
      expect((await consume(['k'], policies)).allowed).toBe(false)
    },
  },
  {
    title: 'of what a millisecond is missing still, giving back is in time',
    async check({ store, consume, limiter, advance, remaining }) {
      const policies = limiter(minute)
      const reserved = await consume(['k'], policies, 5)
      await advance(59_999)
      await consume(['k'], policies, 4)
      await store.adjust(['k'], policies, -5, reserved)
      expect(await remaining('k', policies)).toBe(5)
    },
  },
  {
    title: 'of several policies each is asked by itself whether time was faster',
    async check({ store, consume, limiter, advance }) {
      const policies = limiter(minute, day)
      const reserved = await consume(['k', 'k'], policies, 5)
      await advance(60_000)
      await consume(['k', 'k'], policies, 3)
      await store.adjust(['k', 'k'], policies, -5, reserved)
      expect((await consume(['k', 'k'], policies, 0)).results).toMatchObject([{ remaining: 2 }, { remaining: 5 }])
    },
  },
  {
    title: 'a bucket never holds more than its burst, however much is given back and however often',
    async check({ store, consume, limiter, remaining }) {
      const policies = limiter(minute)
      const reserved = await consume(['k'], policies, 1)
      for (let n = 0; n < 3; n++) await store.adjust(['k'], policies, -1000, reserved)
      expect(await remaining('k', policies)).toBe(5)
      expect((await consume(['k'], policies, 5)).allowed).toBe(true)
      expect((await consume(['k'], policies, 1)).allowed).toBe(false)
    },
  },
  {
    title: 'giving back to a key that nothing was taken from gives nothing',
    async check({ store, consume, limiter }) {
      const policies = limiter(minute)
      await store.adjust(['k'], policies, -5)
      expect((await consume(['k'], policies, 5)).allowed).toBe(true)
      expect((await consume(['k'], policies, 1)).allowed).toBe(false)
    },
  },
  {
    title: 'what is given back to one key stays there',
    async check({ store, consume, limiter, remaining }) {
      const policies = limiter(minute)
      const reserved = await consume(['a'], policies, 4)
      await consume(['b'], policies, 4)
      await store.adjust(['a'], policies, -4, reserved)
      expect([await remaining('a', policies), await remaining('b', policies)]).toEqual([5, 1])
    },
  },
  {
    title: 'adjusting by 0 changes nothing',
    async check({ store, consume, limiter, now }) {
      const policies = limiter(minute)
      await consume(['k'], policies, 2)
      await store.adjust(['k'], policies, 0)
      await store.adjust(['other'], policies, 0)
      expect(await consume(['k'], policies, 0)).toMatchObject({ results: [{ remaining: 3, resetAt: now() + 24_000 }] })
      expect(await consume(['other'], policies, 0)).toMatchObject({ results: [{ remaining: 5, resetAt: now() }] })
    },
  },
]
