import { afterEach, beforeEach, describe, it } from 'vitest'
import { remembering } from './exhausted-remembering.ts'
import { steering } from './exhausted-steering.ts'
import { type ExhaustedContext, openExhaustedContext, remembered } from './exhausted-subject.ts'
import { rateLimitStoreSuite } from './rate-limit.ts'
import type { RateLimitStoreUnderTest } from './rate-limit-subject.ts'

/** Options of {@link exhaustedSuite}. */
export interface ExhaustedSuiteOptions {
  /** The backend's name, as the report shall show it. */
  readonly name: string
  /** Opens the backend, as for `rateLimitStoreSuite`, without a memory around it; called before each test. */
  open(): Promise<RateLimitStoreUnderTest>
  /** Whether `advance` takes a negative number; without it, those rows are not declared. Default: true. */
  readonly clockCanGoBack?: boolean
  /** How long each test may take, in milliseconds. Default: 120,000. */
  readonly timeout?: number
}

/**
 * Declares, with vitest's `describe` and `it`, what holds of a store of rate limits behind `rememberExhausted` of `@portcullis/rate-limit`:
 * every row of `rateLimitStoreSuite`, and what is answered without a call, for how long, and what ends it.
 *
 * @example exhaustedSuite({ name: 'memory', open: async () => ({ store, now: clock.now, advance: clock.advance, close }) })
 */
export function exhaustedSuite({ name, open, clockCanGoBack = true, timeout = 120_000 }: ExhaustedSuiteOptions): void {
  describe(`exhausted keys: ${name}`, () => {
    let context: ExhaustedContext
    beforeEach(async () => {
      context = openExhaustedContext(await open())
    })
    afterEach(async () => {
      await context.close()
    })

    for (const [part, behaviours] of Object.entries({ remembering, steering })) {
      describe(part, () => {
        for (const { title, check } of behaviours) it(title, () => check(context), timeout)
      })
    }
  })

  rateLimitStoreSuite({
    name: `${name}, exhausted keys remembered`,
    open: async () => remembered(await open()).subject,
    clockCanGoBack,
    exact: false,
    timeout,
  })
}
