import { randomBytes } from 'node:crypto'
import { type AuditLog, type AuditRecord, type Collection, createAuditLog, type Json, type Store } from '@portcullis/core'
import { collect, type StoreUnderTest } from './store-subject.ts'

/** What a behaviour is checked on. */
export interface AuditContext extends StoreUnderTest {
  /** A log that no other test uses, once for each connection. */
  readonly logs: readonly [AuditLog, ...AuditLog[]]
  /** The log's name. */
  readonly name: string
  /** Another log in the same store. */
  open(name: string, options?: { readonly retention?: number }): AuditLog
  /** What is behind all logs: for whoever changes it past the log. */
  readonly batches: Collection<Json>
}

/** One row of the suite. */
export interface AuditBehaviour {
  /** A sentence: what holds. */
  readonly title: string
  check(context: AuditContext): Promise<void>
}

/** How long records are kept in these tests, in seconds. */
export const RETENTION = 3600

export function openAuditContext(subject: StoreUnderTest): AuditContext {
  const name = `log ${randomBytes(8).toString('hex')}`
  const clock = { now: () => subject.now() }
  const on = (store: Store, log: string, retention: number): AuditLog => createAuditLog({ store, name: log, retention, clock })
  const [first, ...others] = [subject.store, ...(subject.peers ?? [])].map((store) => on(store, name, RETENTION))
  return {
    store: subject.store,
    now: () => subject.now(),
    advance: (milliseconds) => subject.advance(milliseconds),
    close: () => subject.close(),
    name,
    logs: [first as AuditLog, ...others],
    open: (log, { retention = RETENTION } = {}) => on(subject.store, log, retention),
    batches: subject.store.collection<Json>({ name: 'core.audit', indexes: ['log'] }),
  }
}

/** Entries by number, in order. */
export function numbered(from: number, count: number): { type: string; time: number; data: { n: number } }[] {
  return Array.from({ length: count }, (_, n) => ({ type: 'test.happened', time: 1000 + from + n, data: { n: from + n } }))
}

/** All that a log has, the oldest first. */
export function all(log: AuditLog): Promise<AuditRecord[]> {
  return collect(log.read({ order: 'ascending' }))
}
