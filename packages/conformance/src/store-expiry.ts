import { expect } from 'vitest'
import { type Behaviour, collect, existing } from './store-subject.ts'

/** A value is there until the millisecond that it expires at, and not in it. */
export const expiry: readonly Behaviour[] = [
  {
    title: 'a value is there one millisecond before it expires, for every verb',
    async check({ collection, now, advance }) {
      const options = { expiresAt: now() + 5000, index: { user: 'u' } }
      for (const id of ['get', 'create', 'replace', 'take', 'remove']) await collection.create(id, id, options)
      const { version } = await existing(collection, 'replace')
      await advance(4999)
      expect((await collection.get('get'))?.value).toBe('get')
      expect(await collection.create('create', 'again')).toBe(false)
      expect(await collect(collection.find('user', 'u'))).toHaveLength(5)
      expect(await collection.replace('replace', version, 'new', options)).toBe(true)
      expect(await collection.take('take')).toBe('take')
      expect(await collection.remove('remove')).toBe(true)
    },
  },
  {
    title: 'a value is gone in the very millisecond that it expires, for every verb',
    async check({ collection, now, advance }) {
      const options = { expiresAt: now() + 5000, index: { user: 'u' } }
      for (const id of ['get', 'create', 'replace', 'take', 'remove']) await collection.create(id, id, options)
      const { version } = await existing(collection, 'replace')
      await advance(5000)
      expect(await collection.get('get')).toBeUndefined()
      expect(await collect(collection.find('user', 'u'))).toEqual([])
      expect(await collection.replace('replace', version, 'new')).toBe(false)
      expect(await collection.take('take')).toBeUndefined()
      expect(await collection.remove('remove')).toBe(false)
      expect(await collection.create('create', 'again')).toBe(true)
    },
  },
  {
    title: 'the id of an expired value is free, and nothing of the old value clings to it',
    async check({ collection, now, advance }) {
      await collection.create('a', 'old', { expiresAt: now() + 1, index: { user: 'u1', tenant: 't1' } })
      await advance(1)
      expect(await collection.create('a', 'new', { index: { tenant: 't2' } })).toBe(true)
      expect(await collect(collection.find('user', 'u1'))).toEqual([])
      expect(await collect(collection.find('tenant', 't1'))).toEqual([])
      await advance(1_000_000)
      expect(await collection.get('a')).toMatchObject({ value: 'new', expiresAt: undefined })
    },
  },
  {
    title: 'replace can put the expiry off, and bring it forward',
    async check({ collection, now, advance }) {
      const start = now()
      for (const id of ['off', 'forward']) await collection.create(id, 1, { expiresAt: start + 100 })
      const version = async (id: string) => (await existing(collection, id)).version
      await collection.replace('off', await version('off'), 2, { expiresAt: start + 200 })
      await collection.replace('forward', await version('forward'), 2, { expiresAt: start + 50 })
      await advance(50)
      expect(await collection.get('forward')).toBeUndefined()
      await advance(149)
      expect((await collection.get('off'))?.expiresAt).toBe(start + 200)
      await advance(1)
      expect(await collection.get('off')).toBeUndefined()
    },
  },
  {
    title: 'what is written with an expiry that has come already is not there, and is no error',
    async check({ collection, now }) {
      expect(await collection.create('a', 1, { expiresAt: now() })).toBe(true)
      expect(await collection.get('a')).toBeUndefined()
      expect(await collection.create('a', 2, { expiresAt: now() - 1 })).toBe(true)
      expect(await collection.create('a', 3)).toBe(true)
      const { version } = await existing(collection, 'a')
      expect(await collection.replace('a', version, 4, { expiresAt: 0 })).toBe(true)
      expect(await collection.get('a')).toBeUndefined()
    },
  },
  {
    title: 'live values outlast any number of expired ones around them',
    async check({ collection, now, advance }) {
      for (let n = 0; n < 300; n++) {
        const expiresAt = n % 3 === 0 ? undefined : now() + 1 + (n % 7)
        await collection.create(`e${n}`, n, { index: { user: 'u' }, ...(expiresAt === undefined ? {} : { expiresAt }) })
      }
      await advance(10)
      for (let n = 0; n < 300; n++) await collection.create(`f${n}`, n, { expiresAt: now() + 1 })
      await advance(1)
      expect(await collect(collection.find('user', 'u'))).toHaveLength(100)
      for (let n = 0; n < 300; n++) expect((await collection.get(`e${n}`))?.value).toBe(n % 3 === 0 ? n : undefined)
    },
  },
]
