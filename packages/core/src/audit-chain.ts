import { createHash } from 'node:crypto'
import type { Json } from './store.ts'

/** One write of a log, as it is kept. */
export type AuditBatch = {
  /** The number of its first entry. */
  readonly first: number
  readonly entries: readonly { readonly type: string; readonly time: number; readonly data: Json }[]
  /** The hash of the batch before; null for the first of all. */
  readonly previous: string | null
  /** Until when the batch before is kept, in milliseconds since the epoch: it may be missing afterwards, and not until then. */
  readonly previousUntil: number | null
  /** Until when this one is kept. */
  readonly until: number
  /** SHA-256 of all of the above, and of the log's name; base64url. */
  readonly hash: string
}

/** A place in a log: the number of a record that ends a batch, and the hash of everything up to it. */
export interface AuditHead {
  readonly seq: number
  /** SHA-256, base64url. */
  readonly hash: string
}

/** Milliseconds by which the clock that let a batch expire may be ahead of the one that asks. */
const CLOCK_DIFFERENCE = 300_000

/** Makes the next batch of a log. */
export function seal(log: string, before: AuditBatch | undefined, entries: AuditBatch['entries'], until: number): AuditBatch {
  const content = {
    first: before === undefined ? 1 : headOf(before).seq + 1,
    entries,
    previous: before?.hash ?? null,
    previousUntil: before?.until ?? null,
    until,
  }
  return { ...content, hash: hashOf(log, content) }
}

export function headOf({ first, entries, hash }: AuditBatch): AuditHead {
  return { seq: first + entries.length - 1, hash }
}

/** Whether a batch is what was written behind the one before; `before` is `undefined` for the oldest that is kept. */
export function follows(
  log: string,
  before: AuditBatch | undefined,
  batch: AuditBatch,
  now: number,
): 'good' | 'changed' | 'missing' {
  if (batch.hash !== hashOf(log, batch)) return 'changed'
  if (before !== undefined) {
    if (batch.previous === before.hash) return batch.first === headOf(before).seq + 1 ? 'good' : 'changed'
    if (batch.first <= headOf(before).seq + 1) return 'changed'
  }
  if (batch.previousUntil === null) return batch.first === 1 && batch.previous === null ? 'good' : 'changed'
  // The one before is not here. Of two that were kept for different times, the later may have gone first.
  return batch.previousUntil <= now + CLOCK_DIFFERENCE ? 'good' : 'missing'
}

// The members by name and in this order: how a store spells a value is its own affair. Inside an entry's data the order is the one in
// which it was written, which JSON keeps.
function hashOf(log: string, { first, entries, previous, previousUntil, until }: Omit<AuditBatch, 'hash'>): string {
  const plain = entries.map(({ type, time, data }) => [type, time, data])
  return createHash('sha256')
    .update(JSON.stringify([log, first, previous, previousUntil, until, plain]))
    .digest('base64url')
}
