import { randomBytes } from 'node:crypto'
import type { Clock, Store } from '@portcullis/core'
import { expect } from 'vitest'
import type { StoreUnderTest } from './store-subject.ts'

/** How many use one thing at once. */
export const CALLERS = 200

/** What a behaviour is checked on. */
export interface OneTimeContext extends StoreUnderTest {
  /** The store's own time: nothing here may run ahead of it. */
  readonly clock: Clock
  /** An account that no other test uses. */
  readonly account: string
  /**
   * Does something many times at once, spread over every connection.
   * @param count default: {@link CALLERS}
   */
  atOnce<T>(act: (store: Store, n: number) => Promise<T>, count?: number): Promise<T[]>
}

/** One row of the suite. */
export interface OneTimeBehaviour {
  /** A sentence: what holds. */
  readonly title: string
  check(context: OneTimeContext): Promise<void>
}

export function openOneTimeContext(subject: StoreUnderTest): OneTimeContext {
  const connections: readonly Store[] = [subject.store, ...(subject.peers ?? [])]
  return {
    store: subject.store,
    now: () => subject.now(),
    advance: (milliseconds) => subject.advance(milliseconds),
    close: () => subject.close(),
    clock: { now: () => subject.now() },
    account: `usr_${randomBytes(8).toString('hex')}`,
    atOnce: (act, count = CALLERS) =>
      Promise.all(Array.from({ length: count }, (_, n) => act(connections[n % connections.length] ?? subject.store, n))),
  }
}

/** What all of them heard: one yes, and otherwise no. */
export function expectOneWinner(results: readonly { readonly ok: boolean }[]): void {
  expect(results.filter(({ ok }) => ok)).toHaveLength(1)
}
