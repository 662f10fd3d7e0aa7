import { afterEach, beforeEach, describe, it } from 'vitest'
import { adjusting } from './rate-limit-adjusting.ts'
import { charging } from './rate-limit-charging.ts'
import { guessing } from './rate-limit-guessing.ts'
import { keys } from './rate-limit-keys.ts'
import { checkAgainstMemory } from './rate-limit-model.ts'
import { races } from './rate-limit-races.ts'
import { openRateLimitContext, type RateLimitContext, type RateLimitStoreUnderTest } from './rate-limit-subject.ts'
import { backwards, time } from './rate-limit-time.ts'
import { windows, windowsSetBack } from './rate-limit-windows.ts'

export type { RateLimitStoreUnderTest } from './rate-limit-subject.ts'

/** Options of {@link rateLimitStoreSuite}. */
export interface RateLimitStoreSuiteOptions {
  /** The backend's name, as the report shall show it. */
  readonly name: string
  /** Opens the backend; called before each test. What an earlier test counted in it may still be there. */
  open(): Promise<RateLimitStoreUnderTest>
  /** Whether `advance` takes a negative number; without it, those rows are not declared. Default: true. */
  readonly clockCanGoBack?: boolean
  /**
   * Whether each verdict tells what is so in its very moment; without it, the comparison with the memory store is not declared. Not so with
   * `rememberExhausted`: `exhaustedSuite` compares what holds there. Default: true.
   */
  readonly exact?: boolean
  /** How many sequences of calls are compared with the memory store. Default: 100. */
  readonly numRuns?: number
  /** How long each test may take, the comparison included, in milliseconds. Default: 120,000. */
  readonly timeout?: number
}

/**
 * Declares, with vitest's `describe` and `it`, everything that a `RateLimitStore` of `@portcullis/rate-limit` must do. Call it at the
 * top of a test file.
 *
 * @example rateLimitStoreSuite({ name: 'memory', open: async () => ({ store, now: clock.now, advance: clock.advance, close }) })
 */
export function rateLimitStoreSuite(options: RateLimitStoreSuiteOptions): void {
  const { name, open, clockCanGoBack = true, exact = true, numRuns = 100, timeout = 120_000 } = options
  describe(`a rate-limit store: ${name}`, () => {
    let context: RateLimitContext
    beforeEach(async () => {
      context = openRateLimitContext(await open())
    })
    afterEach(async () => {
      await context.close()
    })

    const setBack = clockCanGoBack ? { 'a clock set back': [...backwards, ...windowsSetBack] } : {}
    const parts = { charging, time, windows, ...setBack, adjusting, keys, races, guessing }
    for (const [part, behaviours] of Object.entries(parts)) {
      describe(part, () => {
        for (const { title, check } of behaviours) it(title, () => check(context), timeout)
      })
    }

    if (!exact) return
    it(
      `any sequence of checks and adjusts answers as the memory store does (${numRuns} sequences)`,
      () => checkAgainstMemory(context, numRuns),
      timeout,
    )
  })
}
