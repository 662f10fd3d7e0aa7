import { leaseLost } from '@portcullis/rate-limit'
import { expect } from 'vitest'
import { type ConcurrencyBehaviour, type ConcurrencyContext, LEASE, rush, sit, stepping } from './concurrency-subject.ts'

/** Milliseconds. */
const lease = LEASE * 1000
const third = lease / 3

/** Seats of processes that die, sleep, and go on. */
export const leases: readonly ConcurrencyBehaviour[] = [
  {
    title:
      'the seats of a process that died are free when their lease has passed, each to one of 200, and not a millisecond before',
    async check({ advance, key, start, startAll }) {
      expect(await rush([start()], 10, key)).toHaveLength(10)
      const living = startAll(3)
      await advance(lease - 1)
      expect(await rush(living, 20, key)).toHaveLength(0)
      await advance(1)
      expect(await rush(living, 200, key)).toHaveLength(10)
    },
  },
  {
    title: 'of a process that died while others work on, its own seats are free, and no others',
    async check({ advance, key, start }) {
      const [dies, works, comes] = [start(), start(), start()]
      expect(await rush([dies], 4, key)).toHaveLength(4)
      const working = await rush([works], 6, key)
      expect(working).toHaveLength(6)
      for (let n = 0; n < 2; n++) {
        await advance(third)
        await works.renew()
      }
      await advance(third)
      expect(await rush([comes], 50, key)).toHaveLength(4)
      await works.renew()
      expect(working.every(({ signal }) => !signal.aborted)).toBe(true)
    },
  },
  {
    title: 'work that goes on for ten leases keeps its seats, renewed each third of one, and gives them back',
    async check({ advance, key, start }) {
      const [works, comes] = [start(), start()]
      const working = await rush([works], 10, key)
      for (let n = 0; n < 30; n++) {
        await advance(third)
        await works.renew()
        expect(await rush([comes], 1, key)).toHaveLength(0)
      }
      expect(working.every(({ signal }) => !signal.aborted)).toBe(true)
      await Promise.all(working.map((seat) => seat.release()))
      expect(await rush([comes], 20, key)).toHaveLength(10)
    },
  },
  {
    title: 'a seat that is another process’s by now is neither renewed nor given back by who had it, and he is told once',
    async check({ advance, key, name, startAll }) {
      const [sleeps, owns, comes] = startAll(3, { max: 1 })
      let told = 0
      const stop = leaseLost.subscribe(({ data }) => {
        if (data.limiter === name) told += 1
      })
      const slept = await sit(sleeps, key)
      await advance(lease)
      const owned = await sit(owns ?? sleeps, key)
      await sleeps.renew()
      await sleeps.renew()
      stop()
      expect([slept.signal.aborted, owned.signal.aborted, told]).toEqual([true, false, 1])
      await slept.release()
      expect(await rush([comes ?? sleeps], 5, key)).toHaveLength(0)
      await owned.release()
      expect(await rush([comes ?? sleeps], 5, key)).toHaveLength(1)
    },
  },
  {
    title: 'nor is it by one who was never told that he lost it',
    async check({ advance, key, startAll }) {
      const [sleeps, owns, comes] = startAll(3, { max: 1 })
      const slept = await sit(sleeps, key)
      await advance(lease)
      await sit(owns ?? sleeps, key)
      await slept.release()
      expect(await rush([comes ?? sleeps], 5, key)).toHaveLength(0)
    },
  },
  {
    title: 'a seat that becomes another process’s while it is being given back stays his',
    check: (context) => losesWhileWriting(context, 'release'),
  },
  {
    title: 'a seat that becomes another process’s while it is being renewed stays his, and is lost to who had it',
    check: (context) => losesWhileWriting(context, 'renew'),
  },
  {
    title: 'a process that slept goes on in its seats where nobody sat down meanwhile',
    async check({ advance, key, startAll }) {
      const [sleeps, comes] = startAll(2)
      const slept = await rush([sleeps], 10, key)
      await advance(2 * lease)
      await sleeps.renew()
      expect(slept.filter(({ signal }) => signal.aborted)).toEqual([])
      expect(await rush([comes ?? sleeps], 20, key)).toHaveLength(0)
    },
  },
  {
    title: 'a seat that lapsed has one holder, also when it is renewed while 50 ask for it',
    async check({ advance, key, start, startAll }) {
      const others = startAll(3, { max: 1 })
      for (let round = 0; round < 10; round++) {
        const sleeps = start({ max: 1 })
        const slept = await sit(sleeps, `${key}${round}`)
        await advance(lease)
        const [got] = await Promise.all([rush(others, 50, `${key}${round}`), sleeps.renew()])
        expect(got.length + (slept.signal.aborted ? 0 : 1)).toBe(1)
      }
    },
  },
  {
    title: 'renewals that cross the end of the work leave no seat behind',
    async check({ advance, key, startAll }) {
      const [works, comes] = startAll(2)
      for (let round = 0; round < 10; round++) {
        const working = await rush([works], 10, key)
        expect(working).toHaveLength(10)
        await advance(lease / 2)
        await Promise.all([works.renew(), ...working.map((seat) => seat.release())])
        const after = await rush([comes ?? works], 20, key)
        expect(after).toHaveLength(10)
        await Promise.all(after.map((seat) => seat.release()))
      }
    },
  },
]

/** Of each process, by how much its clock is ahead of the store's: as much as they may disagree. */
const AHEAD = [-third, 0, third]

/** Clocks that disagree. */
export const clocks: readonly ConcurrencyBehaviour[] = [
  {
    title: 'of 200 that ask at once in processes whose clocks disagree by a third of a lease, exactly ten get a seat',
    async check({ key, start }) {
      const limits = AHEAD.map((ahead) => start({ ahead }))
      expect(await rush(limits, 200, key)).toHaveLength(10)
    },
  },
  {
    title: 'work that is renewed each third of a lease keeps its seat, whoever asks, whatever clock either goes by',
    async check({ advance, key, start }) {
      for (const ahead of AHEAD) {
        const [works, ...others] = [start({ ahead, max: 1 }), ...AHEAD.map((theirs) => start({ ahead: theirs, max: 1 }))]
        const own = `${key}${ahead}`
        const seat = await sit(works, own)
        for (let n = 0; n < 10; n++) {
          // The timer of a busy process is late, at times.
          await advance(third + third / 2)
          expect(await rush(others, 3, own)).toHaveLength(0)
          await works.renew()
        }
        expect(seat.signal.aborted).toBe(false)
      }
    },
  },
  {
    title:
      'the seat of a process that died comes back as much earlier or later as its own clock was wrong, whatever clocks the others have',
    async check({ advance, key, start }) {
      for (const ahead of AHEAD) {
        const own = `${key}${ahead}`
        await sit(start({ ahead, max: 1 }), own)
        const others = AHEAD.map((theirs) => start({ ahead: theirs, max: 1 }))
        await advance(lease + ahead - 1)
        expect(await rush(others, 3, own)).toHaveLength(0)
        await advance(1)
        expect(await rush(others, 3, own)).toHaveLength(1)
      }
    },
  },
]

/** One who slept writes to a seat that he has just read as his; before the write arrives, the seat lapses and another has it. */
async function losesWhileWriting({ advance, key, start }: ConcurrencyContext, how: 'release' | 'renew'): Promise<void> {
  const [owns, comes] = [start({ max: 1 }), start({ max: 1 })]
  let owned: Awaited<ReturnType<typeof sit>> | undefined
  const through = stepping(async (verb) => {
    if (verb !== 'replace' || owned !== undefined) return
    await advance(lease / 2)
    owned = await sit(owns, key)
  })
  const sleeps = start({ max: 1, through })
  const slept = await sit(sleeps, key)
  await advance(lease / 2)
  await (how === 'release' ? slept.release() : sleeps.renew())
  expect(slept.signal.aborted).toBe(how === 'renew')
  await slept.release()
  expect(await rush([comes], 5, key)).toHaveLength(0)
  await owned?.release()
  expect(await rush([comes], 5, key)).toHaveLength(1)
}
