import { afterEach, beforeEach, describe, it } from 'vitest'
import { expiry } from './store-expiry.ts'
import { find } from './store-find.ts'
import { hostile } from './store-hostile.ts'
import { checkAgainstModel } from './store-model.ts'
import { races } from './store-races.ts'
import { openContext, type StoreContext, type StoreUnderTest } from './store-subject.ts'
import { verbs } from './store-verbs.ts'

export { type ManualClock, manualClock, type StoreUnderTest } from './store-subject.ts'

/** Options of {@link storeSuite}. */
export interface StoreSuiteOptions {
  /** The backend's name, as the report shall show it. */
  readonly name: string
  /** Opens the backend; called before each test. What an earlier test left in it may still be there. */
  open(): Promise<StoreUnderTest>
  /** How many sequences of commands are compared with the model. Default: 100. */
  readonly numRuns?: number
  /** How long the comparison with the model may take, in milliseconds. Default: 60,000. */
  readonly modelTimeout?: number
}

/**
 * Declares, with vitest's `describe` and `it`, everything that a Portcullis `Store` must do. Call it at the top of a test file.
 *
 * @example storeSuite({ name: 'memory', open: async () => ({ store: createMemoryStore({ clock }), now, advance, close }) })
 */
export function storeSuite({ name, open, numRuns = 100, modelTimeout = 60_000 }: StoreSuiteOptions): void {
  describe(`a store: ${name}`, () => {
    let context: StoreContext
    beforeEach(async () => {
      context = openContext(await open())
    })
    afterEach(async () => {
      await context.close()
    })

    for (const [part, behaviours] of Object.entries({ verbs, expiry, find, 'hostile input': hostile, races })) {
      describe(part, () => {
        for (const { title, check } of behaviours) it(title, () => check(context))
      })
    }

    it(
      `any sequence of verbs answers as the model does (${numRuns} sequences)`,
      () => checkAgainstModel(context, numRuns),
      modelTimeout,
    )
  })
}
