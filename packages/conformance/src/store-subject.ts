import { randomBytes } from 'node:crypto'
import type { Clock, Collection, Json, Store, Stored } from '@portcullis/core'
import { assert } from 'vitest'

/** A clock that stands still until it is moved. Give it to the store under test. */
export interface ManualClock extends Clock {
  /** @param milliseconds how far forward */
  advance(milliseconds: number): void
}

/** @param start milliseconds since the epoch; default: 2030-01-01T00:00:00Z */
export function manualClock(start: number = Date.UTC(2030, 0, 1)): ManualClock {
  let now = start
  return {
    now: () => now,
    advance(milliseconds) {
      now += milliseconds
    },
  }
}

/** One backend, opened. */
export interface StoreUnderTest {
  readonly store: Store
  /** Other connections to the same data, from this process. The races run over all of them. */
  readonly peers?: readonly Store[]
  /** The time as the store sees it, in milliseconds since the epoch. */
  now(): number
  /** Moves that time forward. A backend that goes by its server's clock may wait instead. */
  advance(milliseconds: number): void | Promise<void>
  close(): Promise<void>
}

/** What a behaviour is checked on: a store, and a fresh collection in it. */
export interface StoreContext extends StoreUnderTest {
  /** A name that no other test uses. */
  readonly name: string
  /** Declared with the indexes `user` and `tenant`. */
  readonly collection: Collection<Json>
  /** The same collection, once per connection. */
  readonly connections: readonly Collection<Json>[]
}

/** One row of the suite. */
export interface Behaviour {
  /** A sentence: what holds. */
  readonly title: string
  check(context: StoreContext): Promise<void>
}

export function openContext(subject: StoreUnderTest): StoreContext {
  const name = freshName()
  const declaration = { name, indexes: ['user', 'tenant'] }
  const collection = subject.store.collection<Json>(declaration)
  const peers = (subject.peers ?? []).map((peer) => peer.collection<Json>(declaration))
  return {
    store: subject.store,
    now: () => subject.now(),
    advance: (milliseconds) => subject.advance(milliseconds),
    close: () => subject.close(),
    name,
    collection,
    connections: [collection, ...peers],
  }
}

/** A collection's name that no other test uses: the backend may keep its data from one test to the next. */
function freshName(): string {
  return `suite.t${randomBytes(8).toString('hex')}`
}

/** All of an iterable. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** What is under an id; the test fails when there is nothing. */
export async function existing(collection: Collection<Json>, id: string): Promise<Stored<Json>> {
  const entry = await collection.get(id)
  assert(entry !== undefined, `nothing is under ${id}`)
  return entry
}
