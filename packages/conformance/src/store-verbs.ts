import type { Json } from '@portcullis/core'
import { expect } from 'vitest'
import { type Behaviour, collect, existing } from './store-subject.ts'

/** What the five verbs on one id do, and what is kept of a value. */
export const verbs: readonly Behaviour[] = [
  {
    title: 'get, take, remove and replace find nothing under an id that was never written',
    async check({ collection }) {
      expect(await collection.get('a')).toBeUndefined()
      expect(await collection.take('a')).toBeUndefined()
      expect(await collection.remove('a')).toBe(false)
      expect(await collection.replace('a', 1, 'value')).toBe(false)
      expect(await collection.get('a')).toBeUndefined()
    },
  },
  {
    title: 'what was created is read back with its id, value, version and expiry',
    async check({ collection, now }) {
      const expiresAt = now() + 1000
      expect(await collection.create('a', { n: 1 }, { expiresAt })).toBe(true)
      expect(await collection.create('b', { n: 2 })).toBe(true)
      expect(await collection.get('a')).toEqual({ id: 'a', value: { n: 1 }, version: expect.any(Number), expiresAt })
      expect(await collection.get('b')).toEqual({ id: 'b', value: { n: 2 }, version: expect.any(Number), expiresAt: undefined })
      expect(Number.isSafeInteger((await collection.get('a'))?.version)).toBe(true)
    },
  },
  {
    title: 'create answers false for an id that exists, and changes nothing of it',
    async check({ collection, now }) {
      await collection.create('a', 'first', { index: { user: 'u1' } })
      const before = await collection.get('a')
      expect(await collection.create('a', 'second', { expiresAt: now() + 1, index: { user: 'u2' } })).toBe(false)
      expect(await collection.get('a')).toEqual(before)
      expect(await collect(collection.find('user', 'u1'))).toEqual([before])
      expect(await collect(collection.find('user', 'u2'))).toEqual([])
    },
  },
  {
    title: 'replace writes once with the version that was read, and changes the version',
    async check({ collection }) {
      await collection.create('a', 1)
      const first = await existing(collection, 'a')
      expect(await collection.replace('a', first.version, 2)).toBe(true)
      const second = await existing(collection, 'a')
      expect(second.value).toBe(2)
      expect(second.version).not.toBe(first.version)
      expect(await collection.replace('a', first.version, 3)).toBe(false)
      expect(await collection.get('a')).toEqual(second)
      expect(await collection.replace('a', second.version, 2)).toBe(true)
      expect((await existing(collection, 'a')).version).not.toBe(second.version)
    },
  },
  {
    title: 'replace answers false for a version that no version can be',
    async check({ collection }) {
      await collection.create('a', 1)
      for (const version of [Number.NaN, Number.POSITIVE_INFINITY, -1, 0.5, 2 ** 60]) {
        expect(await collection.replace('a', version, 2)).toBe(false)
      }
      expect((await collection.get('a'))?.value).toBe(1)
    },
  },
  {
    title: 'replace sets expiry and index anew: what its options leave out is not set',
    async check({ collection, now, advance }) {
      await collection.create('a', 1, { expiresAt: now() + 10, index: { user: 'u1', tenant: 't1' } })
      const { version } = await existing(collection, 'a')
      expect(await collection.replace('a', version, 2, { index: { tenant: 't2' } })).toBe(true)
      expect(await collect(collection.find('user', 'u1'))).toEqual([])
      expect(await collect(collection.find('tenant', 't1'))).toEqual([])
      expect(await collect(collection.find('tenant', 't2'))).toHaveLength(1)
      await advance(10)
      expect(await collection.get('a')).toMatchObject({ value: 2, expiresAt: undefined })
    },
  },
  {
    title: 'take gives the value once; remove says whether there was one',
    async check({ collection }) {
      await collection.create('a', { code: 1 })
      await collection.create('b', 2)
      expect(await collection.take('a')).toEqual({ code: 1 })
      expect(await collection.take('a')).toBeUndefined()
      expect(await collection.remove('b')).toBe(true)
      expect(await collection.remove('b')).toBe(false)
      expect(await collection.get('b')).toBeUndefined()
    },
  },
  {
    title: 'take tells null, false, 0 and the empty text from nothing',
    async check({ collection }) {
      for (const value of [null, false, 0, '']) {
        await collection.create('a', value)
        expect(await collection.take('a')).toBe(value)
      }
    },
  },
  {
    title: 'a version read before take, remove or expiry does not fit what was created after it',
    async check({ collection, now, advance }) {
      const endings = [() => collection.take('a'), () => collection.remove('a'), () => advance(10)]
      const seen = new Set<number>()
      for (const end of endings) {
        await collection.create('a', 'old', { expiresAt: now() + 10 })
        const old = await existing(collection, 'a')
        expect(seen.has(old.version)).toBe(false)
        seen.add(old.version)
        await end()
        expect(await collection.create('a', 'new')).toBe(true)
        expect(await collection.replace('a', old.version, 'overwritten')).toBe(false)
        expect(await collection.take('a')).toBe('new')
      }
    },
  },
  {
    title: 'no version comes twice under an id: not by writing the same value again, nor across take, remove and create',
    async check({ collection }) {
      const seen: number[] = []
      const read = async (): Promise<number> => {
        const { version } = await existing(collection, 'a')
        seen.push(version)
        return version
      }
      const endings = [() => collection.take('a'), () => collection.remove('a')]
      for (let life = 0; life < 20; life++) {
        expect(await collection.create('a', 'same')).toBe(true)
        for (let write = 0; write < 3; write++) expect(await collection.replace('a', await read(), 'same')).toBe(true)
        await read()
        await endings[life % 2]?.()
      }
      expect(new Set(seen).size).toBe(80)
      expect(await collection.create('a', 'same')).toBe(true)
      for (const version of seen) expect(await collection.replace('a', version, 'overwritten')).toBe(false)
      expect(await collection.take('a')).toBe('same')
    },
  },
  {
    title: 'two collections with the same ids know nothing of each other',
    async check({ store, collection, name }) {
      const other = store.collection<Json>({ name: `${name}x` })
      await collection.create('a', 1)
      expect(await other.get('a')).toBeUndefined()
      expect(await other.create('a', 2)).toBe(true)
      expect(await other.take('a')).toBe(2)
      expect((await collection.get('a'))?.value).toBe(1)
    },
  },
  {
    title: 'values are copies: changing what was given, or what was read, changes nothing that is kept',
    async check({ collection }) {
      const given = { list: [1], nested: { deep: true } }
      await collection.create('a', given, { index: { user: 'u' } })
      given.list.push(2)
      const read = (await collection.get('a'))?.value as typeof given
      read.nested.deep = false
      for await (const found of collection.find('user', 'u')) (found.value as typeof given).list.length = 0
      expect((await collection.get('a'))?.value).toEqual({ list: [1], nested: { deep: true } })
    },
  },
  {
    title: 'values come back as JSON has them: every type, every text, deep and large ones',
    async check({ collection }) {
      const values: Json[] = [
        ...[null, true, false, 0, -1, 0.1 + 0.2, 2 ** 53 - 1, -(2 ** 53), 1e308, 5e-324],
        ...['', '0', '007', '1e3', 'null', '{"a":1}', "it's", '"', '\\', '%_', '\0 and \u0001', 'é', 'e\u0301', '\u{1F3F0}'],
        ...['\uD800', '\u2028', '\r\n', '; drop table', ':name ?1 $2 @x'],
        [],
        {},
        [[[[[]]]]],
        { b: 1, a: { '': null, 'with space': [1, 'two', null] } },
        JSON.parse('{"__proto__":{"admin":true},"constructor":1}'),
        { text: 'x'.repeat(1024 * 1024) },
        Array.from({ length: 5000 }, (_, n) => ({ n, text: `\u{1F511}${n}` })),
      ]
      for (const [n, value] of values.entries()) {
        expect(await collection.create(`v${n}`, value)).toBe(true)
        const read = await existing(collection, `v${n}`)
        expect(JSON.stringify(read.value) === JSON.stringify(value), JSON.stringify(value).slice(0, 80)).toBe(true)
        expect(await collection.replace(`v${n}`, read.version, [value])).toBe(true)
        expect(JSON.stringify(await collection.take(`v${n}`)) === JSON.stringify([value])).toBe(true)
      }
      expect(({} as { admin?: boolean }).admin).toBeUndefined()
    },
  },
  {
    title: 'a member that is undefined is left out',
    async check({ collection }) {
      await collection.create('a', { kept: 1, dropped: undefined })
      expect(Object.keys((await collection.get('a'))?.value as object)).toEqual(['kept'])
    },
  },
  {
    title: 'declaring the same collection again gives the same data, in whatever order its indexes are named',
    async check({ store, collection, name }) {
      const again = store.collection<Json>({ name, indexes: ['tenant', 'user'] })
      await collection.create('a', 1, { index: { user: 'u' } })
      expect((await again.get('a'))?.value).toBe(1)
      expect(await collect(again.find('user', 'u'))).toHaveLength(1)
    },
  },
]
