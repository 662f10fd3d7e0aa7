import { RedisStoreError } from './errors.ts'

/** An entry of a stream: one field, `entry`. */
export interface StreamEntry {
  /** Milliseconds by the server's clock, `-`, and a number among those of one millisecond. */
  readonly id: string
  /** Empty for an entry that was not written by this package. */
  readonly text: string
}

/** The one field of an entry. */
export const FIELD = 'entry'

/**
 * The reply of `XRANGE`.
 * @throws RedisStoreError `store_redis.reply_invalid`
 */
export function entriesOf(reply: unknown): readonly StreamEntry[] {
  if (!Array.isArray(reply)) throw invalid('XRANGE did not answer a list')
  return reply.map((member: unknown) => {
    if (!Array.isArray(member)) throw invalid('XRANGE did not answer a list of entries')
    const [id, fields]: readonly unknown[] = member
    if (!Array.isArray(fields)) throw invalid('XRANGE answered an entry without fields')
    const text: unknown = fields[0] === FIELD ? fields[1] : ''
    return { id: idOf(id), text: typeof text === 'string' ? text : '' }
  })
}

/**
 * An id, as `XADD` and `XRANGE` answer it.
 * @throws RedisStoreError `store_redis.reply_invalid`
 */
export function idOf(reply: unknown): string {
  if (typeof reply !== 'string' || !/^\d+-\d+$/.test(reply)) throw invalid('an id of a stream is expected')
  return reply
}

/** When an entry was added, in milliseconds since the epoch, by the server's clock. */
export function timeOf(id: string): number {
  return Number(id.slice(0, id.indexOf('-')))
}

function invalid(message: string): RedisStoreError {
  return new RedisStoreError('store_redis.reply_invalid', message)
}
