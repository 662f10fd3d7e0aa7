import { describe, expect, it } from 'vitest'
import { holding } from '../src/assignments-holding.ts'
import { relations } from '../src/assignments-relations.ts'
import { openOneTimeContext } from '../src/one-time-subject.ts'
import { brokenStore, type Kept } from './broken-store.ts'

/** Each is a mistake that a backend could make, and the rows of the suite that find it. */
const DEFECTS: readonly (readonly [mistake: string, found: readonly string[], defect: (kept: Kept) => Partial<Kept>])[] = [
  ['none', [], () => ({})],
  [
    'replace does not compare the version',
    ['of 30 roles', 'revocations of one role', 'answers to one request', 'of two requests'],
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
    ['roles that exclude each other, assigned', 'of 50 roles', 'of 30 roles', 'requests for one role', 'writes of one tuple'],
    (kept) => ({
      async create(id, value, options) {
        while (!(await kept.create(id, value, options))) await kept.remove(id)
        return true
      },
    }),
  ],
  [
    'replace loses the indexes',
    ['40 ends'],
    (kept) => ({
      replace: (id, version, value, { expiresAt } = {}) =>
        kept.replace(id, version, value, expiresAt === undefined ? {} : { expiresAt }),
    }),
  ],
  [
    'remove tells everybody that it removed',
    ['writes of one tuple'],
    (kept) => ({
      async remove(id) {
        await kept.remove(id)
        return true
      },
    }),
  ],
]

describe('the suite of assignments finds what is wrong with a store', () => {
  it.each(DEFECTS)('%s', async (_, found, defect) => {
    const failed: string[] = []
    for (const { title, check } of [...holding, ...relations]) {
      await check(openOneTimeContext(brokenStore(defect))).catch(() => failed.push(title))
    }
    for (const row of found) expect(failed).toContainEqual(expect.stringContaining(row))
    if (found.length === 0) expect(failed).toEqual([])
  })
})
