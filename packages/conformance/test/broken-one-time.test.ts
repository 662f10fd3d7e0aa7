import { describe, expect, it } from 'vitest'
import { codes } from '../src/one-time-codes.ts'
import { passkeys } from '../src/one-time-passkeys.ts'
import { openOneTimeContext } from '../src/one-time-subject.ts'
import { tokens } from '../src/one-time-tokens.ts'
import { brokenStore, type Kept } from './broken-store.ts'

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
      await check(openOneTimeContext(brokenStore(defect))).catch(() => failed.push(title))
    }
    for (const row of found) expect(failed).toContainEqual(expect.stringContaining(row))
    if (found.length === 0) expect(failed).toEqual([])
  })
})
