import { createRevocations, revocationFeedLostEvent, revocationFeedRestoredEvent } from '@portcullis/tokens'
import { assert, expect } from 'vitest'
import { live } from './revocation-processes.ts'
import { distinct, eventually, type FeedBehaviour, type RevocationFeedUnderTest, readAll } from './revocation-subject.ts'

// A call that takes longer than this has no deadline.
const PATIENCE = 5000

/** What holds while nothing answers, and after. */
export const outages: readonly FeedBehaviour[] = [
  {
    title: 'while nothing answers, publishing and reading reject in time; after it, nothing is missing',
    async check(subject) {
      const [a, b] = subject.feeds
      const outage = outageOf(subject)
      const cursor = b.follow()
      await a.publish('before')
      expect(distinct(await readAll(cursor))).toEqual(['before'])
      await outage.begin()
      await expect(inTime(a.publish('during'))).rejects.toThrow()
      await expect(inTime(cursor.read())).rejects.toThrow()
      await outage.end()
      await eventually('it takes an entry again', () =>
        a.publish('after').then(
          () => true,
          () => false,
        ),
      )
      const seen: string[] = []
      await eventually('the follower reads again', () =>
        readAll(cursor).then(
          (entries) => {
            seen.push(...entries)
            return seen.includes('after')
          },
          () => false,
        ),
      )
      const late = distinct(await readAll(b.follow()))
      expect(late).toContain('before')
      expect(late).toContain('after')
      // It was rejected: it may have been published all the same, and then for everybody.
      if (late.includes('during')) expect(seen).toContain('during')
    },
  },
  {
    title:
      'a process that has lost its feed says so within its bound, once, refuses, and comes back by itself with what it missed',
    async check(subject) {
      const [a, b] = subject.feeds
      const outage = outageOf(subject)
      const events: string[] = []
      const stop = [revocationFeedLostEvent, revocationFeedRestoredEvent].map((type) =>
        type.subscribe((event) => events.push(event.type)),
      )
      const maxDelay = Math.max(1, (2 * b.interval) / 1000)
      const there = createRevocations({ feed: b, maxDelay })
      try {
        await there.start()
        expect(there.check(live())).toBeUndefined()
        const lastInSync = there.status().lastInSync
        assert(lastInSync !== undefined, 'it is not in sync after start')
        await outage.begin()
        await eventually('it is lost', () => events.length > 0)
        expect(Date.now() - lastInSync).toBeLessThan(maxDelay * 1000 + 3000)
        for (let request = 0; request < 10; request++) {
          expect(() => there.check(live())).toThrow(expect.objectContaining({ code: 'tokens.revocations_unavailable' }))
        }
        expect(events).toEqual(['tokens.revocation_feed_lost'])
        await outage.end()
        const here = createRevocations({ feed: a })
        await eventually('it takes a revocation again', () =>
          here.revoke({ kind: 'session', id: 'session' }).then(
            () => true,
            () => false,
          ),
        )
        await eventually('it is back', () => events.length > 1)
        await there.sync()
        expect(there.check(live())?.reason.code).toBe('tokens.revoked')
        expect(there.check({ ...live(), sid: 'another' })).toBeUndefined()
        expect(events).toEqual(['tokens.revocation_feed_lost', 'tokens.revocation_feed_restored'])
      } finally {
        await there.close()
        for (const one of stop) one()
      }
    },
  },
]

function outageOf(subject: RevocationFeedUnderTest): NonNullable<RevocationFeedUnderTest['outage']> {
  assert(subject.outage !== undefined, 'canFail promises an outage')
  return subject.outage
}

function inTime<T>(call: Promise<T>): Promise<T | 'never settled'> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'never settled'>((resolve) => {
    timer = setTimeout(() => resolve('never settled'), PATIENCE)
  })
  return Promise.race([call, late]).finally(() => clearTimeout(timer))
}
