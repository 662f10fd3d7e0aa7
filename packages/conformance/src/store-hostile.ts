import type { Collection, Json, WriteOptions } from '@portcullis/core'
import { expect } from 'vitest'
import { type Behaviour, collect, existing } from './store-subject.ts'

/** Allowed as an id and as an index key, whatever they look like to a query language or to a glob. */
export const HOSTILE_KEYS: readonly string[] = [
  "'; drop table users; --",
  '" or 1=1 --',
  "a'b",
  'a"b',
  'a`b',
  'a\\',
  '%',
  '_',
  '*',
  'a*',
  '[a-z]',
  '?',
  '?1',
  ':id',
  '$1',
  '@id',
  '{a}',
  '{a}:{b}',
  'a:b',
  'a/b/../c',
  '..',
  ' ',
  ' a',
  'a ',
  '\t',
  'a\r\nb',
  '\u0001',
  '\u007f',
  '__proto__',
  'constructor',
  'toString',
  'null',
  'undefined',
  'NaN',
  'true',
  '0',
  '00',
  '0.0',
  '-0',
  '1',
  '1.0',
  '01',
  '1e0',
  '9007199254740993',
  '9007199254740992',
  'k',
  'K',
  '\u212A',
  'é',
  'e\u0301',
  'ß',
  'ss',
  '\u{1F3F0}',
  '\uFEFFa',
  'a\u200B',
  'x'.repeat(512),
  '\u{1F511}'.repeat(256),
]

const INVALID_KEYS: readonly unknown[] = [
  '',
  '\0',
  'a\0b',
  'a\0',
  '\uD800',
  'a\uDC00',
  '\uDC00\uD800',
  'x'.repeat(513),
  undefined,
  null,
  1,
  {},
  ['a'],
]

/** What an attacker, or a mistake, hands in. */
export const hostile: readonly Behaviour[] = [
  {
    title: 'ids are data: quotes, wildcards, placeholders and look-alikes are ids like any other, each its own',
    async check({ collection }) {
      for (const id of HOSTILE_KEYS) expect(await collection.create(id, { id }), JSON.stringify(id)).toBe(true)
      for (const id of HOSTILE_KEYS) {
        const read = await existing(collection, id)
        expect([read.id, read.value]).toEqual([id, { id }])
        expect(await collection.replace(id, read.version, { again: id })).toBe(true)
      }
      for (const id of HOSTILE_KEYS) expect(await collection.take(id)).toEqual({ again: id })
      for (const id of HOSTILE_KEYS) expect(await collection.remove(id)).toBe(false)
    },
  },
  {
    title: 'index keys are data, too, each its own',
    async check({ collection }) {
      for (const [n, key] of HOSTILE_KEYS.entries()) await collection.create(`id-${n}`, key, { index: { user: key } })
      for (const [n, key] of HOSTILE_KEYS.entries()) {
        const found = await collect(collection.find('user', key, { after: '!' }))
        expect(
          found.map(({ id }) => id),
          JSON.stringify(key),
        ).toEqual([`id-${n}`])
      }
    },
  },
  {
    title: 'a text that is no id is core.id_invalid for every verb: empty, too long, with NUL, not well-formed Unicode, no text',
    async check({ collection }) {
      for (const invalid of INVALID_KEYS) {
        const id = invalid as string
        const uses: (() => Promise<unknown>)[] = [
          () => collection.get(id),
          () => collection.create(id, 1),
          () => collection.replace(id, 1, 1),
          () => collection.take(id),
          () => collection.remove(id),
          () => collect(collection.find('user', id)),
        ]
        for (const use of uses) await expectCode(use, 'core.id_invalid')
      }
      await expectCode(() => collect(collection.find('user', 'u', { after: '' })), 'core.id_invalid')
      await expectCode(() => collection.create('a', 1, { index: { user: 'a\0' } }), 'core.id_invalid')
      expect(await collection.get('a')).toBeUndefined()
    },
  },
  {
    title: 'an index that was not declared is core.index_undeclared, to read and to write',
    async check({ collection }) {
      for (const index of ['email', 'User', '', 'user"', "user' or '1'='1", 'id', 'version', '__proto__', 'toString']) {
        await expectCode(() => collect(collection.find(index, 'k')), 'core.index_undeclared')
        const options = { index: Object.fromEntries([[index, 'k']]) }
        await expectCode(() => collection.create('a', 1, options), 'core.index_undeclared')
      }
      expect(await collection.get('a')).toBeUndefined()
    },
  },
  {
    title: 'a value that is not JSON is core.value_invalid, and is not written',
    async check({ collection }) {
      const cycle: { self?: unknown } = {}
      cycle.self = cycle
      for (const value of [undefined, () => 1, Symbol('s'), 1n, { n: 1n }, cycle]) {
        await expectCode(() => collection.create('a', value as unknown as Json), 'core.value_invalid')
      }
      expect(await collection.get('a')).toBeUndefined()
    },
  },
  {
    title: 'an expiry that is no whole number of milliseconds is core.expiry_invalid',
    async check({ collection }) {
      for (const expiresAt of [Number.NaN, Number.POSITIVE_INFINITY, -1, 1.5, '1', new Date(), 2 ** 60]) {
        const options = { expiresAt } as unknown as WriteOptions
        await expectCode(() => collection.create('a', 1, options), 'core.expiry_invalid')
      }
      expect(await collection.get('a')).toBeUndefined()
    },
  },
  {
    title: 'a page that says nothing sensible is core.page_invalid',
    async check({ collection }) {
      for (const page of [{ limit: -1 }, { limit: 1.5 }, { limit: Number.NaN }, { limit: '1; drop' }, { order: 'desc; --' }]) {
        const given = page as unknown as Parameters<Collection<Json>['find']>[2]
        await expectCode(() => collect(collection.find('user', 'u', given)), 'core.page_invalid')
      }
    },
  },
  {
    title: 'a collection or an index with a name that is not well-formed is core.collection_invalid',
    async check({ store, name }) {
      const declarations = [
        ...[
          '',
          'A',
          '1a',
          'a.',
          '.a',
          'a.b.c',
          'a-b',
          'a b',
          'a"b',
          "a'; drop table b; --",
          'a\0',
          'é',
          `a${'b'.repeat(40)}`,
        ].map((wrong) => ({ name: wrong })),
        ...['', 'User', 'a.b', 'a b', 'a"', "a'--", '__proto__', 'a\n'].map((wrong) => ({ name: `${name}y`, indexes: [wrong] })),
        { name: `${name}y`, indexes: ['user', 'user'] },
        { name: undefined as unknown as string },
      ]
      for (const declaration of declarations)
        await expectCode(async () => store.collection(declaration), 'core.collection_invalid')
    },
  },
  {
    title: 'declaring a collection again with other indexes is core.collection_invalid',
    async check({ store, name }) {
      for (const indexes of [undefined, [], ['user'], ['user', 'tenant', 'email'], ['user', 'other']]) {
        const declaration = indexes === undefined ? { name } : { name, indexes }
        await expectCode(async () => store.collection(declaration), 'core.collection_invalid')
      }
    },
  },
  {
    title: 'the longest names work: 40 characters for each part, and indexes that begin alike stay apart',
    async check({ store, name }) {
      const part = name.slice('suite.'.length).padEnd(39, 'x')
      const indexes = [`${'i'.repeat(39)}a`, `${'i'.repeat(39)}b`, 'id', 'value', 'version', 'expires_at', 'select', 'rowid']
      const twins = ['p', 'q'].map((last) => store.collection<Json>({ name: `${part}z.${part}${last}`, indexes }))
      for (const [n, twin] of twins.entries()) {
        for (const index of indexes) expect(await twin.create(index, n, { index: { [index]: 'k' } })).toBe(true)
        for (const index of indexes) {
          expect((await collect(twin.find(index, 'k'))).map(({ id, value }) => [id, value])).toEqual([[index, n]])
        }
      }
    },
  },
]

async function expectCode(use: () => Promise<unknown>, code: string): Promise<void> {
  const outcome = await use().then(
    () => 'no error',
    (error: { code?: string }) => error.code ?? String(error),
  )
  expect(outcome).toBe(code)
}
