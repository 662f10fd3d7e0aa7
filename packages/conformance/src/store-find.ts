import { expect } from 'vitest'
import { type Behaviour, collect } from './store-subject.ts'

// In the order of their UTF-8 bytes. U+FF5E stands before U+1F3F0 there, and behind it in UTF-16.
const ORDERED = [
  '!',
  '0',
  '00',
  '1',
  '10',
  '2',
  'A',
  'B',
  'Z',
  '_',
  'a',
  'a b',
  'aa',
  'b',
  'z',
  'ß',
  'é',
  '中',
  '\uFF5E',
  '\u{1F3F0}',
]

/** Finding by a declared index. */
export const find: readonly Behaviour[] = [
  {
    title: 'find gives what was written under that key of that index, and nothing else',
    async check({ collection }) {
      await collection.create('a', 1, { index: { user: 'k' } })
      await collection.create('b', 2, { index: { tenant: 'k' } })
      await collection.create('c', 3, { index: { user: 'other', tenant: 'k' } })
      await collection.create('d', 4)
      expect((await collect(collection.find('user', 'k'))).map(({ id, value }) => [id, value])).toEqual([['a', 1]])
      expect((await collect(collection.find('tenant', 'k'))).map(({ id }) => id)).toEqual(['b', 'c'])
      expect(await collect(collection.find('user', 'K'))).toEqual([])
      expect(await collect(collection.find('user', 'k '))).toEqual([])
      expect(await collect(collection.find('user', '%'))).toEqual([])
    },
  },
  {
    title: 'find gives entries as get does',
    async check({ collection, now }) {
      await collection.create('a', { n: 1 }, { index: { user: 'u' }, expiresAt: now() + 1000 })
      expect(await collect(collection.find('user', 'u'))).toEqual([await collection.get('a')])
    },
  },
  {
    title: 'find goes by id, compared byte by byte, in both orders',
    async check({ collection }) {
      for (const id of shuffled(ORDERED)) await collection.create(id, id, { index: { user: 'u' } })
      const ids = async (order?: 'ascending' | 'descending') =>
        (await collect(collection.find('user', 'u', order && { order }))).map(({ id }) => id)
      expect(await ids()).toEqual(ORDERED)
      expect(await ids('ascending')).toEqual(ORDERED)
      expect(await ids('descending')).toEqual(ORDERED.toReversed())
    },
  },
  {
    title: 'pages with after and limit, in both orders, give everything once and in order',
    async check({ collection }) {
      for (const id of shuffled(ORDERED)) await collection.create(id, id, { index: { user: 'u' } })
      for (const order of ['ascending', 'descending'] as const) {
        const expected = order === 'ascending' ? ORDERED : ORDERED.toReversed()
        for (const limit of [1, 3, ORDERED.length, ORDERED.length + 1]) {
          const paged: string[] = []
          for (;;) {
            const after = paged.at(-1)
            const page = await collect(collection.find('user', 'u', { order, limit, ...(after === undefined ? {} : { after }) }))
            expect(page.length).toBeLessThanOrEqual(limit)
            if (page.length === 0) break
            paged.push(...page.map(({ id }) => id))
          }
          expect(paged).toEqual(expected)
        }
      }
    },
  },
  {
    title: 'after may name an id that is not there; a limit of 0 gives nothing',
    async check({ collection }) {
      for (const id of ['b', 'd', 'f']) await collection.create(id, id, { index: { user: 'u' } })
      const ids = async (page: Parameters<typeof collection.find>[2]) =>
        (await collect(collection.find('user', 'u', page))).map(({ id }) => id)
      expect(await ids({ after: 'c' })).toEqual(['d', 'f'])
      expect(await ids({ after: 'c', order: 'descending' })).toEqual(['b'])
      expect(await ids({ after: 'f' })).toEqual([])
      expect(await ids({ limit: 0 })).toEqual([])
    },
  },
  {
    title: 'expired entries do not count towards the limit',
    async check({ collection, now, advance }) {
      for (let n = 0; n < 20; n++) {
        await collection.create(String(n).padStart(2, '0'), n, {
          index: { user: 'u' },
          ...(n % 2 === 0 ? { expiresAt: now() + 1 } : {}),
        })
      }
      await advance(1)
      expect((await collect(collection.find('user', 'u', { limit: 3 }))).map(({ value }) => value)).toEqual([1, 3, 5])
    },
  },
  {
    title: 'find without a limit gives all of a thousand and more',
    async check({ collection }) {
      const ids = Array.from({ length: 1201 }, (_, n) => `id-${String(n).padStart(5, '0')}`)
      await Promise.all(shuffled(ids).map((id) => collection.create(id, id, { index: { user: 'u' } })))
      expect((await collect(collection.find('user', 'u'))).map(({ id }) => id)).toEqual(ids)
      expect((await collect(collection.find('user', 'u', { limit: 700, order: 'descending' }))).map(({ id }) => id)).toEqual(
        ids.toReversed().slice(0, 700),
      )
    },
  },
  {
    title: 'a find during which entries are removed gives no id twice and ends: everything under a key can be removed',
    async check({ collection }) {
      for (let n = 0; n < 600; n++) await collection.create(`id-${n}`, n, { index: { user: 'u' } })
      const seen: string[] = []
      for await (const { id } of collection.find('user', 'u')) {
        seen.push(id)
        expect(await collection.remove(id)).toBe(true)
      }
      expect(new Set(seen).size).toBe(600)
      expect(seen).toHaveLength(600)
      expect(await collect(collection.find('user', 'u'))).toEqual([])
    },
  },
  {
    title: 'an entry that expires while the ones before it are looked at is not given',
    async check({ collection, now, advance }) {
      for (const id of ['a', 'b', 'c']) {
        await collection.create(id, id, { index: { user: 'u' }, ...(id === 'b' ? { expiresAt: now() + 5 } : {}) })
      }
      const seen: string[] = []
      for await (const { id } of collection.find('user', 'u', { limit: 2 })) {
        seen.push(id)
        await advance(5)
      }
      expect(seen.filter((id) => id === 'b')).toEqual([])
      expect(seen[0]).toBe('a')
    },
  },
  {
    title: 'a find can be left early, and the store goes on',
    async check({ collection }) {
      for (const id of ['a', 'b', 'c']) await collection.create(id, id, { index: { user: 'u' } })
      for await (const { id } of collection.find('user', 'u')) {
        if (id === 'a') break
      }
      expect(await collection.take('a')).toBe('a')
      expect(await collect(collection.find('user', 'u'))).toHaveLength(2)
    },
  },
  {
    title: 'what was taken or removed is no longer found',
    async check({ collection }) {
      for (const id of ['a', 'b', 'c']) await collection.create(id, id, { index: { user: 'u' } })
      await collection.take('a')
      await collection.remove('c')
      expect((await collect(collection.find('user', 'u'))).map(({ id }) => id)).toEqual(['b'])
    },
  },
]

/** Some fixed order that is neither ascending nor descending. */
function shuffled<T>(items: readonly T[]): T[] {
  const step = items.length % 7 === 0 ? 11 : 7
  return items.map((_, n) => items[(n * step) % items.length] as T)
}
