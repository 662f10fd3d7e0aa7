import type { Claims } from './claims.ts'
import { FingerprintTable } from './fingerprint-table.ts'
import { CLOCK_DIFFERENCE, type RevocationEntry } from './revocation.ts'

/** Options of {@link RevocationSets}. */
export interface RevocationSetsOptions {
  /** The longest `exp` − `iat`, in seconds. */
  readonly maxTokenLifetime: number
  readonly maxEntries: number
}

/** What became of an entry: `known` also means that its time is over. */
export type Applied = 'new' | 'known' | 'full'

/**
 * Everything that is revoked, in memory: one table for each kind, and one number for `all`.
 *
 * How long an entry stays follows from the token that lives longest: issued by a clock that is `CLOCK_DIFFERENCE` ahead in the second
 * of the revocation, and accepted by a verifier for `CLOCK_DIFFERENCE` after it expired.
 */
export class RevocationSets {
  readonly #lifetime: number
  readonly #maxEntries: number
  readonly #until: Readonly<Record<'token' | 'grant', FingerprintTable>>
  readonly #before: Readonly<Record<'session' | 'subject' | 'client', FingerprintTable>>
  #allBefore = 0
  #compactedAt = Number.NEGATIVE_INFINITY

  constructor({ maxTokenLifetime, maxEntries }: RevocationSetsOptions) {
    this.#lifetime = maxTokenLifetime
    this.#maxEntries = maxEntries
    const until = { keptFor: 0 }
    const before = { keptFor: maxTokenLifetime + CLOCK_DIFFERENCE }
    this.#until = { token: new FingerprintTable(until), grant: new FingerprintTable(until) }
    const [session, subject, client] = [new FingerprintTable(before), new FingerprintTable(before), new FingerprintTable(before)]
    this.#before = { session, subject, client }
  }

  /** Entries, including those whose time is over and that have not been dropped yet. */
  get counts(): { readonly [kind in RevocationEntry['kind']]: number } {
    const { token, grant } = this.#until
    const { session, subject, client } = this.#before
    const all = this.#allBefore === 0 ? 0 : 1
    return { token: token.size, grant: grant.size, session: session.size, subject: subject.size, client: client.size, all }
  }

  get bytes(): number {
    return this.#tables().reduce((sum, table) => sum + table.bytes, 0)
  }

  /** @param now seconds since the epoch */
  hits(claims: Claims, now: number): boolean {
    const { jti, sid, grant_id: grantId, sub, client_id: clientId, iat } = claims
    const { token, grant } = this.#until
    const { session, subject, client } = this.#before
    // A token without a time of issue can't be shown to be newer.
    const issuedAt = iat === undefined ? 0 : Math.floor(iat)
    if (this.#allBefore >= issuedAt && this.#allBefore !== 0) return true
    if (jti !== undefined && token.get(jti, now) !== 0) return true
    if (typeof sid === 'string' && isBefore(issuedAt, session.get(sid, now))) return true
    if (typeof grantId === 'string' && grant.get(grantId, now) !== 0) return true
    if (sub !== undefined && isBefore(issuedAt, subject.get(sub, now))) return true
    return clientId !== undefined && isBefore(issuedAt, client.get(clientId, now))
  }

  /** @param now seconds since the epoch */
  apply(entry: RevocationEntry, now: number): Applied {
    const { kind, id, time = 0 } = entry
    if (kind === 'all') {
      if (time <= this.#allBefore) return 'known'
      this.#allBefore = time
      return 'new'
    }
    const isTimed = kind === 'session' || kind === 'subject' || kind === 'client'
    const table = isTimed ? this.#before[kind] : this.#until[kind]
    const number = isTimed ? Math.max(time, 1) : this.#endOf(entry)
    if (table.isOver(number, now)) return 'known'
    // What is there already needs no room: feeds answer entries more than once.
    if (table.get(id, now) === 0 && !this.hasRoom(now)) return 'full'
    return table.raise(id, number, now) ? 'new' : 'known'
  }

  /** @param now seconds since the epoch */
  hasRoom(now: number): boolean {
    if (this.#size() < this.#maxEntries) return true
    // Looking through everything is work, and within a second nothing more expires.
    if (Math.abs(now - this.#compactedAt) < 1) return false
    this.#compactedAt = now
    for (const table of this.#tables()) table.compact(now)
    return this.#size() < this.#maxEntries
  }

  /** When the last token that an entry hits is over, in seconds since the epoch. */
  #endOf({ revokedAt, time }: RevocationEntry): number {
    const longest = revokedAt + CLOCK_DIFFERENCE + this.#lifetime + CLOCK_DIFFERENCE
    // Whoever signs tokens that live for years is refused anyway: no memory for those.
    return Math.min(longest, (time ?? longest) + CLOCK_DIFFERENCE, 0xffff_ffff)
  }

  #size(): number {
    return this.#tables().reduce((sum, table) => sum + table.size, 0)
  }

  #tables(): readonly FingerprintTable[] {
    return [...Object.values(this.#until), ...Object.values(this.#before)]
  }
}

function isBefore(issuedAt: number, time: number): boolean {
  return time !== 0 && issuedAt <= time
}
