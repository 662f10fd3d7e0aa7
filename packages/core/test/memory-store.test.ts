import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../src/index.ts'

// What every store does is in the suite of @portcullis/conformance, which runs on this one. Here is what is this one's own.

function clockAt(start: number): { now(): number; time: number } {
  const clock = { time: start, now: () => clock.time }
  return clock
}

describe('a memory store', () => {
  it('that is full of live entries says so, and drops none of them', async () => {
    const store = createMemoryStore({ maxEntries: 3 })
    const codes = store.collection<number>({ name: 'a.codes' })
    const others = store.collection<number>({ name: 'a.others' })
    for (const id of ['1', '2']) await codes.create(id, 1)
    await others.create('3', 1)
    for (const collection of [codes, others]) {
      await expect(collection.create('4', 1)).rejects.toMatchObject({ code: 'core.store_full', status: 503 })
    }
    expect(await codes.create('1', 2)).toBe(false)
    const { version } = (await codes.get('1'))!
    expect(await codes.replace('1', version, 2)).toBe(true)
    expect([(await codes.get('1'))?.value, (await codes.get('2'))?.value, (await others.get('3'))?.value]).toEqual([2, 1, 1])
    await codes.remove('2')
    expect(await others.create('4', 1)).toBe(true)
  })

  it('that is full makes room of what has expired, wherever it is', async () => {
    const clock = clockAt(1000)
    const store = createMemoryStore({ clock, maxEntries: 100 })
    const codes = store.collection<number>({ name: 'a.codes', indexes: ['user'] })
    for (let n = 0; n < 100; n++) await codes.create(`old-${n}`, n, { expiresAt: 2000 - n, index: { user: 'u' } })
    clock.time = 1999
    const others = store.collection<number>({ name: 'a.others' })
    for (let n = 0; n < 99; n++) expect(await others.create(`new-${n}`, n)).toBe(true)
    await expect(others.create('one too many', 1)).rejects.toMatchObject({ code: 'core.store_full' })
    expect((await codes.get('old-0'))?.value).toBe(0)
  })

  it('counts an entry once, however it ends', async () => {
    const clock = clockAt(0)
    const store = createMemoryStore({ clock, maxEntries: 2 })
    const codes = store.collection<number>({ name: 'a.codes' })
    for (let n = 1; n < 500; n++) {
      clock.time = n * 10
      await codes.create('a', n, { expiresAt: clock.time + 5 })
      const entry = await codes.get('a')
      if (n % 2 === 0) await codes.replace('a', entry?.version ?? 0, n, { expiresAt: clock.time + 5 })
      if (n % 3 === 0) await codes.take('a')
      if (n % 5 === 0) await codes.remove('a')
    }
    clock.time += 10
    expect(await codes.create('a', 1)).toBe(true)
    expect(await codes.create('b', 1)).toBe(true)
    await expect(codes.create('c', 1)).rejects.toMatchObject({ code: 'core.store_full' })
  })

  it('does not sweep away an entry whose expiry was put off', async () => {
    const clock = clockAt(0)
    const store = createMemoryStore({ clock, maxEntries: 1000 })
    const sessions = store.collection<number>({ name: 'a.sessions' })
    await sessions.create('kept', 1, { expiresAt: 10 })
    for (let expiresAt = 11; expiresAt <= 200; expiresAt++) {
      const { version } = (await sessions.get('kept'))!
      await sessions.replace('kept', version, 1, { expiresAt })
    }
    clock.time = 199
    for (let n = 0; n < 100; n++) await sessions.create(`other-${n}`, n)
    expect((await sessions.get('kept'))?.expiresAt).toBe(200)
  })

  it('that is full looks past the expiries of entries that were written again since', async () => {
    const clock = clockAt(0)
    const store = createMemoryStore({ clock, maxEntries: 2 })
    const sessions = store.collection<number>({ name: 'a.sessions' })
    await sessions.create('kept', 1, { expiresAt: 1 })
    for (let expiresAt = 2; expiresAt < 30; expiresAt++) {
      const { version } = (await sessions.get('kept'))!
      await sessions.replace('kept', version, 1, expiresAt === 29 ? {} : { expiresAt })
    }
    await sessions.create('expired', 1, { expiresAt: 40 })
    clock.time = 40
    expect(await sessions.create('new', 1)).toBe(true)
  })

  it('does not grow with the writes to one entry', async () => {
    // Each replace leaves the expiry of the version before it behind; they are cleared as they pile up.
    setFlagsFromString('--expose-gc')
    const collectGarbage = runInNewContext('gc') as () => void
    const store = createMemoryStore({ clock: clockAt(0) })
    const sessions = store.collection<number>({ name: 'a.sessions' })
    await sessions.create('a', 0, { expiresAt: 1_000_000 })
    async function write(times: number): Promise<void> {
      for (let n = 0; n < times; n++) {
        const { version } = (await sessions.get('a'))!
        if (!(await sessions.replace('a', version, n, { expiresAt: 1_000_000 }))) throw new TypeError('not replaced')
      }
    }
    await write(1000)
    collectGarbage()
    const before = process.memoryUsage().heapUsed
    await write(100_000)
    collectGarbage()
    // 100,000 expiries that were left behind would take more than 5 MB.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(2_000_000)
  })

  it('gives no entry by a key under which it no longer is when its turn comes', async () => {
    const store = createMemoryStore()
    const sessions = store.collection<number>({ name: 'a.sessions', indexes: ['user'] })
    for (const id of ['a', 'b', 'c', 'd']) await sessions.create(id, 1, { index: { user: 'grace' } })
    const seen: string[] = []
    for await (const { id } of sessions.find('user', 'grace')) {
      seen.push(id)
      if (id !== 'a') continue
      await sessions.replace('b', (await sessions.get('b'))!.version, 1, { index: { user: 'ada' } })
      await sessions.remove('c')
    }
    expect(seen).toEqual(['a', 'd'])
  })

  it.each([0, -1, 1.5, Number.NaN])('takes no maxEntries of %s', (maxEntries) => {
    expect(() => createMemoryStore({ maxEntries })).toThrow(expect.objectContaining({ code: 'core.store_full' }))
  })

  it('keeps no timer, which would keep the process alive', async () => {
    const before = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const codes = createMemoryStore().collection<number>({ name: 'a.codes' })
    for (let n = 0; n < 100; n++) await codes.create(`id-${n}`, n, { expiresAt: Date.now() + 60_000 })
    expect(process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout')).toHaveLength(before)
  })
})
