import { randomBytes } from 'node:crypto'
import type { AcquiredSeat } from '@portcullis/rate-limit'
import { expect } from 'vitest'
import { CALLERS, type ConcurrencyBehaviour, rush, sit, stepping } from './concurrency-subject.ts'

/** How many seats there are, and whose. */
export const seats: readonly ConcurrencyBehaviour[] = [
  {
    title: `of ${CALLERS} that ask at once for one of ten seats, exactly ten get one (ASVS 2.4.1)`,
    async check({ key, startAll }) {
      const limits = startAll(3)
      expect(await rush(limits, CALLERS, key)).toHaveLength(10)
      expect(await rush(limits, CALLERS, key)).toHaveLength(0)
    },
  },
  {
    title: 'of 50 that ask at once for a seat that came back, exactly one gets it',
    async check({ key, startAll }) {
      const limits = startAll(3)
      const [first] = await rush(limits, 20, key)
      await first?.release()
      expect(await rush(limits, 50, key)).toHaveLength(1)
    },
  },
  {
    title: 'every seat of 120 can be taken, by whoever asks alone, and none beyond them',
    async check({ key, startAll }) {
      const limits = startAll(3, { max: 120 })
      for (let n = 0; n < 120; n++) expect(await rush([limits[n % 3] ?? limits[0]], 1, key)).toHaveLength(1)
      expect(await rush(limits, 3, key)).toHaveLength(0)
    },
  },
  {
    title: 'the only free seat of 60 is found, wherever it is',
    async check({ key, startAll }) {
      const [own, other] = startAll(2, { max: 60 })
      const held = await rush([own], 60, key)
      expect(held).toHaveLength(60)
      for (const seat of held.slice(0, 10)) {
        await seat.release()
        expect(await rush([other ?? own], 1, key)).toHaveLength(1)
      }
    },
  },
  {
    title: 'a seat that is given back twice, one after the other or at once, frees one seat',
    async check({ key, startAll }) {
      const limits = startAll(2, { max: 2 })
      const [own] = limits
      const [first, second] = [await sit(own, key), await sit(own, key)]
      await first.release()
      // The seat that came back is somebody else's by now.
      await sit(own, key)
      await first.release()
      expect(await rush(limits, 20, key)).toHaveLength(0)
      await Promise.all([second.release(), second.release(), second.release()])
      expect(await rush(limits, 20, key)).toHaveLength(1)
    },
  },
  {
    title: 'a seat that is given back twice while two wait for it is one’s after the other',
    async check({ key, start }) {
      const limit = start({ max: 1, wait: { queue: 2, timeout: 600 } })
      const first = await sit(limit, key)
      let inside = 0
      const visits = [sit(limit, key), sit(limit, key)].map(async (next) => {
        const seat = await next
        inside += 1
        return seat
      })
      // Both are in the line before anybody goes.
      await rush([start({ max: 1 })], 5, key)
      await Promise.all([first.release(), first.release()])
      const second = await Promise.race(visits)
      await rush([start({ max: 1 })], 5, key)
      expect(inside).toBe(1)
      await second.release()
      for (const seat of await Promise.all(visits)) await seat.release()
      expect(await rush([limit], 1, key)).toHaveLength(1)
    },
  },
  {
    title:
      'of 30 workers that come and go 10 times each, over all processes, never more than 5 are inside, and all seats are free after them',
    async check({ key, startAll }) {
      const limits = startAll(3, { max: 5 })
      let [inside, most, served] = [0, 0, 0]
      const work = async (seat: AcquiredSeat): Promise<void> => {
        inside += 1
        served += 1
        most = Math.max(most, inside)
        await new Promise(setImmediate)
        inside -= 1
        await seat.release()
      }
      const workers = Array.from({ length: 30 }, async (_, n) => {
        for (let round = 0; round < 10; round++) {
          for (const seat of await rush([limits[n % 3] ?? limits[0]], 1, key)) await work(seat)
        }
      })
      await Promise.all(workers)
      expect(most).toBeLessThanOrEqual(5)
      expect(served).toBeGreaterThanOrEqual(5)
      expect(await rush(limits, 20, key)).toHaveLength(5)
    },
  },
  {
    title: 'of 30 that wait in three processes for the only seat each gets it, and one at a time',
    async check({ key, startAll }) {
      const limits = startAll(3, { max: 1, wait: { queue: 30, timeout: 600 } })
      let [inside, most] = [0, 0]
      const visits = Array.from({ length: 30 }, async (_, n) => {
        const seat = await sit(limits[n % 3] ?? limits[0], key)
        inside += 1
        most = Math.max(most, inside)
        await new Promise(setImmediate)
        inside -= 1
        await seat.release()
      })
      await Promise.all(visits)
      expect(most).toBe(1)
    },
  },
  {
    title: 'each key has its seats, and each limit by its name: what is full elsewhere takes nobody a seat',
    async check({ key, name, startAll }) {
      const limits = startAll(3)
      const others = startAll(3, { name: `${name}-other` })
      const full = await Promise.all([rush(limits, 40, key), rush(limits, 40, `${key}x`), rush(others, 40, key)])
      expect(full.map(({ length }) => length)).toEqual([10, 10, 10])
      await Promise.all((full[0] ?? []).map((seat) => seat.release()))
      const after = await Promise.all([rush(limits, 40, `${key}x`), rush(others, 40, key), rush(limits, 40, key)])
      expect(after.map(({ length }) => length)).toEqual([0, 0, 10])
    },
  },
  {
    title: 'keys are data: braces, NUL, wildcards, other letters and very long ones have seats like any other, each its own',
    async check({ key, startAll }) {
      const [limit] = startAll(1, { max: 1 })
      const long = 'x'.repeat(10_000)
      const keys = ['{}', '{a}b', '\0', 'a\0', '*', '%', "'", ':0', '0', '😀', 'é', 'e\u0301', long, `${long}y`]
      for (const each of keys) expect(await rush([limit], 2, key + each), JSON.stringify(each)).toHaveLength(1)
    },
  },
  {
    title: 'keys are not in the store, nor anything that is found out without the secret',
    async check({ advance, key, start }) {
      const written: string[] = []
      const through = stepping((_, asked) => written.push(JSON.stringify(asked)))
      const ids: string[][] = []
      for (const secret of [randomBytes(32), randomBytes(32)]) {
        written.length = 0
        const limit = start({ through, secret, max: 1 })
        const seat = await sit(limit, key)
        await limit.acquire(key)
        await advance(1_800_000)
        await limit.renew()
        await seat.release()
        expect(written.length).toBeGreaterThan(3)
        for (const text of written) expect(text).not.toContain(key)
        ids.push(written.map((text) => String(JSON.parse(text)[0])))
      }
      const [one = [], other = []] = ids
      expect(one.filter((id) => other.includes(id))).toEqual([])
    },
  },
]
