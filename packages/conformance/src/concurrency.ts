import { afterEach, beforeEach, describe, it } from 'vitest'
import { clocks, leases } from './concurrency-leases.ts'
import { seats } from './concurrency-seats.ts'
import { type ConcurrencyContext, openConcurrencyContext } from './concurrency-subject.ts'
import type { StoreUnderTest } from './store-subject.ts'

/** Options of {@link concurrencySuite}. */
export interface ConcurrencySuiteOptions {
  /** The backend's name, as the report shall show it. */
  readonly name: string
  /**
   * Opens the backend, as for `storeSuite`; called before each test. Its time must stand still until it is moved: leases are hours long, and
   * end to the millisecond.
   */
  open(): Promise<StoreUnderTest>
  /** How long each test may take, in milliseconds. Default: 60,000. */
  readonly timeout?: number
}

/**
 * Declares, with vitest's `describe` and `it`, what holds on a store for the seats of `createConcurrencyLimit` of `@portcullis/rate-limit`:
 * never one too many, whoever asks at once, dies, sleeps or has a clock that is wrong within bounds.
 *
 * @example concurrencySuite({ name: 'memory', open: async () => ({ store: createMemoryStore({ clock }), now, advance, close }) })
 */
export function concurrencySuite({ name, open, timeout = 60_000 }: ConcurrencySuiteOptions): void {
  describe(`seats: ${name}`, () => {
    let context: ConcurrencyContext
    beforeEach(async () => {
      context = openConcurrencyContext(await open())
    })
    afterEach(async () => {
      await context.close()
    })

    for (const [part, behaviours] of Object.entries({ seats, leases, clocks })) {
      describe(part, () => {
        for (const { title, check } of behaviours) it(title, () => check(context), timeout)
      })
    }
  })
}
