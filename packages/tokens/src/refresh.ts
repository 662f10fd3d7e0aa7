import { randomBytes } from 'node:crypto'
import { type Clock, type Collection, type EventContext, type Json, type Sealer, type Store, systemClock } from '@portcullis/core'
import { decodeBase64url } from './base64url.ts'
import { TokenError } from './errors.ts'
import { type RefreshEvent, refreshEndedEvent, refreshIssuedEvent, refreshReuseEvent, refreshRotatedEvent } from './events.ts'
import { seconds } from './options.ts'
import { matchesHash, tokenHash } from './reference-token.ts'
import { INVALID_GRANT, type Refused, refused } from './refused.ts'
import type { Revocation, Revoker } from './revocation.ts'

/** What a refresh token stands for. Whatever else the caller keeps with it comes back unchanged: JSON. */
export type RefreshGrant = {
  readonly subject: string
  readonly clientId: string
  readonly scopes: readonly string[]
  /** The session that the grant came out of; `endSession` ends its families. */
  readonly sessionId?: string
  /** Seconds since the epoch. */
  readonly authTime?: number
  readonly acr?: string
  readonly amr?: readonly string[]
  readonly tenant?: string
  readonly audience?: string | readonly string[]
  /** Thumbprint of the DPoP key that every use must prove to hold (RFC 9449 §5): for clients that can't authenticate. */
  readonly jkt?: string
} & { readonly [member: string]: Json | undefined }

/** Options of {@link createRefreshTokens}. */
export interface RefreshTokensOptions {
  readonly store: Store
  /** Seals the one token that is kept for a retry. */
  readonly sealer: Sealer
  /** Seconds without use after which a family is over. Default: 1,209,600 (14 days). */
  readonly idleLifetime?: number
  /** Seconds after which a family is over however much it is used. Default: 2,592,000 (30 days). */
  readonly absoluteLifetime?: number
  /** Seconds in which the token that was just replaced gets the same answer again. Default: 10; at most 60. */
  readonly grace?: number
  /**
   * Ends the access tokens with their family: those that name it as `grant_id` (RFC 7009 §2.1, RFC 9700 §4.14.2). Default: they
   * live until they expire.
   */
  readonly revocations?: Revoker
  readonly clock?: Clock
}

/** Who uses a refresh token. */
export interface RefreshUse {
  /** The client that authenticated, or says who it is where it can't. */
  readonly clientId: string
  /** Thumbprint of the DPoP key that it has just proven to hold. */
  readonly jkt?: string
}

/** A refresh token that was given out. */
export interface IssuedRefreshToken {
  readonly token: string
  /** Of all tokens that follow from one grant. Not secret: nobody gets anywhere with it. */
  readonly familyId: string
  /** Milliseconds since the epoch: when it ends unless it is used. */
  readonly expiresAt: number
}

/** Why a refresh token is refused. The client is told `invalid_grant` for each (RFC 6749 §5.2). */
export type RefreshReasonCode =
  | 'tokens.refresh_malformed'
  | 'tokens.refresh_unknown'
  | 'tokens.refresh_expired'
  | 'tokens.refresh_client_mismatch'
  | 'tokens.refresh_key_mismatch'
  | 'tokens.refresh_reused'

/** What {@link RefreshTokens.rotate} answers. */
export type RotateResult = ({ readonly ok: true; readonly grant: RefreshGrant } & IssuedRefreshToken) | Refused<RefreshReasonCode>

/** Refresh tokens in families: each is used once, and hands over to the next. */
export interface RefreshTokens {
  /** Begins a family. @throws TokenError `tokens.grant_invalid` */
  issue(grant: RefreshGrant, context?: EventContext): Promise<IssuedRefreshToken>
  /**
   * Exchanges a token for its successor. The token before the current one gets that same successor again while the grace lasts, so
   * that a lost answer or a second tab signs nobody out; any other use of a spent token ends the family (RFC 9700 §4.14.2).
   * @throws TokenError `tokens.refresh_contended` (503) when the store lets no attempt through
   */
  rotate(token: string, use: RefreshUse, context?: EventContext): Promise<RotateResult>
  /** Ends one family, with its access tokens where there are `revocations`. False: there was none. */
  endFamily(familyId: string, context?: EventContext): Promise<boolean>
  /** RFC 7009: ends the family of a token, whichever of its tokens it is. False: none, or another client's. */
  revoke(token: string, options: { readonly clientId: string }, context?: EventContext): Promise<boolean>
  /** Ends all families of a subject, and all its access tokens: a changed password, a closed account. Answers how many families. */
  endAll(subject: string, context?: EventContext): Promise<number>
  /** Ends all families that came out of a session, and its access tokens. Answers how many families. */
  endSession(sessionId: string, context?: EventContext): Promise<number>
}

/*
 * A token is 48 random bytes. The first 16 only find the family, by their hash, so that a family's id, which is in events and
 * logs, lets nobody address it, let alone end it; the last 32 are the secret. Kept are hashes of whole tokens.
 */
const HANDLE_BYTES = 16
const TOKEN_BYTES = HANDLE_BYTES + 32

type Family = {
  readonly grant: RefreshGrant
  /** SHA-256 of the token that is good now. */
  readonly current: string
  /** The one before it, and its answer, kept for a retry. */
  readonly previous?: { readonly hash: string; readonly replacedAt: number; readonly answer: string }
  /** Milliseconds since the epoch, both. */
  readonly idleUntil: number
  readonly absoluteUntil: number
} & { readonly [member: string]: Json | undefined }

const MALFORMED = refused('tokens.refresh_malformed', 'not a refresh token of this server', INVALID_GRANT)
const UNKNOWN = refused('tokens.refresh_unknown', 'no such family: it never was, has ended or has expired', INVALID_GRANT)
const EXPIRED = refused('tokens.refresh_expired', 'the family has reached its idle or absolute lifetime', INVALID_GRANT)
const CLIENT = refused('tokens.refresh_client_mismatch', 'the token belongs to another client', INVALID_GRANT)
const KEY = refused(
  'tokens.refresh_key_mismatch',
  'the token is bound to a key, and the request proves to hold none or another',
  INVALID_GRANT,
)
const REUSED = refused('tokens.refresh_reused', 'the token was used before; its family has ended', INVALID_GRANT)

// Each failed attempt means that another one went through, and after one such this caller is in its grace or refused.
const MAX_ATTEMPTS = 8

/**
 * @throws TokenError `tokens.options_invalid`
 * @example const refresh = createRefreshTokens({ store, sealer }); const { token } = await refresh.issue(grant)
 */
export function createRefreshTokens(options: RefreshTokensOptions): RefreshTokens {
  return new StoredRefreshTokens(options)
}

class StoredRefreshTokens implements RefreshTokens {
  readonly #families: Collection<Family>
  readonly #sealer: Sealer
  readonly #clock: Clock
  readonly #idle: number
  readonly #absolute: number
  readonly #grace: number
  readonly #revocations: Revoker | undefined

  constructor(options: RefreshTokensOptions) {
    this.#idle = 1000 * seconds('idleLifetime', options.idleLifetime ?? 1_209_600, { min: 1, max: 31_536_000 })
    this.#absolute = 1000 * seconds('absoluteLifetime', options.absoluteLifetime ?? 2_592_000, { min: 1, max: 63_072_000 })
    this.#grace = 1000 * seconds('grace', options.grace ?? 10, { min: 0, max: 60 })
    this.#sealer = options.sealer
    this.#revocations = options.revocations
    this.#clock = options.clock ?? systemClock
    this.#families = options.store.collection<Family>({ name: 'tokens.refresh', indexes: ['subject', 'session'] })
  }

  async issue(grant: RefreshGrant, context: EventContext = {}): Promise<IssuedRefreshToken> {
    if (!grant.subject || !grant.clientId) throw new TokenError('tokens.grant_invalid', 'a grant needs a subject and a clientId')
    const now = this.#clock.now()
    const bytes = randomBytes(TOKEN_BYTES)
    const token = bytes.toString('base64url')
    const familyId = familyOf(bytes)
    const absoluteUntil = now + this.#absolute
    const idleUntil = Math.min(now + this.#idle, absoluteUntil)
    const family: Family = { grant, current: tokenHash(token), idleUntil, absoluteUntil }
    if (!(await this.#families.create(familyId, family, this.#kept(family)))) {
      throw new TokenError('tokens.refresh_contended', 'a new family was there already', { status: 503 })
    }
    refreshIssuedEvent.publish(describe(familyId, grant), { clock: this.#clock, ...context })
    return { token, familyId, expiresAt: idleUntil }
  }

  async rotate(token: string, use: RefreshUse, context: EventContext = {}): Promise<RotateResult> {
    const bytes = parse(token)
    if (bytes === undefined) return MALFORMED
    const familyId = familyOf(bytes)
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const stored = await this.#families.get(familyId)
      if (stored === undefined) return UNKNOWN
      const { value: family, version } = stored
      // Before anything else: another client's mistake, or theft, must not end this one's family.
      if (family.grant.clientId !== use.clientId) return CLIENT
      // RFC 9449 §5: nor must one who does not hold the key, which is what binding the token to it is for.
      if (family.grant.jkt !== undefined && family.grant.jkt !== use.jkt) return KEY
      const now = this.#clock.now()
      if (now >= family.idleUntil || now >= family.absoluteUntil) return EXPIRED
      if (!matchesHash(token, family.current)) return this.#retry(token, familyId, family, now, context)

      const next = this.#successor(bytes, token, familyId, family, now)
      if (!(await this.#families.replace(familyId, version, next.family, this.#kept(next.family)))) continue
      refreshRotatedEvent.publish(describe(familyId, family.grant), { clock: this.#clock, ...context })
      return { ok: true, token: next.token, grant: family.grant, familyId, expiresAt: next.family.idleUntil }
    }
    throw new TokenError('tokens.refresh_contended', 'the family kept changing', { status: 503 })
  }

  #successor(bytes: Buffer, token: string, familyId: string, family: Family, now: number): { token: string; family: Family } {
    const secret = randomBytes(TOKEN_BYTES - HANDLE_BYTES)
    const next = Buffer.concat([bytes.subarray(0, HANDLE_BYTES), secret]).toString('base64url')
    const answer = this.#sealer.seal(Buffer.from(next), retryContext(familyId))
    return {
      token: next,
      family: {
        grant: family.grant,
        current: tokenHash(next),
        previous: { hash: tokenHash(token), replacedAt: now, answer },
        idleUntil: Math.min(now + this.#idle, family.absoluteUntil),
        absoluteUntil: family.absoluteUntil,
      },
    }
  }

  /** A token that was replaced: once more the same answer, or the end. */
  async #retry(token: string, familyId: string, family: Family, now: number, context: EventContext): Promise<RotateResult> {
    const { previous, grant } = family
    if (previous !== undefined && matchesHash(token, previous.hash) && Math.abs(now - previous.replacedAt) < this.#grace) {
      const again = Buffer.from(this.#sealer.open(previous.answer, retryContext(familyId))).toString()
      return { ok: true, token: again, grant, familyId, expiresAt: family.idleUntil }
    }
    // RFC 9700 §4.14.2: one of two holders is a thief, and nobody can tell which.
    await this.#revoke({ kind: 'grant', id: familyId }, context)
    await this.#families.remove(familyId)
    const whose = describe(familyId, grant)
    refreshReuseEvent.publish(whose, { clock: this.#clock, ...context })
    refreshEndedEvent.publish(whose, { clock: this.#clock, ...context })
    return REUSED
  }

  async endFamily(familyId: string, context: EventContext = {}): Promise<boolean> {
    if ((await this.#families.get(familyId)) === undefined) return false
    await this.#revoke({ kind: 'grant', id: familyId }, context)
    const family = await this.#families.take(familyId)
    if (family === undefined) return false
    refreshEndedEvent.publish(describe(familyId, family.grant), { clock: this.#clock, ...context })
    return true
  }

  async revoke(token: string, options: { readonly clientId: string }, context: EventContext = {}): Promise<boolean> {
    const bytes = parse(token)
    if (bytes === undefined) return false
    const stored = await this.#families.get(familyOf(bytes))
    if (stored === undefined || stored.value.grant.clientId !== options.clientId) return false
    return this.endFamily(stored.id, context)
  }

  endAll(subject: string, context: EventContext = {}): Promise<number> {
    return this.#endBy('subject', subject, context)
  }

  endSession(sessionId: string, context: EventContext = {}): Promise<number> {
    return this.#endBy('session', sessionId, context)
  }

  async #endBy(kind: 'subject' | 'session', id: string, context: EventContext): Promise<number> {
    await this.#revoke({ kind, id }, context)
    let ended = 0
    for await (const stored of this.#families.find(kind, id)) if (await this.endFamily(stored.id, context)) ended += 1
    return ended
  }

  /** Always before the family goes: whoever is interrupted in between finds it still there, and ends it again. */
  async #revoke(revocation: Revocation, context: EventContext): Promise<void> {
    await this.#revocations?.revoke(revocation, context)
  }

  #kept(family: Family): { expiresAt: number; index: Record<string, string> } {
    const { subject, sessionId } = family.grant
    return { expiresAt: family.idleUntil, index: { subject, ...(sessionId !== undefined && { session: sessionId }) } }
  }
}

function parse(token: string): Buffer | undefined {
  if (typeof token !== 'string' || token.length !== (TOKEN_BYTES / 3) * 4) return undefined
  return decodeBase64url(token)
}

function familyOf(bytes: Buffer): string {
  return tokenHash(bytes.subarray(0, HANDLE_BYTES))
}

function retryContext(familyId: string): string {
  return `tokens.refresh:${familyId}`
}

function describe(familyId: string, grant: RefreshGrant): RefreshEvent {
  const { subject, clientId, sessionId } = grant
  return { familyId, subject, clientId, ...(sessionId !== undefined && { sessionId }) }
}
