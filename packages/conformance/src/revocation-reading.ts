import { setImmediate } from 'node:timers/promises'
import { assert, expect } from 'vitest'
import { distinct, type FeedBehaviour, readAll } from './revocation-subject.ts'

const WRITES = 200
const HOSTILE = [
  '"',
  '\\',
  '\n\r\t',
  '\u0000',
  '{"k":"a"}',
  '*',
  '$',
  '-',
  '+',
  '0-1',
  '🜁',
  '\u2028',
  "'; DROP TABLE x",
  'x'.repeat(20_000),
]

/** What cursors answer, however many there are. */
export const reading: readonly FeedBehaviour[] = [
  {
    title: 'every follower of every process reads what one of them published',
    async check({ feeds }) {
      const cursors = feeds.map((feed) => feed.follow())
      for (const cursor of cursors) expect(await readAll(cursor)).toEqual([])
      await feeds[0].publish('one')
      for (const cursor of cursors) expect(distinct(await readAll(cursor))).toEqual(['one'])
      await feeds[1].publish('two')
      for (const cursor of cursors) expect(await readAll(cursor)).toContain('two')
    },
  },
  {
    title: 'a follower that joins late reads everything',
    async check({ feeds }) {
      for (const entry of ['one', 'two', 'three']) await feeds[0].publish(entry)
      expect(distinct(await readAll(feeds[1].follow()))).toEqual(['one', 'three', 'two'])
      expect(distinct(await readAll(feeds[0].follow()))).toEqual(['one', 'three', 'two'])
    },
  },
  {
    title: 'two followers of one feed take nothing from each other, and one that is closed nothing from either',
    async check({ feeds: [feed] }) {
      const [a, b, c] = [feed.follow(), feed.follow(), feed.follow()]
      await feed.publish('one')
      expect(distinct(await readAll(a))).toEqual(['one'])
      c.close()
      await feed.publish('two')
      expect(await readAll(a)).toContain('two')
      expect(distinct(await readAll(b))).toEqual(['one', 'two'])
    },
  },
  {
    title: `of ${WRITES} entries published at once by every process, each follower that reads meanwhile has them all`,
    async check({ feeds }) {
      const followers = feeds.map((feed) => ({ cursor: feed.follow(), seen: new Set<string>() }))
      let writing = true
      const following = followers.map(async ({ cursor, seen }) => {
        for (let last = false; !last; ) {
          // Looked at before the read: the last read begins after the last write has ended.
          last = !writing
          for (const entry of await readAll(cursor)) seen.add(entry)
          // A driver that answers at once would never let the writers' timers run.
          await setImmediate()
        }
      })
      const entries = Array.from({ length: WRITES }, (_, n) => `entry-${n}`)
      await Promise.all(entries.map((entry, n) => feeds[n % feeds.length]?.publish(entry)))
      writing = false
      await Promise.all(following)
      for (const { seen } of followers) expect(distinct([...seen])).toEqual(distinct(entries))
    },
  },
  {
    title: 'more than a thousand entries come in several reads, and none is missing',
    async check({ feeds: [a, b] }) {
      const entries = Array.from({ length: 2500 }, (_, n) => `entry-${n}`)
      for (let from = 0; from < entries.length; from += 250) {
        await Promise.all(entries.slice(from, from + 250).map((entry) => a.publish(entry)))
      }
      expect(distinct(await readAll(b.follow()))).toEqual(distinct(entries))
    },
  },
  {
    title: 'equal entries are two entries, and neither is an error',
    async check({ feeds: [a, b] }) {
      await Promise.all([a.publish('same'), b.publish('same'), a.publish('same')])
      expect(distinct(await readAll(a.follow()))).toEqual(['same'])
    },
  },
  {
    title: 'an entry is text of any kind, and comes out as it went in',
    async check({ feeds: [a, b] }) {
      for (const entry of HOSTILE) await a.publish(entry)
      expect(distinct(await readAll(b.follow()))).toEqual(distinct(HOSTILE))
    },
  },
  {
    title: 'an entry says when it was published',
    async check({ feeds: [a, b] }) {
      const before = Date.now()
      await a.publish('one')
      const after = Date.now()
      const { entries } = await b.follow().read()
      assert(entries[0] !== undefined, 'nothing was read')
      // By the clock of this machine, or of a server that may differ a little.
      expect(entries[0].publishedAt).toBeGreaterThan(before - 2000)
      expect(entries[0].publishedAt).toBeLessThan(after + 2000)
    },
  },
  {
    title: 'a feed that was closed takes nothing, and ends its followers',
    async check({ feeds: [feed] }) {
      const cursor = feed.follow()
      await cursor.read()
      await feed.close()
      await expect(feed.publish('one')).rejects.toThrow()
      await expect(cursor.read()).rejects.toThrow()
    },
  },
]
