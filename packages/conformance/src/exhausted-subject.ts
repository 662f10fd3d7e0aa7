import type { Clock, RequestView } from '@portcullis/core'
import { type RateLimitStore, type RateLimitVerdict, rememberExhausted, type ScopedPolicy } from '@portcullis/rate-limit'
import { openRateLimitContext, type RateLimitContext, type RateLimitStoreUnderTest } from './rate-limit-subject.ts'

/** What a behaviour is checked on: a store behind {@link rememberExhausted}, as one process has it. */
export interface ExhaustedContext extends RateLimitContext {
  /** How many calls have gone to the store below. */
  trips(): number
  /** Whether a check was answered without a call to the store below, and what it was told. */
  ask(key: string, policies: readonly ScopedPolicy[], cost?: number): Promise<{ known: boolean; verdict: RateLimitVerdict }>
  /** The store below, by one of its connections. */
  readonly bare: RateLimitStore
  /** What another process has: a memory of its own, around another connection. @param maxAge milliseconds */
  another(maxAge: number): RateLimitStore
}

/** One row of the suite. */
export interface ExhaustedBehaviour {
  /** A sentence: what holds. */
  readonly title: string
  check(context: ExhaustedContext): Promise<void>
}

/** A store behind a memory, and what it takes to look below it. */
export interface Remembered {
  readonly subject: RateLimitStoreUnderTest
  trips(): number
  another(maxAge: number): RateLimitStore
}

/**
 * One memory around all connections of a backend: its calls take them in turn. So nothing is given back past it, and it may remember for as
 * long as it likes.
 */
export function remembered(below: RateLimitStoreUnderTest): Remembered {
  let trips = 0
  let elapsed = 0
  // What passes, as the clock of the machine has it: never back, whatever the store's own clock does.
  const clock: Clock = { now: () => elapsed }
  const connections: readonly RateLimitStore[] = [below.store, ...(below.peers ?? [])]
  const declare = (policies: readonly ScopedPolicy[]): void => {
    // As one store does, each of them knows what any was told of.
    for (const connection of connections) connection.declare?.(policies)
  }
  const next = (policies: readonly ScopedPolicy[]): RateLimitStore => {
    declare(policies)
    trips += 1
    return connections[trips % connections.length] ?? below.store
  }
  const counting: RateLimitStore = {
    declare,
    consume: (keys, policies, cost) => next(policies).consume(keys, policies, cost),
    adjust: (keys, policies, ...change) => next(policies).adjust(keys, policies, ...change),
  }
  const store = rememberExhausted(counting, { clock, maxAge: Number.POSITIVE_INFINITY })
  const subject: RateLimitStoreUnderTest = {
    store,
    peers: connections.slice(1).map(() => store),
    now: () => below.now(),
    async advance(milliseconds) {
      elapsed += Math.max(0, milliseconds)
      await below.advance(milliseconds)
    },
    close: () => below.close(),
  }
  return { subject, trips: () => trips, another: (maxAge) => rememberExhausted(counting, { clock, maxAge }) }
}

export function openExhaustedContext(below: RateLimitStoreUnderTest): ExhaustedContext {
  const { subject, trips, another } = remembered(below)
  const context = openRateLimitContext(subject)
  return {
    ...context,
    trips,
    another,
    bare: below.store,
    async ask(key, policies, cost = 1) {
      const before = trips()
      const keys = policies.map(() => key)
      const verdict = await context.consume(keys, policies, cost)
      return { known: trips() === before, verdict }
    },
  }
}

/** A request that nothing is told of but its address. */
export function requestFrom(ip: string): RequestView {
  return {
    method: 'GET',
    target: '/',
    headers: {},
    client: { ip, secure: true, host: 'api.example' },
    socket: undefined,
    route: undefined,
    body: () => Promise.reject(new TypeError('there is no body')),
    signal: new AbortController().signal,
  }
}
