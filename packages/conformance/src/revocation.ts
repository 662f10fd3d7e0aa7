import { afterEach, beforeEach, describe, it } from 'vitest'
import { outages } from './revocation-outages.ts'
import { processes } from './revocation-processes.ts'
import { reading } from './revocation-reading.ts'
import type { RevocationFeedUnderTest } from './revocation-subject.ts'

export type { RevocationFeedUnderTest } from './revocation-subject.ts'

/** Options of {@link revocationFeedSuite}. */
export interface RevocationFeedSuiteOptions {
  /** The feed's name, as the report shall show it. */
  readonly name: string
  /** Opens the feeds; called before each test. They are empty: what an earlier test published is not in them. */
  open(): Promise<RevocationFeedUnderTest>
  /** Whether `open` gives an `outage`; without it, those rows are not declared. Default: false. */
  readonly canFail?: boolean
}

/**
 * Declares, with vitest's `describe` and `it`, everything that a `RevocationFeed` of `@portcullis/tokens` must do. Call it at the top
 * of a test file.
 *
 * @example revocationFeedSuite({ name: 'memory', open: async () => ({ feeds: [feed, feed], close: () => feed.close() }) })
 */
export function revocationFeedSuite({ name, open, canFail = false }: RevocationFeedSuiteOptions): void {
  describe(`a revocation feed: ${name}`, () => {
    let subject: RevocationFeedUnderTest
    beforeEach(async () => {
      subject = await open()
    })
    afterEach(async () => {
      await subject.close()
    })

    for (const [part, behaviours] of Object.entries({ reading, processes, ...(canFail && { outages }) })) {
      describe(part, () => {
        for (const { title, check } of behaviours) it(title, () => check(subject))
      })
    }
  })
}
