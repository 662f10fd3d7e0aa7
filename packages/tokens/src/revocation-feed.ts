import { CLOCK_DIFFERENCE } from './revocation.ts'

/**
 * How revocations reach every process. A feed keeps what is published for `retention`, and lets any number of followers read it;
 * what the entries say is none of its business.
 *
 * Each of its promises settles in time, whatever is behind it: the deadlines are the feed's. What it can't do rejects.
 */
export interface RevocationFeed {
  /** How long an entry can be read, in seconds. */
  readonly retention: number
  /** How often a follower should read, in milliseconds. */
  readonly interval: number
  /** Resolves once the entry is durable: as much so as anything in this feed. A rejection may leave it published all the same. */
  publish(entry: string): Promise<void>
  /**
   * Begins before the first entry. A feed that learns of new entries by itself calls `changed`, and is then read at once instead of
   * at the next interval; it may call it too often.
   */
  follow(changed?: () => void): RevocationCursor
  /** Ends all followers, and frees what the feed holds. What the caller handed in, such as a store or a client, stays open. */
  close(): Promise<void>
}

/** A follower's place in a feed. One `read` at a time. */
export interface RevocationCursor {
  /**
   * What is there behind the last read, in any order; the first reads answer everything that is kept. Each entry is answered at least
   * once: a read that rejects has read nothing, and where what the cursor stood on has disappeared it begins at the front again.
   */
  read(): Promise<RevocationBatch>
  close(): void
}

/** What a read answers. */
export interface RevocationBatch {
  readonly entries: readonly PublishedRevocation[]
  /** False: everything is read that was published before this read, and the one before it that had `more`, began. */
  readonly more: boolean
}

/** An entry, as followers get it. */
export interface PublishedRevocation {
  readonly entry: string
  /** Milliseconds since the epoch, by the clock of the writer or of the server. */
  readonly publishedAt: number
}

/** How long a feed has to keep entries, in seconds: as long as any verifier needs them, by clocks that differ from its own. */
export function retentionFor(maxTokenLifetime: number): number {
  return maxTokenLifetime + 4 * CLOCK_DIFFERENCE
}
