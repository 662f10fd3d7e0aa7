import { afterEach, beforeEach, describe, it } from 'vitest'
import { codes } from './one-time-codes.ts'
import { passkeys } from './one-time-passkeys.ts'
import { type OneTimeContext, openOneTimeContext } from './one-time-subject.ts'
import { tokens } from './one-time-tokens.ts'
import type { StoreUnderTest } from './store-subject.ts'

/** Options of {@link oneTimeSuite}. */
export interface OneTimeSuiteOptions {
  /** The backend's name, as the report shall show it. */
  readonly name: string
  /** Opens the backend, as for `storeSuite`; called before each test. */
  open(): Promise<StoreUnderTest>
  /** How long each test may take, in milliseconds. Default: 60,000. */
  readonly timeout?: number
}

/**
 * Declares, with vitest's `describe` and `it`, what holds on a store when many use the same thing at once: a code, a passkey's
 * challenge or a token of `@portcullis/mfa` and `@portcullis/password` has one winner, and nobody hears anything but yes or no.
 *
 * @example oneTimeSuite({ name: 'memory', open: async () => ({ store: createMemoryStore({ clock }), now, advance, close }) })
 */
export function oneTimeSuite({ name, open, timeout = 60_000 }: OneTimeSuiteOptions): void {
  describe(`one-time things: ${name}`, () => {
    let context: OneTimeContext
    beforeEach(async () => {
      context = openOneTimeContext(await open())
    })
    afterEach(async () => {
      await context.close()
    })

    for (const [part, behaviours] of Object.entries({ codes, passkeys, tokens })) {
      describe(part, () => {
        for (const { title, check } of behaviours) it(title, () => check(context), timeout)
      })
    }
  })
}
