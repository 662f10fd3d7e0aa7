import { type Clock, systemClock } from '@portcullis/core'
import { TokenError } from './errors.ts'
import { seconds } from './options.ts'
import { type PublishedRevocation, type RevocationCursor, type RevocationFeed, retentionFor } from './revocation-feed.ts'

/** Options of {@link createMemoryRevocationFeed}. */
export interface MemoryRevocationFeedOptions {
  /** As the followers have it, in seconds. Default: 3600. */
  readonly maxTokenLifetime?: number
  /** How many entries are kept. Default: 1,000,000. */
  readonly maxEntries?: number
  readonly clock?: Clock
}

const PAGE = 1000

/**
 * A feed within one process: for tests, and for a service that is one process and may forget what it revoked when it ends.
 *
 * @throws TokenError `tokens.options_invalid`; from `publish`, `tokens.revocations_full` (503)
 */
export function createMemoryRevocationFeed(options: MemoryRevocationFeedOptions = {}): RevocationFeed {
  const { maxEntries = 1_000_000, clock = systemClock } = options
  const retention = retentionFor(seconds('maxTokenLifetime', options.maxTokenLifetime ?? 3600, { min: 1, max: 31_536_000 }))
  if (!Number.isSafeInteger(maxEntries) || maxEntries < 1) {
    throw new TokenError('tokens.options_invalid', 'maxEntries must be a whole number, 1 or more')
  }
  return new MemoryRevocationFeed(retention, maxEntries, clock)
}

class MemoryRevocationFeed implements RevocationFeed {
  readonly retention: number
  readonly interval = 1000
  readonly #maxEntries: number
  readonly #clock: Clock
  readonly #followers = new Set<() => void>()
  #entries: PublishedRevocation[] = []
  /** How many entries were dropped before the first that is kept. */
  #dropped = 0
  #closed = false

  constructor(retention: number, maxEntries: number, clock: Clock) {
    this.retention = retention
    this.#maxEntries = maxEntries
    this.#clock = clock
  }

  async publish(entry: string): Promise<void> {
    this.#assertOpen()
    if (this.#entries.length >= this.#maxEntries) this.#dropOld()
    if (this.#entries.length >= this.#maxEntries) {
      throw new TokenError('tokens.revocations_full', `the feed holds ${this.#maxEntries} live entries`, { status: 503 })
    }
    this.#entries.push({ entry, publishedAt: this.#clock.now() })
    for (const changed of this.#followers) changed()
  }

  follow(changed: () => void = () => {}): RevocationCursor {
    // Two followers may hand in one function.
    const own = (): void => changed()
    this.#followers.add(own)
    let place = 0
    return {
      read: async () => {
        this.#assertOpen()
        const from = Math.max(place - this.#dropped, 0)
        const entries = this.#entries.slice(from, from + PAGE)
        place = this.#dropped + from + entries.length
        return { entries, more: from + entries.length < this.#entries.length }
      },
      close: () => {
        this.#followers.delete(own)
      },
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#followers.clear()
    this.#entries = []
  }

  #dropOld(): void {
    const oldest = this.#clock.now() - this.retention * 1000
    const first = this.#entries.findIndex(({ publishedAt }) => publishedAt > oldest)
    const old = first === -1 ? this.#entries.length : first
    this.#entries = this.#entries.slice(old)
    this.#dropped += old
  }

  #assertOpen(): void {
    if (this.#closed) throw new TokenError('tokens.revocations_unavailable', 'the feed was closed', { status: 503 })
  }
}
