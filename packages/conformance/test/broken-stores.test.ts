import { createHash } from 'node:crypto'
import { type Collection, createMemoryStore, type Json, type Store, type Stored, type WriteOptions } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import { manualClock, type StoreUnderTest } from '../src/store.ts'
import { expiry } from '../src/store-expiry.ts'
import { find } from '../src/store-find.ts'
import { hostile } from '../src/store-hostile.ts'
import { checkAgainstModel } from '../src/store-model.ts'
import { races } from '../src/store-races.ts'
import { collect, openContext } from '../src/store-subject.ts'
import { verbs } from '../src/store-verbs.ts'

type Kept = Collection<Json>
type Defect = (kept: Kept) => Partial<Kept>

/** Each is a mistake that a backend could make, and a row of the suite that finds it. */
const DEFECTS: readonly (readonly [mistake: string, found: string, Defect])[] = [
  [
    'take reads, then removes',
    'of 200 takes of one id at once',
    (kept) => ({
      async take(id) {
        const entry = await kept.get(id)
        await kept.remove(id)
        return entry?.value
      },
    }),
  ],
  [
    'create looks, then writes',
    'of 200 creates of one id at once',
    (kept) => ({
      async create(id, value, options) {
        if ((await kept.get(id)) !== undefined) return false
        await kept.remove(id)
        await kept.create(id, value, options)
        return true
      },
    }),
  ],
  [
    'replace does not compare the version',
    'replace writes once with the version that was read',
    (kept) => ({
      async replace(id, _version, value, options) {
        const entry = await kept.get(id)
        return entry !== undefined && kept.replace(id, entry.version, value, options)
      },
    }),
  ],
  [
    'remove always says that there was something',
    'of 200 removes',
    (kept) => ({ remove: (id) => kept.remove(id).then(() => true) }),
  ],
  ['versions begin at 1 for each new entry', 'a version read before take, remove or expiry', countingVersions],
  ['the version is a digest of the value', 'no version comes twice under an id', showing(({ value }) => digest(value))],
  ['the version is the time', 'no version comes twice under an id', showing(() => Date.UTC(2030, 0, 1))],
  [
    'a read gives the same object each time',
    'values are copies',
    (kept) => {
      const given = new Map<string, Stored<Json>>()
      return {
        async get(id) {
          const entry = await kept.get(id)
          const before = given.get(id)
          if (entry === undefined || before?.version === entry.version) return before
          given.set(id, entry)
          return entry
        },
      }
    },
  ],
  [
    'replace keeps the index when none is given',
    'what its options leave out is not set',
    (kept) => {
      const indexes = new Map<string, WriteOptions['index']>()
      return {
        create(id, value, options) {
          indexes.set(id, options?.index)
          return kept.create(id, value, options)
        },
        replace: (id, version, value, options) =>
          kept.replace(id, version, value, { ...options, index: { ...indexes.get(id), ...options?.index } }),
      }
    },
  ],
  ['ids are compared without case', 'ids are data', onIds((id) => id.toLowerCase())],
  ['ids are normalized', 'ids are data', onIds((id) => id.normalize('NFC'))],
  ['ids are trimmed', 'ids are data', onIds((id) => id.trim() || id)],
  [
    'numeric ids are numbers',
    'ids are data',
    onIds((id) => (id.trim() !== '' && Number.isFinite(Number(id)) ? String(Number(id)) : id)),
  ],
  [
    'find goes by UTF-16 units',
    'find goes by id, compared byte by byte',
    (kept) => ({
      async *find(index, key, page) {
        const found = await collect(kept.find(index, key, page))
        const sign = page?.order === 'descending' ? -1 : 1
        yield* found.sort((a, b) => (a.id < b.id ? -sign : sign))
      },
    }),
  ],
  [
    'after is inclusive',
    'pages with after and limit',
    (kept) => ({
      async *find(index, key, page) {
        const after = page?.after === undefined ? undefined : await kept.get(page.after)
        if (after !== undefined) yield after
        yield* kept.find(index, key, page)
      },
    }),
  ],
  [
    'an undeclared index finds nothing',
    'an index that was not declared',
    (kept) => ({
      async *find(index, key, page) {
        if (['user', 'tenant'].includes(index)) yield* kept.find(index, key, page)
      },
    }),
  ],
  [
    'find stops after a thousand',
    'find without a limit gives all',
    (kept) => ({ find: (index, key, page) => kept.find(index, key, { ...page, limit: Math.min(page?.limit ?? 1000, 1000) }) }),
  ],
]

describe('the suite finds a store in which', () => {
  it.each(DEFECTS)('%s', async (_mistake, found, defect) => {
    const failed = await failing(() => subject(defect))
    expect(failed.join('\n')).toContain(found)
  })

  it.each([
    [-1, 'expiry comes a millisecond late', 'in the very millisecond'],
    [1, 'expiry comes a millisecond early', 'one millisecond before'],
  ])('the clock is off by %i: %s', async (offset, _mistake, found) => {
    const failed = await failing(() => {
      const clock = manualClock()
      const store = createMemoryStore({ clock: { now: () => clock.now() + offset } })
      return { store, ...clock, close: async () => {} }
    })
    expect(failed.join('\n')).toContain(found)
  })

  it('versions come back, by the model alone', async () => {
    await expect(checkAgainstModel(openContext(subject(countingVersions)), 200)).rejects.toThrow(/Property failed/)
  })

  it('nothing is wrong: it says nothing', async () => {
    expect(await failing(() => subject(() => ({})))).toEqual([])
  })
})

/** Runs every row. @returns the titles of those that fail */
async function failing(open: () => StoreUnderTest): Promise<string[]> {
  const failed: string[] = []
  for (const { title, check } of [...verbs, ...expiry, ...find, ...hostile, ...races]) {
    await check(openContext(open())).catch(() => failed.push(title))
  }
  return failed
}

function subject(defect: Defect): StoreUnderTest {
  const clock = manualClock()
  const memory = createMemoryStore({ clock })
  const broken = new Map<Kept, Kept>()
  const store: Store = {
    collection<T extends Json>(declaration: Parameters<Store['collection']>[0]): Collection<T> {
      const kept = memory.collection<Json>(declaration)
      const collection = broken.get(kept) ?? Object.assign(forwarding(kept), defect(kept))
      broken.set(kept, collection)
      return collection as unknown as Collection<T>
    },
  }
  return { store, ...clock, close: async () => {} }
}

function forwarding(kept: Kept): Kept {
  return {
    get: (id) => kept.get(id),
    create: (id, value, options) => kept.create(id, value, options),
    replace: (id, version, value, options) => kept.replace(id, version, value, options),
    take: (id) => kept.take(id),
    remove: (id) => kept.remove(id),
    find: (index, key, page) => kept.find(index, key, page),
  }
}

function onIds(change: (id: string) => string): Defect {
  const by = (id: string): string => (typeof id === 'string' ? change(id) : id)
  return (kept) => ({
    get: (id) => kept.get(by(id)),
    create: (id, value, options) => kept.create(by(id), value, options),
    replace: (id, version, value, options) => kept.replace(by(id), version, value, options),
    take: (id) => kept.take(by(id)),
    remove: (id) => kept.remove(by(id)),
  })
}

/** Shows another version than the real one, and compares that. */
function showing(version: (entry: Stored<Json>) => number): Defect {
  return (kept) => ({
    async get(id) {
      const entry = await kept.get(id)
      return entry && { ...entry, version: version(entry) }
    },
    async replace(id, shown, value, options) {
      const entry = await kept.get(id)
      return entry !== undefined && version(entry) === shown && kept.replace(id, entry.version, value, options)
    },
  })
}

function digest(value: Json): number {
  return createHash('sha256').update(JSON.stringify(value)).digest().readUIntBE(0, 6)
}

/** Shows 1, 2, 3 … for what an entry has gone through since it was created. */
function countingVersions(kept: Kept): Partial<Kept> {
  const shown = new Map<string, { count: number; real: number }>()
  return {
    async get(id) {
      const entry = await kept.get(id)
      return entry && { ...entry, version: shown.get(id)?.count ?? 1 }
    },
    async create(id, value, options) {
      const created = await kept.create(id, value, options)
      if (created) shown.set(id, { count: 1, real: (await kept.get(id))?.version ?? 0 })
      return created
    },
    async replace(id, version, value, options) {
      const now = shown.get(id)
      if (now?.count !== version || !(await kept.replace(id, now.real, value, options))) return false
      shown.set(id, { count: now.count + 1, real: (await kept.get(id))?.version ?? 0 })
      return true
    },
  }
}
