import { type Clock, systemClock } from '@portcullis/core'
import type { RevocationBatch, RevocationCursor, RevocationFeed } from '@portcullis/tokens'
import { checkClient, type RedisClient } from './client.ts'
import { RedisStoreError } from './errors.ts'
import { type Call, linkTo, type RedisLink } from './link.ts'
import { backendName, within } from './options.ts'
import { entriesOf, FIELD, idOf, type StreamEntry, timeOf } from './stream.ts'

/** Options of {@link createRedisRevocationFeed}. */
export interface RedisRevocationFeedOptions {
  /** An ioredis client, or one for a cluster; it stays the caller's, who closes it. */
  readonly client: RedisClient
  /** What the key begins with: it is `<prefix>:revocations:<name>`. Default: `portcullis`. */
  readonly prefix?: string
  /** Tells feeds apart, one for each issuer: lower-case letters, digits and `_`. Default: `default`. */
  readonly name?: string
  /** As the followers have it, in seconds. Default: 3600. */
  readonly maxTokenLifetime?: number
  /** How often a follower reads, in milliseconds. Default: 250. */
  readonly interval?: number
  /** For each command, in milliseconds. Default: 250. */
  readonly timeout?: number
  readonly clock?: Clock
}

const PAGE = 1000
const TRIM_EVERY = 60_000
// How much longer entries are kept than tokens live, in seconds: @portcullis/tokens asks for four times its largest clock tolerance.
const SPARE = 1200

/**
 * A feed in a Redis stream, for `createRevocations` of `@portcullis/tokens`. Redis 6.2 or later, Valkey, and their clusters: it is
 * one key.
 *
 * Followers ask with `XRANGE` at an interval, from the entry that they read last, itself included. That it is there still, unchanged,
 * shows that nothing was lost behind it; where it is not, since the stream was trimmed, flushed, or comes from a replica that lagged,
 * the whole is read again. `XREAD BLOCK` would save the interval, and show none of this: on it, a connection that has died, or a stream
 * that begins anew with lower ids, looks like one on which nothing happens.
 *
 * @throws RedisStoreError `store_redis.options_invalid`
 * @example const feed = createRedisRevocationFeed({ client: new Redis() })
 */
export function createRedisRevocationFeed(options: RedisRevocationFeedOptions): RevocationFeed {
  return new RedisRevocationFeed(options)
}

class RedisRevocationFeed implements RevocationFeed {
  readonly retention: number
  readonly interval: number
  readonly #key: string
  readonly #link: RedisLink
  readonly #clock: Clock
  readonly #cursors = new Set<RevocationCursor>()
  #trimmedAt = Number.NEGATIVE_INFINITY
  #closed = false

  constructor(options: RedisRevocationFeedOptions) {
    const { client, prefix = 'portcullis', name = 'default', clock = systemClock } = options
    checkClient(client)
    if (typeof prefix !== 'string' || prefix === '') {
      throw new RedisStoreError('store_redis.options_invalid', 'prefix must be a string that is not empty')
    }
    if (!/^[a-z0-9_]{1,40}$/.test(name)) {
      throw new RedisStoreError('store_redis.options_invalid', 'name must match [a-z0-9_]{1,40}')
    }
    this.retention = SPARE + within('maxTokenLifetime', options.maxTokenLifetime ?? 3600, { min: 1, max: 31_536_000 })
    this.interval = within('interval', options.interval ?? 250, { min: 1, max: 3_600_000 })
    const timeout = within('timeout', options.timeout ?? 250, { min: 1, max: 60_000 })
    this.#link = linkTo(client, timeout, backendName(), clock)
    this.#key = `${prefix}:revocations:${name}`
    this.#clock = clock
  }

  async publish(entry: string): Promise<void> {
    if (this.#closed) throw closed()
    const id = idOf(await this.#link.send(write(this.#key), 'XADD', this.#key, '*', FIELD, entry))
    await this.#trim(timeOf(id))
  }

  follow(): RevocationCursor {
    if (this.#closed) throw closed()
    const cursor = new RedisCursor(this.#link, this.#key, () => this.#cursors.delete(cursor))
    this.#cursors.add(cursor)
    return cursor
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const cursor of this.#cursors) cursor.close()
  }

  /** By age and never by length: what is live must not make room for what is new. */
  async #trim(serverTime: number): Promise<void> {
    if (Math.abs(serverTime - this.#trimmedAt) < TRIM_EVERY) return
    // Old by both clocks: one alone that has jumped ahead would take what is live.
    const oldest = Math.floor(Math.min(serverTime, this.#clock.now()) - this.retention * 1000)
    await this.#link.send(write(this.#key), 'XTRIM', this.#key, 'MINID', '~', `${Math.max(oldest, 0)}-0`)
    this.#trimmedAt = serverTime
  }
}

class RedisCursor implements RevocationCursor {
  readonly #link: RedisLink
  readonly #key: string
  readonly #onClose: () => void
  #last: StreamEntry | undefined
  #closed = false

  constructor(link: RedisLink, key: string, onClose: () => void) {
    this.#link = link
    this.#key = key
    this.#onClose = onClose
  }

  async read(): Promise<RevocationBatch> {
    if (this.#closed) throw closed()
    const last = this.#last
    const call: Call = { key: this.#key, repeatable: true }
    const range = entriesOf(await this.#link.send(call, 'XRANGE', this.#key, last?.id ?? '-', '+', 'COUNT', String(PAGE + 1)))
    const [first] = range
    if (last !== undefined && (first?.id !== last.id || first.text !== last.text)) {
      this.#last = undefined
      return { entries: [], more: true }
    }
    this.#last = range.at(-1)
    const entries = last === undefined ? range : range.slice(1)
    return { entries: entries.map(({ id, text }) => ({ entry: text, publishedAt: timeOf(id) })), more: range.length > PAGE }
  }

  close(): void {
    this.#closed = true
    this.#onClose()
  }
}

/** Followers take an entry that comes twice for one. */
function write(key: string): Call {
  return { key, repeatable: true, wrote: () => true }
}

function closed(): RedisStoreError {
  return new RedisStoreError('store_redis.closed', 'the feed was closed', { status: 503 })
}
