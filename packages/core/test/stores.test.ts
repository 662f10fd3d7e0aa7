import { describe, expect, it } from 'vitest'
import { createMemoryStore, stores } from '../src/index.ts'

describe('stores', () => {
  it('puts each collection where its declaration asks, durable without a word', async () => {
    const [durable, hot] = [createMemoryStore(), createMemoryStore()]
    const both = stores({ durable, hot })
    await both.collection<string>({ name: 'oauth.codes' }).create('a', 'code')
    await both.collection<string>({ name: 'sessions.sessions', keep: 'hot' }).create('a', 'session')
    expect((await durable.collection({ name: 'oauth.codes' }).get('a'))?.value).toBe('code')
    expect((await hot.collection({ name: 'sessions.sessions' }).get('a'))?.value).toBe('session')
    expect(await hot.collection({ name: 'oauth.codes' }).get('a')).toBeUndefined()
    expect(await durable.collection({ name: 'sessions.sessions' }).get('a')).toBeUndefined()
    expect(both.placement).toEqual({ 'oauth.codes': 'durable', 'sessions.sessions': 'hot' })
  })

  it('obeys the exceptions of its configuration, and names those that nobody has declared', async () => {
    const [durable, hot] = [createMemoryStore(), createMemoryStore()]
    const both = stores({ durable, hot, place: { 'sessions.sessions': 'durable', 'oauth.codes': 'hot', 'oauth.coeds': 'hot' } })
    await both.collection<string>({ name: 'sessions.sessions', keep: 'hot' }).create('a', 'session')
    await both.collection<string>({ name: 'oauth.codes' }).create('a', 'code')
    expect((await durable.collection({ name: 'sessions.sessions' }).get('a'))?.value).toBe('session')
    expect((await hot.collection({ name: 'oauth.codes' }).get('a'))?.value).toBe('code')
    expect(both.unused).toEqual(['oauth.coeds'])
  })

  it('with one store alone puts all into it', async () => {
    const durable = createMemoryStore()
    await stores({ durable }).collection<number>({ name: 'a.b', keep: 'hot' }).create('a', 1)
    expect((await durable.collection({ name: 'a.b' }).get('a'))?.value).toBe(1)
  })

  it.each([
    ['a place that is none', { 'a.b': 'warm' }],
    ['a name that no collection can have', { 'A.B': 'hot' }],
  ])('refuses %s', (_what, place) => {
    expect(() => stores({ durable: createMemoryStore(), place: place as any })).toThrow(
      expect.objectContaining({ code: 'core.collection_invalid' }),
    )
  })

  it('refuses one collection in two places: half of it would be found', () => {
    const both = stores({ durable: createMemoryStore(), hot: createMemoryStore() })
    both.collection({ name: 'a.b', keep: 'hot' })
    expect(() => both.collection({ name: 'a.b' })).toThrow(expect.objectContaining({ code: 'core.collection_invalid' }))
    expect(() => both.collection({ name: 'a.c', keep: 'cold' as 'hot' })).toThrow(
      expect.objectContaining({ code: 'core.collection_invalid' }),
    )
  })
})
