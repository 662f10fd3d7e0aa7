import { afterEach, beforeEach, describe, it } from 'vitest'
import { holding } from './assignments-holding.ts'
import { relations } from './assignments-relations.ts'
import { type OneTimeContext, openOneTimeContext } from './one-time-subject.ts'
import type { StoreUnderTest } from './store-subject.ts'

/** Options of {@link assignmentsSuite}. */
export interface AssignmentsSuiteOptions {
  /** The backend's name, as the report shall show it. */
  readonly name: string
  /** Opens the backend, as for `storeSuite`; called before each test. */
  open(): Promise<StoreUnderTest>
  /** How long each test may take, in milliseconds. Default: 60,000. */
  readonly timeout?: number
}

/**
 * Declares, with vitest's `describe` and `it`, what holds on a store when many change at once who holds which role, and who is related
 * to what: no two roles that exclude each other, one answer to a request, and no change that is lost.
 *
 * @example assignmentsSuite({ name: 'memory', open: async () => ({ store: createMemoryStore({ clock }), now, advance, close }) })
 */
export function assignmentsSuite({ name, open, timeout = 60_000 }: AssignmentsSuiteOptions): void {
  describe(`assignments: ${name}`, () => {
    let context: OneTimeContext
    beforeEach(async () => {
      context = openOneTimeContext(await open())
    })
    afterEach(async () => {
      await context.close()
    })

    for (const [part, behaviours] of Object.entries({ holding, relations })) {
      describe(part, () => {
        for (const { title, check } of behaviours) it(title, () => check(context), timeout)
      })
    }
  })
}
