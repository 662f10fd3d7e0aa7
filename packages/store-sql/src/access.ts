import { setTimeout as pause } from 'node:timers/promises'
import { StoreError } from './errors.ts'

/** The one way to the database. */
export interface Access {
  /** Runs a query, or a whole transaction; again while the database is busy. @throws StoreError */
  run<R>(query: () => Promise<R>): Promise<R>
  /** Waits for what is under way, and closes. Again: does nothing. */
  close(): Promise<void>
}

/**
 * @param busyTimeout milliseconds for which a busy database is asked again
 * @param toStoreError names what the driver throws
 * @param close closes the database
 */
export function createAccess(busyTimeout: number, toStoreError: (error: unknown) => Error, close: () => Promise<void>): Access {
  const underWay = new Set<Promise<unknown>>()
  let closing: Promise<void> | undefined

  async function patiently<R>(query: () => Promise<R>): Promise<R> {
    const deadline = performance.now() + busyTimeout
    for (;;) {
      try {
        return await query()
      } catch (thrown) {
        const error = toStoreError(thrown)
        // Busy means that the statement, or the transaction, did nothing: asking again cannot do it twice.
        const again = error instanceof StoreError && error.code === 'store_sql.busy' && performance.now() < deadline
        if (!again) throw error
        // Uneven, so that processes which collided do not collide again.
        await pause(2 + Math.random() * 8)
      }
    }
  }

  return {
    async run(query) {
      if (closing !== undefined) throw new StoreError('store_sql.closed', 'the store was closed')
      const running = patiently(query)
      underWay.add(running)
      try {
        return await running
      } finally {
        underWay.delete(running)
      }
    },
    close() {
      closing ??= Promise.allSettled(underWay).then(close)
      return closing
    },
  }
}
