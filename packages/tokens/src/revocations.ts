import { type Clock, type EventContext, systemClock } from '@portcullis/core'
import type { Claims } from './claims.ts'
import { TokenError } from './errors.ts'
import { revocationFeedLostEvent, revocationFeedRestoredEvent, revokedEvent } from './events.ts'
import { seconds } from './options.ts'
import { type Refused, refused } from './refused.ts'
import type { Revocation, RevocationCheck, RevocationKind, RevocationReasonCode, Revoker } from './revocation.ts'
import { encodeEntry, entryOf } from './revocation-entry.ts'
import { type RevocationFeed, retentionFor } from './revocation-feed.ts'
import { RevocationFollower } from './revocation-follower.ts'
import { RevocationSets } from './revocation-sets.ts'

/** Options of {@link createRevocations}. */
export interface RevocationsOptions {
  /** What carries revocations from process to process. */
  readonly feed: RevocationFeed
  /**
   * The longest `exp` − `iat`, in seconds: the key ring's. What lives longer is refused, since its revocation would be forgotten
   * before it ends. The same in every process. Default: 3600.
   */
  readonly maxTokenLifetime?: number
  /** How old the last sync with the feed may get, in seconds: the bound on how late a revocation reaches this process. Default: 10. */
  readonly maxDelay?: number
  /**
   * What `check` does about a token that is not known to be revoked, once the feed has been lost for longer than `maxDelay`, or
   * before it was read at all. `refuse`: throws `tokens.revocations_unavailable` (503). `accept`: lets it pass. Default: `refuse`.
   */
  readonly whenLost?: 'refuse' | 'accept'
  /** How many entries are kept. Default: 1,000,000, which take 25 MB. */
  readonly maxEntries?: number
  readonly clock?: Clock
}

/** How things stand. */
export interface RevocationsStatus {
  readonly inSync: boolean
  /** Everything published before this moment is known here: milliseconds since the epoch. */
  readonly lastInSync: number | undefined
  /** Entries by kind, including those whose time is over and that have not been dropped yet. */
  readonly entries: Readonly<Record<RevocationKind, number>>
  /** What the sets take in memory. */
  readonly bytes: number
  /**
   * How long what others revoked took to arrive, in milliseconds: from being published, by the clock of the writer or of the
   * server, to being known here. `undefined`: nothing has arrived since the first sync.
   */
  readonly delay: { readonly last: number | undefined; readonly max: number | undefined }
  /** Why the last reading of the feed failed: a code, or an error's name. */
  readonly failure: string | undefined
}

/** What has been revoked, known in this process and told to all others. */
export interface Revocations extends RevocationCheck, Revoker {
  /**
   * Reads the feed to its end, and then follows it until `close`. Call it at start-up: before it is done, no token is let through
   * unless `whenLost` is `accept`. When it rejects, it goes on trying all the same.
   * @throws TokenError `tokens.revocations_unavailable`, `tokens.revocations_full` (503, both)
   */
  start(): Promise<void>
  /**
   * Reads now what is new in the feed, instead of at its next interval. Everything that was published before the call is known
   * when it resolves.
   * @throws as `start`
   */
  sync(): Promise<void>
  status(): RevocationsStatus
  /** Stops following; then everything is as it was before `start`. The feed is not closed. */
  close(): Promise<void>
}

const REVOKED = refused('tokens.revoked', 'the token, or what it stands on, has been revoked')
const TOO_LONG = refused('tokens.lifetime_too_long', 'exp is further from iat than a revocation is remembered, or iat is missing')

/**
 * Revocation for tokens that verify without a call: every process keeps what is revoked in memory, and a feed carries it to them.
 *
 * One of these belongs to the verifiers of one issuer. Ids of two issuers are not told apart: each issuer has its own, on a feed
 * of its own.
 *
 * When there is no room for an entry, what it says would be forgotten. So `revoke` publishes it, and rejects with
 * `tokens.revocations_full`; and whoever can't take an entry, its own or one out of the feed, counts as having lost the feed from
 * then on, and fails as `whenLost` says. Once enough entries have expired, it reads the whole feed again, and is back.
 *
 * @throws TokenError `tokens.options_invalid`
 * @example const revocations = createRevocations({ feed }); await revocations.start()
 */
export function createRevocations(options: RevocationsOptions): Revocations {
  return new FedRevocations(options)
}

class FedRevocations implements Revocations {
  readonly #feed: RevocationFeed
  readonly #clock: Clock
  readonly #maxTokenLifetime: number
  readonly #maxDelay: number
  readonly #whenLost: 'refuse' | 'accept'
  readonly #sets: RevocationSets
  readonly #follower: RevocationFollower
  #started: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #watch: NodeJS.Timeout | undefined
  #announcedLost = false
  #closed = false

  constructor(options: RevocationsOptions) {
    const { feed, whenLost = 'refuse', maxEntries = 1_000_000, clock = systemClock } = options
    if (typeof feed?.follow !== 'function') throw new TokenError('tokens.options_invalid', 'feed must be a revocation feed')
    if (whenLost !== 'refuse' && whenLost !== 'accept') {
      throw new TokenError('tokens.options_invalid', 'whenLost must be refuse or accept')
    }
    if (!Number.isSafeInteger(maxEntries) || maxEntries < 1) {
      throw new TokenError('tokens.options_invalid', 'maxEntries must be a whole number, 1 or more')
    }
    this.#feed = feed
    this.#clock = clock
    this.#whenLost = whenLost
    this.#maxTokenLifetime = seconds('maxTokenLifetime', options.maxTokenLifetime ?? 3600, { min: 1, max: 31_536_000 })
    this.#maxDelay = 1000 * seconds('maxDelay', options.maxDelay ?? 10, { min: 0.01, max: 3600 })
    if (!(feed.retention >= retentionFor(this.#maxTokenLifetime))) {
      throw new TokenError(
        'tokens.options_invalid',
        'the feed keeps entries for less than maxTokenLifetime asks: give it the same',
      )
    }
    // Read at this pace, one failure would already be an outage.
    if (!(feed.interval > 0 && 2 * feed.interval <= this.#maxDelay)) {
      throw new TokenError('tokens.options_invalid', "maxDelay must be at least twice the feed's interval")
    }
    this.#sets = new RevocationSets({ maxTokenLifetime: this.#maxTokenLifetime, maxEntries })
    this.#follower = new RevocationFollower({ feed, sets: this.#sets, clock, retryAfter: this.#maxDelay })
  }

  check(claims: Claims): Refused<RevocationReasonCode> | undefined {
    const { exp, iat } = claims
    if (iat === undefined || !(exp - iat <= this.#maxTokenLifetime)) return TOO_LONG
    const now = this.#clock.now()
    if (this.#sets.hits(claims, now / 1000)) return REVOKED
    if (this.#isInSync(now)) return undefined
    this.#announceLost()
    if (this.#whenLost === 'accept') return undefined
    throw new TokenError('tokens.revocations_unavailable', 'what has been revoked is not known', { status: 503 })
  }

  start(): Promise<void> {
    this.#started ??= this.#start()
    return this.#started
  }

  async revoke(revocation: Revocation, context: EventContext = {}): Promise<void> {
    const now = Math.floor(this.#clock.now() / 1000)
    const entry = entryOf(revocation, now)
    const applied = this.#sets.apply(entry, now)
    if (applied === 'full') this.#follower.lose('tokens.revocations_full')
    const { kind, id, time } = entry
    revokedEvent.publish(
      { kind, ...(kind !== 'all' && { id }), ...(kind !== 'token' && time !== undefined && { before: time }) },
      { clock: this.#clock, ...context },
    )
    try {
      await this.#feed.publish(encodeEntry(entry))
    } catch (cause) {
      const message = 'it is revoked in this process, and the feed did not take it'
      throw new TokenError('tokens.revocations_unavailable', message, { cause, status: 503 })
    }
    if (applied === 'full') throw new TokenError('tokens.revocations_full', 'no room for another revocation', { status: 503 })
  }

  async sync(): Promise<void> {
    try {
      await this.#follower.sync()
    } catch (error) {
      if (!this.#isInSync(this.#clock.now())) this.#announceLost()
      throw error
    }
    if (!this.#closed) this.#announceRestored()
  }

  status(): RevocationsStatus {
    const now = this.#clock.now()
    const inSync = this.#isInSync(now)
    if (!inSync) this.#announceLost()
    const { lastInSync, delay, failure } = this.#follower
    const known = lastInSync === Number.NEGATIVE_INFINITY ? undefined : lastInSync
    return { inSync, lastInSync: known, entries: this.#sets.counts, bytes: this.#sets.bytes, delay, failure }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    clearInterval(this.#watch)
    this.#follower.close()
  }

  async #start(): Promise<void> {
    // Without a request, and while a read hangs, somebody has to look whether the bound is over.
    this.#watch = setInterval(() => this.status(), this.#maxDelay / 4).unref()
    this.#follower.onChange = () => void this.sync().catch(() => undefined)
    try {
      await this.sync()
    } finally {
      this.#schedule()
    }
  }

  #schedule(): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => {
      this.sync()
        .catch(() => undefined)
        .finally(() => this.#schedule())
    }, this.#feed.interval).unref()
  }

  #isInSync(now: number): boolean {
    // A clock that was set back makes a sync of unknown age, not a fresh one.
    return Math.abs(now - this.#follower.lastInSync) <= this.#maxDelay
  }

  #announceLost(): void {
    if (this.#announcedLost || this.#closed) return
    this.#announcedLost = true
    const { lastInSync, failure } = this.#follower
    revocationFeedLostEvent.publish(
      {
        ...(lastInSync !== Number.NEGATIVE_INFINITY && { lastInSync }),
        ...(failure !== undefined && { cause: failure }),
        whenLost: this.#whenLost,
      },
      { clock: this.#clock },
    )
  }

  #announceRestored(): void {
    if (!this.#announcedLost || !this.#isInSync(this.#clock.now())) return
    this.#announcedLost = false
    const entries = Object.values(this.#sets.counts).reduce((sum, count) => sum + count, 0)
    revocationFeedRestoredEvent.publish({ entries }, { clock: this.#clock })
  }
}
