import { randomBytes } from 'node:crypto'
import { type Breaker, type Clock, type Collection, createBreaker, type Store, systemClock } from '@portcullis/core'
import { TokenError } from './errors.ts'
import { seconds } from './options.ts'
import {
  type PublishedRevocation,
  type RevocationBatch,
  type RevocationCursor,
  type RevocationFeed,
  retentionFor,
} from './revocation-feed.ts'

/** Options of {@link createStoreRevocationFeed}. */
export interface StoreRevocationFeedOptions {
  /** One that all processes share. */
  readonly store: Store
  /** Tells the feeds of one store apart, one for each issuer: lower-case letters, digits and `_`. Default: `default`. */
  readonly name?: string
  /** As the followers have it, in seconds. Default: 3600. */
  readonly maxTokenLifetime?: number
  /** How often a follower reads, in milliseconds. Default: 1000. */
  readonly interval?: number
  /**
   * How far behind the newest entry a follower reads again, in seconds: as far as the clocks of writers differ, and as long as a
   * write takes from being timed to being seen. An entry that is later than that waits for the whole to be read again. Default: 10.
   */
  readonly overlap?: number
  /** For each call to the store, in milliseconds. Default: 2000. */
  readonly timeout?: number
  readonly clock?: Clock
}

type Kept = { readonly entry: string }

interface Settings {
  readonly name: string
  /** Milliseconds, as all below. */
  readonly overlap: number
  readonly timeout: number
  readonly clock: Clock
}

const PAGE = 1000
// How often everything is read again, a page with each read.
const REREAD_EVERY = 60_000
const TIME_DIGITS = 15

/**
 * A feed in a store, which followers ask again and again: memory, SQLite or PostgreSQL alike. Entries expire in the store by
 * themselves.
 *
 * Ids sort by the writer's time. Each read begins `overlap` before the newest entry, and never later than that before the follower's
 * own time, so that a writer whose clock is ahead does not hide what the others write. Once a minute the whole is read again, one
 * page of 1,000 with each read: a writer whose clock is behind by more than `overlap` is late, and not lost.
 *
 * @throws TokenError `tokens.options_invalid`
 * @example const feed = createStoreRevocationFeed({ store })
 */
export function createStoreRevocationFeed(options: StoreRevocationFeedOptions): RevocationFeed {
  return new StoreRevocationFeed(options)
}

class StoreRevocationFeed implements RevocationFeed {
  readonly retention: number
  readonly interval: number
  readonly #settings: Settings
  readonly #entries: Collection<Kept>
  readonly #writing: Breaker
  readonly #cursors = new Set<RevocationCursor>()
  #closed = false

  constructor(options: StoreRevocationFeedOptions) {
    const { name = 'default', clock = systemClock } = options
    if (!/^[a-z0-9_]{1,40}$/.test(name)) throw new TokenError('tokens.options_invalid', 'name must match [a-z0-9_]{1,40}')
    this.retention = retentionFor(seconds('maxTokenLifetime', options.maxTokenLifetime ?? 3600, { min: 1, max: 31_536_000 }))
    this.interval = 1000 * seconds('interval', (options.interval ?? 1000) / 1000, { min: 0.001, max: 3600 })
    const overlap = 1000 * seconds('overlap', options.overlap ?? 10, { min: 0, max: 3600 })
    const timeout = 1000 * seconds('timeout', (options.timeout ?? 2000) / 1000, { min: 0.001, max: 60 })
    this.#settings = { name, overlap, timeout, clock }
    this.#writing = createBreaker({ timeout, unavailable })
    this.#entries = options.store.collection<Kept>({ name: 'tokens.revocations', indexes: ['feed'] })
  }

  async publish(entry: string): Promise<void> {
    if (this.#closed) throw closed()
    const { name, clock } = this.#settings
    const now = clock.now()
    // Random behind the time: two writers in one millisecond are two entries.
    const id = `${name}.${idTime(now)}.${randomBytes(12).toString('hex')}`
    const expiresAt = Math.ceil(now + this.retention * 1000)
    const created = await this.#writing.run(() => this.#entries.create(id, { entry }, { expiresAt, index: { feed: name } }))
    if (!created) throw new TokenError('tokens.revocations_unavailable', 'a new entry was there already', { status: 503 })
  }

  follow(): RevocationCursor {
    if (this.#closed) throw closed()
    const cursor = new StoreCursor(this.#entries, this.#settings, () => this.#cursors.delete(cursor))
    this.#cursors.add(cursor)
    return cursor
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const cursor of this.#cursors) cursor.close()
  }
}

class StoreCursor implements RevocationCursor {
  readonly #entries: Collection<Kept>
  readonly #settings: Settings
  readonly #reading: Breaker
  readonly #onClose: () => void
  /** Where the next page begins, within one pass from the overlap to the end. */
  #place: string
  /** The newest time that was seen, in milliseconds since the epoch. */
  #newest = Number.NEGATIVE_INFINITY
  /** Where the next page of the whole begins; `undefined`: not under way. */
  #wholePlace: string | undefined
  #wholeBegan: number
  #closed = false

  constructor(entries: Collection<Kept>, settings: Settings, onClose: () => void) {
    this.#entries = entries
    this.#settings = settings
    this.#reading = createBreaker({ timeout: settings.timeout, unavailable })
    this.#onClose = onClose
    this.#place = this.#placeAt(0)
    this.#wholeBegan = settings.clock.now()
  }

  async read(): Promise<RevocationBatch> {
    if (this.#closed) throw closed()
    const startedAt = this.#settings.clock.now()
    const page = await this.#page(this.#place)
    const last = page.at(-1)
    if (last !== undefined) this.#newest = Math.max(this.#newest, timeOf(last.id))
    if (page.length === PAGE && last !== undefined) {
      this.#place = last.id
      return { entries: page.map(published), more: true }
    }
    const again = await this.#pageOfWhole(startedAt)
    this.#place = this.#placeAt(Math.min(this.#newest, startedAt) - this.#settings.overlap)
    return { entries: [...page, ...again].map(published), more: false }
  }

  close(): void {
    this.#closed = true
    this.#onClose()
  }

  async #pageOfWhole(now: number): Promise<readonly Read[]> {
    if (this.#wholePlace === undefined) {
      if (Math.abs(now - this.#wholeBegan) < REREAD_EVERY) return []
      this.#wholeBegan = now
      this.#wholePlace = this.#placeAt(0)
    }
    const page = await this.#page(this.#wholePlace)
    this.#wholePlace = page.length === PAGE ? page.at(-1)?.id : undefined
    return page
  }

  #page(after: string): Promise<readonly Read[]> {
    return this.#reading.run(async () => {
      const page: Read[] = []
      for await (const { id, value } of this.#entries.find('feed', this.#settings.name, { after, limit: PAGE })) {
        page.push({ id, entry: value.entry })
      }
      return page
    })
  }

  /** An id that sorts before all of that time. */
  #placeAt(time: number): string {
    return `${this.#settings.name}.${idTime(Math.max(time, 0))}`
  }
}

interface Read {
  readonly id: string
  readonly entry: string
}

function published({ id, entry }: Read): PublishedRevocation {
  return { entry, publishedAt: timeOf(id) }
}

function idTime(milliseconds: number): string {
  return String(Math.floor(milliseconds)).padStart(TIME_DIGITS, '0')
}

function timeOf(id: string): number {
  return Number(id.split('.')[1])
}

function unavailable(why: 'late' | 'open', timeout: number): TokenError {
  const message = why === 'late' ? `the store had no answer within ${timeout} ms` : 'the store has not answered lately'
  return new TokenError('tokens.revocations_unavailable', message, { status: 503 })
}

function closed(): TokenError {
  return new TokenError('tokens.revocations_unavailable', 'the feed was closed', { status: 503 })
}
