import { describe, expect, it } from 'vitest'
import { clocks, leases } from '../src/concurrency-leases.ts'
import { seats } from '../src/concurrency-seats.ts'
import { openConcurrencyContext } from '../src/concurrency-subject.ts'
import { brokenStore, type Kept } from './broken-store.ts'

/** Each is a mistake that a backend could make, and the rows of the suite that find it. */
const DEFECTS: readonly (readonly [mistake: string, found: readonly string[], defect: (kept: Kept) => Partial<Kept>])[] = [
  ['none', [], () => ({})],
  [
    'create looks, then writes',
    ['of 200 that ask at once for one of ten seats', 'a seat that came back', 'come and go', 'that lapsed has one holder'],
    (kept) => ({
      async create(id, value, options) {
        if ((await kept.get(id)) !== undefined) return false
        await new Promise(setImmediate)
        while (!(await kept.create(id, value, options))) await kept.remove(id)
        return true
      },
    }),
  ],
  [
    'create writes over what is there',
    ['of 200 that ask at once for one of ten seats', 'none beyond them', 'given back twice', 'goes on for ten leases'],
    (kept) => ({
      async create(id, value, options) {
        while (!(await kept.create(id, value, options))) await kept.remove(id)
        return true
      },
    }),
  ],
  [
    'nothing expires',
    ['the seats of a process that died are free', 'while others work on', 'comes back as much earlier or later'],
    (kept) => ({ create: (id, value, { expiresAt: _, ...options } = {}) => kept.create(id, value, options) }),
  ],
  [
    'what expires is gone a millisecond early',
    ['the seats of a process that died are free', 'comes back as much earlier or later'],
    (kept) => ({
      create: (id, value, { expiresAt = 0, ...options } = {}) => kept.create(id, value, { ...options, expiresAt: expiresAt - 1 }),
    }),
  ],
  [
    'replace does not compare the version',
    ['while it is being given back', 'while it is being renewed'],
    (kept) => ({
      async replace(id, _version, value, options) {
        for (;;) {
          const entry = await kept.get(id)
          if (entry === undefined) return false
          if (await kept.replace(id, entry.version, value, options)) return true
        }
      },
    }),
  ],
  [
    'replace keeps the time at which a value expires',
    ['a seat that came back', 'while others work on', 'goes on for ten leases', 'is renewed each third of a lease'],
    (kept) => ({
      async replace(id, version, value, options) {
        const entry = await kept.get(id)
        return kept.replace(
          id,
          version,
          value,
          entry?.expiresAt === undefined ? options : { ...options, expiresAt: entry.expiresAt },
        )
      },
    }),
  ],
  [
    'what was replaced with a time in the past stays',
    ['a seat that came back', 'the only free seat of 60', 'each key has its seats', 'leave no seat behind'],
    (kept) => ({
      replace: (id, version, value, { expiresAt = 0, ...options } = {}) =>
        kept.replace(id, version, value, { ...options, expiresAt: expiresAt === 0 ? Number.MAX_SAFE_INTEGER : expiresAt }),
    }),
  ],
  [
    'find tells of what was there once',
    ['the only free seat of 60'],
    (kept) => {
      const once = new Set<string>()
      return {
        create(id, value, options) {
          once.add(id)
          return kept.create(id, value, options)
        },
        async *find() {
          for (const id of once) yield { id, value: '', version: 1, expiresAt: undefined }
        },
      }
    },
  ],
  [
    'ids are cut where they are long',
    ['keys are data', 'each key has its seats'],
    (kept) => ({
      get: (id) => kept.get(id.slice(0, 22)),
      create: (id, value, options) => kept.create(id.slice(0, 22), value, options),
      replace: (id, version, value, options) => kept.replace(id.slice(0, 22), version, value, options),
    }),
  ],
]

describe('the suite of seats finds what is wrong with a store', () => {
  it.each(DEFECTS)('%s', { timeout: 60_000 }, async (_, found, defect) => {
    const failed: string[] = []
    for (const { title, check } of [...seats, ...leases, ...clocks]) {
      const row = check(openConcurrencyContext(brokenStore(defect)))
      await (found.length === 0 ? row : within(2000, row)).catch(() => failed.push(title))
    }
    for (const row of found) expect(failed).toContainEqual(expect.stringContaining(row))
    if (found.length === 0) expect(failed).toEqual([])
  })
})

/** What waits for a seat that never comes back has failed. Only for stores that have a mistake: nothing else depends on the time. */
async function within(milliseconds: number, row: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('it waits')), milliseconds)
  })
  await Promise.race([row, late]).finally(() => clearTimeout(timer))
}
