import { randomBytes } from 'node:crypto'
import { type Policy, type RateLimitStore, type RateLimitVerdict, type ScopedPolicy, scopePolicies } from '@portcullis/rate-limit'

/** One backend of rate limits, opened. */
export interface RateLimitStoreUnderTest {
  readonly store: RateLimitStore
  /** Other connections to the same counts, from this process. The races run over all of them. */
  readonly peers?: readonly RateLimitStore[]
  /** The time as the store sees it: whole milliseconds since the epoch. It stands still until it is moved. */
  now(): number
  /** Moves that time; back, with a negative number, only where the suite's option `clockCanGoBack` says that it can be. */
  advance(milliseconds: number): void | Promise<void>
  close(): Promise<void>
}

/** What a behaviour is checked on: a store, with scopes and keys that no other test uses. */
export interface RateLimitContext extends RateLimitStoreUnderTest {
  /** Not used by another test: a limiter's name, and the beginning of keys. */
  readonly name: string
  /** The store and its peers. */
  readonly connections: readonly RateLimitStore[]
  /** Policies under a limiter of this test's own. */
  limiter(...policies: readonly Policy[]): readonly ScopedPolicy[]
  /** Charges, or asks, as a call that answers late or at once. */
  consume(keys: readonly string[], policies: readonly ScopedPolicy[], cost?: number): Promise<RateLimitVerdict>
  /** What is left under a key, by a check that costs nothing. */
  remaining(key: string, policies: readonly ScopedPolicy[]): Promise<number>
}

/** One row of the suite. */
export interface RateLimitBehaviour {
  /** A sentence: what holds. */
  readonly title: string
  check(context: RateLimitContext): Promise<void>
}

export function openRateLimitContext(subject: RateLimitStoreUnderTest): RateLimitContext {
  const name = `suite-${randomBytes(8).toString('hex')}`
  const { store } = subject
  let limiters = 0
  const consume = async (keys: readonly string[], policies: readonly ScopedPolicy[], cost = 1): Promise<RateLimitVerdict> =>
    store.consume(keys, policies, cost)
  return {
    store,
    name,
    connections: [store, ...(subject.peers ?? [])],
    now: () => subject.now(),
    advance: (milliseconds) => subject.advance(milliseconds),
    close: () => subject.close(),
    limiter(...policies) {
      limiters += 1
      // One place for all of them: on a cluster, a check of several keys can be all or nothing only there.
      return scopePolicies(`${name}:${limiters}`, policies, `${name}:${limiters}`)
    },
    consume,
    async remaining(key, policies) {
      const { results } = await consume(
        policies.map(() => key),
        policies,
        0,
      )
      return Math.min(...results.map(({ remaining }) => remaining))
    },
  }
}

/** The code of the error that a call throws, at once or later. */
export async function codeOf(use: () => unknown): Promise<string> {
  try {
    await use()
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
  return 'no error'
}
