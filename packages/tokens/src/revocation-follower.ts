import { setImmediate } from 'node:timers/promises'
import { type Clock, PortcullisError } from '@portcullis/core'
import { TokenError } from './errors.ts'
import { decodeEntry } from './revocation-entry.ts'
import type { PublishedRevocation, RevocationCursor, RevocationFeed } from './revocation-feed.ts'
import type { RevocationSets } from './revocation-sets.ts'

/** Options of {@link RevocationFollower}. */
export interface RevocationFollowerOptions {
  readonly feed: RevocationFeed
  readonly sets: RevocationSets
  readonly clock: Clock
  /** Between two attempts to read the whole feed after an entry could not be taken, in milliseconds. */
  readonly retryAfter: number
}

/** Brings what is in a feed into the sets of one process, and knows how far it got. */
export class RevocationFollower {
  readonly #feed: RevocationFeed
  readonly #sets: RevocationSets
  readonly #clock: Clock
  readonly #retryAfter: number
  #cursor: RevocationCursor | undefined
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined
  /** Why an entry is missing here, and since when: no reading counts until the whole feed was read again. */
  #hole: { readonly code: 'tokens.revocations_full' | 'tokens.revocation_invalid'; readonly since: number } | undefined
  #closed = false
  /** Milliseconds since the epoch. */
  lastInSync: number = Number.NEGATIVE_INFINITY
  /** Milliseconds. */
  delay: { readonly last: number | undefined; readonly max: number | undefined } = { last: undefined, max: undefined }
  /** A code, or an error's name. */
  failure: string | undefined
  /** Called when the feed has something new. */
  onChange: () => void = () => {}

  constructor({ feed, sets, clock, retryAfter }: RevocationFollowerOptions) {
    this.#feed = feed
    this.#sets = sets
    this.#clock = clock
    this.#retryAfter = retryAfter
  }

  /** Reads to the end of the feed, from a moment that is not before the call. */
  sync(): Promise<void> {
    if (this.#next === undefined) {
      // A reading that is under way may have looked before the call: what counts is the one behind it, shared by all who wait.
      const before = this.#running?.catch(() => undefined) ?? Promise.resolve()
      this.#next = before.then(() => {
        this.#next = undefined
        this.#running = this.#readToEnd().finally(() => {
          this.#running = undefined
        })
        return this.#running
      })
    }
    return this.#next
  }

  /** An entry could not be taken. */
  lose(code: 'tokens.revocations_full' | 'tokens.revocation_invalid'): void {
    this.failure = code
    this.lastInSync = Number.NEGATIVE_INFINITY
    this.#hole = { code, since: this.#clock.now() }
  }

  close(): void {
    this.#closed = true
    this.lastInSync = Number.NEGATIVE_INFINITY
    this.#dropCursor()
  }

  async #readToEnd(): Promise<void> {
    const startedAt = this.#clock.now()
    try {
      this.#beginAgainAfterHole(startedAt)
      let more = true
      while (more) {
        if (this.#closed) throw new TokenError('tokens.revocations_unavailable', 'it was closed', { status: 503 })
        this.#cursor ??= this.#feed.follow(() => this.onChange())
        const batch = await this.#cursor.read()
        for (const published of batch.entries) {
          this.#take(published)
          if (this.#hole !== undefined) throw this.#holeError(this.#hole.code)
        }
        more = batch.more
        // A driver that answers at once would let nothing else run until the end of a long feed.
        if (more) await setImmediate()
      }
    } catch (error) {
      this.failure = this.#hole?.code ?? nameOf(error)
      if (error instanceof TokenError) throw error
      throw new TokenError('tokens.revocations_unavailable', 'the feed can not be read', { cause: error, status: 503 })
    }
    if (this.#closed || this.#hole !== undefined) return
    this.lastInSync = startedAt
    this.failure = undefined
  }

  #take({ entry: encoded, publishedAt }: PublishedRevocation): void {
    const now = this.#clock.now()
    const entry = decodeEntry(encoded)
    if (entry === undefined) {
      // Something was revoked, and nobody here knows what: a newer version wrote it, or somebody who should not.
      if (now - publishedAt < this.#feed.retention * 1000) this.lose('tokens.revocation_invalid')
      return
    }
    const applied = this.#sets.apply(entry, now / 1000)
    if (applied === 'full') this.lose('tokens.revocations_full')
    // The first reading brings what is old. After it, what is known already was revoked here, or comes for the second time.
    if (applied === 'new' && this.lastInSync !== Number.NEGATIVE_INFINITY) this.#measure(Math.max(now - publishedAt, 0))
  }

  #measure(delay: number): void {
    this.delay = { last: delay, max: Math.max(delay, this.delay.max ?? 0) }
  }

  #beginAgainAfterHole(now: number): void {
    if (this.#hole === undefined) return
    const { code, since } = this.#hole
    // Looking for room, and reading everything, are work: not at every interval.
    if (Math.abs(now - since) < this.#retryAfter) throw this.#holeError(code)
    if (!this.#sets.hasRoom(now / 1000)) {
      this.lose(code)
      throw this.#holeError(code)
    }
    this.#dropCursor()
    this.#hole = undefined
  }

  #holeError(code: 'tokens.revocations_full' | 'tokens.revocation_invalid'): TokenError {
    if (code === 'tokens.revocations_full') {
      return new TokenError(code, 'no room for another revocation', { status: 503 })
    }
    const message = 'the feed has an entry that can not be read'
    return new TokenError('tokens.revocations_unavailable', message, { status: 503 })
  }

  #dropCursor(): void {
    this.#cursor?.close()
    this.#cursor = undefined
  }
}

function nameOf(error: unknown): string {
  if (error instanceof PortcullisError) return error.code
  return error instanceof Error ? error.name : 'unknown'
}
