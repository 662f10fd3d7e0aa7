import type { Collection, Json, Store, Stored, WriteOptions } from '@portcullis/core'

/** What is kept of a session. Times in milliseconds since the epoch. */
export type SessionRecord<Data extends Json> = {
  readonly handle: string
  readonly subject?: string
  readonly data: Data
  /** From when the absolute lifetime counts. */
  readonly startedAt: number
  /** To about a minute: see `touchAfter`. */
  readonly seenAt: number
  /** When it is over in any case, where the application said so. */
  readonly until?: number
  /** Counts changes of the data; a visit alone does not change it. */
  readonly revision: number
}

/** How long sessions last. Milliseconds. */
export interface Lifetimes {
  readonly idle: number
  readonly absolute: number
}

/** When a session ends if nobody comes back. */
export function expiryOf(record: SessionRecord<Json>, { idle, absolute }: Lifetimes): number {
  return Math.min(record.seenAt + idle, record.startedAt + absolute, record.until ?? Number.POSITIVE_INFINITY)
}

/** Whether the visit at `now` must be written down: not at each one, which would make every read a write. */
export function isVisitDue(record: SessionRecord<Json>, now: number, { idle }: Lifetimes): boolean {
  return now - record.seenAt >= Math.min(60_000, idle / 4)
}

/** Sessions of one kind, in a store. */
export interface SessionRecords<Data extends Json> {
  readonly collection: Collection<SessionRecord<Data>>
  /** How a record is written: with its expiry and under its indexes. */
  options(record: SessionRecord<Data>): WriteOptions
  ofSubject(subject: string): AsyncIterable<Stored<SessionRecord<Data>>>
  ofHandle(handle: string): AsyncIterable<Stored<SessionRecord<Data>>>
}

/** @param cookieName parts kinds of sessions that share a store */
export function sessionRecords<Data extends Json>(store: Store, cookieName: string, lifetimes: Lifetimes): SessionRecords<Data> {
  const collection = store.collection<SessionRecord<Data>>({
    name: 'sessions.sessions',
    indexes: ['subject', 'handle'],
    keep: 'hot',
  })
  // A cookie's name holds no space, so two kinds never share a key.
  const indexKey = (key: string): string => `${cookieName} ${key}`
  return {
    collection,
    options: (record) => ({
      expiresAt: expiryOf(record, lifetimes),
      index: {
        handle: indexKey(record.handle),
        ...(record.subject === undefined ? {} : { subject: indexKey(record.subject) }),
      },
    }),
    ofSubject: (subject) => collection.find('subject', indexKey(subject)),
    ofHandle: (handle) => collection.find('handle', indexKey(handle)),
  }
}
