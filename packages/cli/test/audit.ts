import { type AuditHead, createAuditLog, type Store } from '@portcullis/core'

/** Writes 5 batches of 2 records each, and the head after the third. */
export async function fillAudit(store: Store, now: () => number = Date.now): Promise<AuditHead | undefined> {
  const log = createAuditLog({ store, name: 'acme', clock: { now } })
  let anchor: AuditHead | undefined
  for (let n = 1; n <= 5; n++) {
    await log.append([1, 2].map((part) => ({ type: 'invoice.refunded', time: now(), data: { id: `inv_${n}`, part } })))
    if (n === 3) anchor = await log.head()
  }
  return anchor
}
