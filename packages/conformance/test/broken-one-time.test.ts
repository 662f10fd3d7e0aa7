import { type Collection, createMemoryStore, type Json, type Store } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import { codes } from '../src/one-time-codes.ts'
import { passkeys } from '../src/one-time-passkeys.ts'
import { openOneTimeContext } from '../src/one-time-subject.ts'
import { tokens } from '../src/one-time-tokens.ts'
import { manualClock, type StoreUnderTest } from '../src/store.ts'

type Kept = Collection<Json>

/** Each is a mistake that a backend could make, and the rows of the suite that find it. */
const DEFECTS: readonly (readonly [mistake: string, found: readonly string[], defect: (kept: Kept) => Partial<Kept>])[] = [
  ['none', [], () => ({})],
  [
    'take reads, then removes',
    ["one sign-in's challenge", 'uses of one token', 'of 50 resets'],
    (kept) => ({
      async take(id) {
        const entry = await kept.get(id)
        await kept.remove(id)
        return entry?.value
      },
    }),
  ],
  [
    'replace does not compare the version',
    [
      'one TOTP code',
      'one HOTP code',
      'uses of one recovery code',
      'ten recovery codes',
      'uses of one code out of band',
      'guesses at one code out of band',
    ],
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
    'create writes over what is there',
    ['one credential id', 'come as many tokens', 'the guard that a factor has'],
    (kept) => ({
      async create(id, value, options) {
        while (!(await kept.create(id, value, options))) await kept.remove(id)
        return true
      },
    }),
  ],
]

describe('the suite of one-time things finds what is wrong with a store', () => {
  it.each(DEFECTS)('%s', async (_, found, defect) => {
    const failed: string[] = []
    for (const { title, check } of [...codes, ...passkeys, ...tokens]) {
      await check(openOneTimeContext(subject(defect))).catch(() => failed.push(title))
    }
    for (const row of found) expect(failed).toContainEqual(expect.stringContaining(row))
    if (found.length === 0) expect(failed).toEqual([])
  })
})

function subject(defect: (kept: Kept) => Partial<Kept>): StoreUnderTest {
  const clock = manualClock()
  const memory = createMemoryStore({ clock })
  const store: Store = {
    collection<T extends Json>(declaration: Parameters<Store['collection']>[0]): Collection<T> {
      const kept = memory.collection<Json>(declaration)
      const broken: Kept = {
        get: (id) => kept.get(id),
        create: (id, value, options) => kept.create(id, value, options),
        replace: (id, version, value, options) => kept.replace(id, version, value, options),
        take: (id) => kept.take(id),
        remove: (id) => kept.remove(id),
        find: (index, key, page) => kept.find(index, key, page),
        ...defect(kept),
      }
      return broken as unknown as Collection<T>
    },
  }
  return { store, ...clock, close: async () => {} }
}
