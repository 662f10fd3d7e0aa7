import type { Clock } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import { createRevocations, createStoreRevocationFeed, type RevocationCursor } from '../src/index.ts'
import { manualClock, memoryStore, START } from './support.ts'

async function readAll(cursor: RevocationCursor): Promise<string[]> {
  const entries: string[] = []
  for (let more = true; more; ) {
    const batch = await cursor.read()
    entries.push(...batch.entries.map(({ entry }) => entry))
    more = batch.more
  }
  return entries
}

function setUp(options: { readonly overlap?: number } = {}) {
  const clock = manualClock()
  const store = memoryStore(clock)
  /** A process whose clock differs by so many seconds. */
  const process = (by = 0) => {
    const own: Clock = { now: () => clock.now() + by * 1000 }
    return createStoreRevocationFeed({ store, clock: own, ...options })
  }
  return { clock, store, process }
}

describe('a feed in a store', () => {
  it('reads what is new and a little behind it, not everything', async () => {
    const { clock, process } = setUp()
    const feed = process()
    const cursor = feed.follow()
    for (let n = 0; n < 30; n++) {
      await feed.publish(`e-${n}`)
      clock.advance(1)
    }
    expect(await readAll(cursor)).toHaveLength(30)
    const again = await readAll(cursor)
    expect(again).toContain('e-29')
    expect(again).not.toContain('e-10')
  })

  it.each([
    ['behind by less than the overlap is read at the next reading', -9],
    ['ahead is read at the next reading', 3600],
  ])('a writer whose clock is %s', async (_what, by) => {
    const { clock, process } = setUp()
    const cursor = process().follow()
    await process().publish('first')
    await readAll(cursor)
    await process(by).publish('skewed')
    expect(await readAll(cursor)).toContain('skewed')
    clock.advance(1)
    await process().publish('next')
    expect(await readAll(cursor)).toContain('next')
  })

  it('a writer whose clock is an hour ahead does not hide what the others write after it', async () => {
    const { clock, process } = setUp()
    const cursor = process().follow()
    await process(3600).publish('ahead')
    await readAll(cursor)
    for (const entry of ['a', 'b', 'c']) {
      clock.advance(5)
      await process().publish(entry)
      expect(await readAll(cursor)).toContain(entry)
    }
  })

  it('a writer whose clock is five minutes behind is late by a minute, and not lost', async () => {
    const { clock, process } = setUp()
    const cursor = process().follow()
    await process().publish('first')
    await readAll(cursor)
    await process(-300).publish('behind')
    expect(await readAll(cursor)).not.toContain('behind')
    clock.advance(60)
    expect(await readAll(cursor)).toContain('behind')
  })

  it('reads the whole again one page at a time, to its end', async () => {
    const { clock, process } = setUp()
    const feed = process()
    const cursor = feed.follow()
    for (let n = 0; n < 2500; n++) await feed.publish(`e-${n}`)
    clock.advance(20)
    await feed.publish('newest')
    expect(new Set(await readAll(cursor)).size).toBe(2501)
    await process(-300).publish('behind')
    clock.advance(60)
    const seen = new Set<string>()
    for (let reading = 0; reading < 4; reading++) {
      const entries = await readAll(cursor)
      expect(entries.length).toBeLessThanOrEqual(1002)
      for (const entry of entries) seen.add(entry)
    }
    expect(seen.size).toBe(2502)
  })

  it('a write that was timed long before it was seen is not missed', async () => {
    const { clock, process, store } = setUp()
    let commit = (): void => {}
    const slow = {
      collection: (declaration: any) => {
        const kept: any = store.collection(declaration)
        return {
          create: (...given: any[]) =>
            new Promise<void>((resolve) => {
              commit = resolve
            }).then(() => kept.create(...given)),
        } as any
      },
    }
    const cursor = process().follow()
    const writing = createStoreRevocationFeed({ store: slow, clock, timeout: 60_000 }).publish('slow')
    clock.advance(5)
    await process().publish('fast')
    expect(await readAll(cursor)).toEqual(['fast'])
    commit()
    await writing
    expect(await readAll(cursor)).toContain('slow')
  })

  it('entries leave the store when nobody needs them any more, and not before', async () => {
    const { clock, process } = setUp()
    const feed = process()
    await feed.publish('a')
    clock.advance(feed.retention - 0.001)
    expect(await readAll(feed.follow())).toEqual(['a'])
    clock.advance(0.001)
    expect(await readAll(feed.follow())).toEqual([])
  })

  it('feeds of one store are told apart by name', async () => {
    const { store, clock } = setUp()
    const open = (name: string) => createStoreRevocationFeed({ store, clock, name })
    await open('a').publish('of a')
    await open('ab').publish('of ab')
    expect(await readAll(open('a').follow())).toEqual(['of a'])
    expect(await readAll(open('ab').follow())).toEqual(['of ab'])
  })

  it('a store that never answers: each call ends at its deadline, and few are sent into it', async () => {
    let calls = 0
    const never = (): Promise<never> => {
      calls += 1
      return new Promise(() => {})
    }
    const store: any = {
      collection: () => ({
        create: never,
        find: () => ({ [Symbol.asyncIterator]: () => ({ next: never }) }),
      }),
    }
    const feed = createStoreRevocationFeed({ store, timeout: 1 })
    const cursor = feed.follow()
    for (let call = 0; call < 30; call++) {
      await expect(feed.publish('x')).rejects.toThrow(expect.objectContaining({ code: 'tokens.revocations_unavailable' }))
      await expect(cursor.read()).rejects.toThrow(expect.objectContaining({ code: 'tokens.revocations_unavailable' }))
    }
    // Three of each until nobody believes in it any more, and then one now and again.
    expect(calls).toBeLessThan(20)
  })

  it('a reading that failed midway loses nothing', async () => {
    const { clock, store } = setUp()
    let failing = false
    const flaky: any = {
      collection: (declaration: any) => {
        const kept: any = store.collection(declaration)
        return {
          create: (...given: any[]) => kept.create(...given),
          async *find(...given: any[]) {
            for await (const entry of kept.find(...given)) {
              if (failing) throw new Error('connection lost')
              yield entry
            }
          },
        }
      },
    }
    const feed = createStoreRevocationFeed({ store: flaky, clock })
    const revocations = createRevocations({ feed, clock })
    await revocations.sync()
    await feed.publish('{"k":"g","i":"grant","r":1767225600}')
    failing = true
    await expect(revocations.sync()).rejects.toThrow(expect.objectContaining({ code: 'tokens.revocations_unavailable' }))
    failing = false
    await revocations.sync()
    expect(revocations.status().entries.grant).toBe(1)
    await revocations.close()
    expect(START / 1000).toBe(1_767_225_600)
  })

  it.each<[string, any]>([
    ['a name with a dot', { name: 'a.b' }],
    ['a lifetime that is no number', { maxTokenLifetime: Number.NaN }],
    ['an interval of nothing', { interval: 0 }],
    ['an overlap that is no number', { overlap: Number.NaN }],
    ['no deadline', { timeout: Number.POSITIVE_INFINITY }],
  ])('%s is refused', (_what, options) => {
    const store = memoryStore(manualClock())
    expect(() => createStoreRevocationFeed({ store, ...options })).toThrow(
      expect.objectContaining({ code: 'tokens.options_invalid' }),
    )
  })
})
