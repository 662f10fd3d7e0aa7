import type { Collection, Json } from '@portcullis/core'
import { expect } from 'vitest'
import { type Behaviour, collect, existing, type StoreContext } from './store-subject.ts'

const CALLERS = 200

/** 200 at once, spread over every connection that the backend gives. */
export const races: readonly Behaviour[] = [
  {
    title: `of ${CALLERS} takes of one id at once, one gets the value`,
    async check(context) {
      await context.collection.create('a', 'code')
      const taken = await atOnce(context, (collection) => collection.take('a'))
      expect(taken.filter((value) => value !== undefined)).toEqual(['code'])
    },
  },
  {
    title: `of ${CALLERS} creates of one id at once, one succeeds, and its value is what is kept`,
    async check(context) {
      const created = await atOnce(context, (collection, n) => collection.create('a', n))
      expect(created.filter(Boolean)).toHaveLength(1)
      expect((await context.collection.get('a'))?.value).toBe(created.indexOf(true))
    },
  },
  {
    title: `of ${CALLERS} creates of an expired id at once, one succeeds`,
    async check(context) {
      await context.collection.create('a', 'old', { expiresAt: context.now() + 1, index: { user: 'old' } })
      await context.advance(1)
      const created = await atOnce(context, (collection, n) => collection.create('a', n, { index: { user: `u${n}` } }))
      expect(created.filter(Boolean)).toHaveLength(1)
      const winner = created.indexOf(true)
      expect((await context.collection.get('a'))?.value).toBe(winner)
      expect(await collect(context.collection.find('user', `u${winner}`))).toHaveLength(1)
      expect(await collect(context.collection.find('user', 'old'))).toEqual([])
    },
  },
  {
    title: `of ${CALLERS} replaces of one version at once, one succeeds, and its value is what is kept`,
    async check(context) {
      await context.collection.create('a', 'first')
      const { version } = await existing(context.collection, 'a')
      const replaced = await atOnce(context, (collection, n) => collection.replace('a', version, n, { index: { user: `u${n}` } }))
      expect(replaced.filter(Boolean)).toHaveLength(1)
      const winner = replaced.indexOf(true)
      expect((await context.collection.get('a'))?.value).toBe(winner)
      expect(await collect(context.collection.find('user', `u${winner}`))).toHaveLength(1)
    },
  },
  {
    title: `of ${CALLERS} removes of one id at once, one says that there was something`,
    async check(context) {
      await context.collection.create('a', 1)
      const removed = await atOnce(context, (collection) => collection.remove('a'))
      expect(removed.filter(Boolean)).toHaveLength(1)
    },
  },
  {
    title: 'of takes, removes and replaces of one version at once, one succeeds',
    async check(context) {
      await context.collection.create('a', 'first')
      const { version } = await existing(context.collection, 'a')
      const outcomes = await atOnce(context, async (collection, n) => {
        if (n % 3 === 0) return (await collection.take('a')) === 'first' ? 'took first' : 'other'
        if (n % 3 === 1) return (await collection.replace('a', version, 'second')) ? 'replaced' : 'other'
        return (await collection.get('a'))?.value === undefined ? 'other' : 'read'
      })
      expect(outcomes.filter((outcome) => outcome === 'took first' || outcome === 'replaced')).toHaveLength(1)
    },
  },
  {
    title: 'counting with get and replace loses no count, and no two counts have one version',
    async check(context) {
      await context.collection.create('a', 0)
      const callers = 40
      const versions = await atOnce(
        context,
        async (collection) => {
          for (;;) {
            const { value, version } = await existing(collection, 'a')
            if (await collection.replace('a', version, Number(value) + 1)) return version
          }
        },
        callers,
      )
      expect((await context.collection.get('a'))?.value).toBe(callers)
      expect(new Set(versions).size).toBe(callers)
    },
  },
  {
    title: `${CALLERS} creates of different ids at once all succeed and are all found`,
    async check(context) {
      const created = await atOnce(context, (collection, n) => collection.create(`id-${n}`, n, { index: { user: 'u' } }))
      expect(created.every(Boolean)).toBe(true)
      expect(await collect(context.collection.find('user', 'u'))).toHaveLength(CALLERS)
    },
  },
]

function atOnce<T>(
  { connections }: StoreContext,
  use: (collection: Collection<Json>, n: number) => Promise<T>,
  callers: number = CALLERS,
): Promise<T[]> {
  return Promise.all(Array.from({ length: callers }, (_, n) => use(connections[n % connections.length] as Collection<Json>, n)))
}
