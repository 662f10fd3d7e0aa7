import { type AttemptGuard, type Clock, type EventContext, epochSeconds, type Stored } from '@portcullis/core'
import { type AccessTokenRequest, accessTokenClaims } from './access-token.ts'
import {
  type ApiKeyInfo,
  type ApiKeyOwner,
  type ApiKeyRecord,
  describeEvent,
  describeKey,
  isOwnedBy,
  scopesOf,
} from './api-key.ts'
import { TokenError } from './errors.ts'
import { apiKeyIssuedEvent, apiKeyRevokedEvent, apiKeyRotatedEvent } from './events.ts'
import { type KeyGuessCode, KeyGuesses } from './key-guesses.ts'
import { lifetimeWithin, seconds } from './options.ts'
import { type ReferenceOptions, type ReferenceReasonCode, ReferenceRecords } from './reference-record.ts'
import { type Refused, refused } from './refused.ts'
import type { Verifier, VerifyResult } from './verifier.ts'

/** Options of {@link createApiKeys}. */
export interface ApiKeysOptions extends ReferenceOptions {
  /** What every key begins with, such as `ledger_live`: lower-case letters and digits, in parts with `_` between them. */
  readonly prefix: string
  /** Seconds that a key lives when nothing else is asked. Default: 7,776,000 (90 days). */
  readonly lifetime?: number
  /** The most seconds that may be asked. Default: 31,536,000 (a year); at most 315,360,000. There is no key without an end. */
  readonly maxLifetime?: number
  /**
   * Stands before a key is looked up, and counts wrong ones by the key's id and by address: `createBruteForceGuard({ ...presets.apiKeys })`
   * of `@portcullis/rate-limit`. It needs the request: `bearer` hands it over, who calls `verify` otherwise passes `{ request }`. A key
   * that was right in this process before is not counted. There is none by default: 256 bits can't be guessed, but each guess is a
   * call to the store.
   */
  readonly guard?: AttemptGuard
}

/** A key that is asked for. */
export interface ApiKeyRequest extends ApiKeyOwner, Pick<AccessTokenRequest, 'scopes' | 'roles' | 'claims'> {
  /**
   * What the asking credential is limited to: `principal.scopes`, as it is; `undefined` is no limit, as it is there. To be said
   * each time, because a key that holds more than what it was asked with is a way up.
   */
  readonly within: readonly string[] | undefined
  /** What its owner calls it; 1 to 100 characters. */
  readonly name?: string
  /** The OAuth client that acts, where there is one; the subject itself where a program has the key for itself. */
  readonly clientId?: string
  /** Seconds. Default: the one of {@link ApiKeysOptions}. */
  readonly lifetime?: number
}

/** How a key is replaced. */
export interface RotateKeyOptions extends ApiKeyOwner {
  /** As in {@link ApiKeyRequest}: the new key holds what the old one did, and not everybody may be handed that. */
  readonly within: readonly string[] | undefined
  /** Seconds in which the old key still works. Default: 86,400 (a day); 0 to 604,800 (a week). */
  readonly overlap?: number
}

/** A key that was issued. `key` is here and nowhere else, ever again. */
export interface IssuedApiKey extends ApiKeyInfo {
  readonly key: string
}

/** Why no key is issued. */
export type ApiKeyReasonCode = 'tokens.api_key_unknown' | 'tokens.api_key_rotated' | 'tokens.api_key_scope_exceeded'

/** Why there is no key: for whoever asked for one, hence without the answer that a refused token gets. */
export type ApiKeyRefusal = Pick<Refused<ApiKeyReasonCode>, 'ok' | 'reason'>

/** A key, or why there is none. */
export type ApiKeyResult = ({ readonly ok: true } & IssuedApiKey) | ApiKeyRefusal

/** Keys that programs hold: issued to an owner, each with its own scopes and end. */
export interface ApiKeys extends Verifier<ReferenceReasonCode | KeyGuessCode> {
  /**
   * A regular expression that finds keys in any text, for secret scanners. The last six characters are the CRC-32 of everything
   * before them, in base62 (0-9, A-Z, a-z), as in GitHub's tokens.
   */
  readonly pattern: string
  /** @throws TokenError `tokens.claim_invalid`, `tokens.claim_reserved`, `tokens.lifetime_too_long` */
  issue(request: ApiKeyRequest, context?: EventContext): Promise<ApiKeyResult>
  /**
   * Hands over to a new key with the same grants and the same lifetime. Of several at once, one gets it.
   * @throws TokenError `tokens.reference_contended` (503) when the store lets no attempt through
   */
  rotate(id: string, options: RotateKeyOptions, context?: EventContext): Promise<ApiKeyResult>
  /** The keys of an owner that are alive, in order of id. */
  list(owner: ApiKeyOwner): AsyncIterable<ApiKeyInfo>
  /** Ends a key. False: there is none, or it is somebody else's. */
  revoke(id: string, owner: ApiKeyOwner, context?: EventContext): Promise<boolean>
  /** Ends all keys of an owner. Answers how many. @throws TokenError `tokens.reference_contended` (503) */
  revokeAll(owner: ApiKeyOwner, context?: EventContext): Promise<number>
}

const UNKNOWN = refused('tokens.api_key_unknown', "no such key: it never was, is another owner's, was revoked or has expired")
const ROTATED = refused('tokens.api_key_rotated', 'the key was replaced before')
const EXCEEDED = refused('tokens.api_key_scope_exceeded', 'the key would hold more than the credential that asks for it')

const MAX_LIFETIME = 315_360_000
const MAX_OVERLAP = 604_800
/** Milliseconds. */
const USE_INTERVAL = 60_000
/** Last uses that are being written, in one process. More means that the store hangs. */
const MAX_USES_UNDER_WAY = 1000
// Each failed attempt means that another one went through.
const MAX_ATTEMPTS = 8

/**
 * A verifier of the keys that it issues: give it to `bearer`, alone or with others through `chooseVerifier`.
 *
 * Claims are those of an access token; `jti` is the key's id. A key's scopes are fixed when it is issued, and whatever its owner
 * lost since then it does not know: let `principal` of `bearer` look the owner up and take roles from there. Roles in the key
 * itself are those of the day it was issued.
 *
 * @throws TokenError `tokens.options_invalid`, `tokens.lifetime_too_long`
 * @example const keys = createApiKeys({ store, prefix: 'ledger_live', issuer, audience })
 */
export function createApiKeys(options: ApiKeysOptions): ApiKeys {
  return new StoredApiKeys(options)
}

type KeyResult = VerifyResult<ReferenceReasonCode | KeyGuessCode>

class StoredApiKeys implements ApiKeys {
  readonly issuer: string
  readonly pattern: string
  readonly #records: ReferenceRecords<ApiKeyRecord>
  readonly #clock: Clock
  readonly #lifetime: number
  readonly #maxLifetime: number
  readonly #uses = new Set<string>()
  readonly #guesses: KeyGuesses | undefined

  constructor(options: ApiKeysOptions) {
    const { guard } = options
    if (guard !== undefined && typeof guard?.attempt !== 'function') {
      throw new TokenError('tokens.options_invalid', 'guard must be a guard against guesses')
    }
    this.#guesses = guard && new KeyGuesses(guard)
    this.#records = new ReferenceRecords(options, options.prefix, { name: 'tokens.api_keys', indexes: ['subject'] })
    this.#maxLifetime = seconds('maxLifetime', options.maxLifetime ?? 31_536_000, { min: 1, max: MAX_LIFETIME })
    this.#lifetime = lifetimeWithin(this.#maxLifetime, options.lifetime ?? Math.min(7_776_000, this.#maxLifetime))
    this.#clock = this.#records.clock
    this.issuer = this.#records.issuer
    this.pattern = this.#records.form.pattern
  }

  accepts(token: string): boolean {
    return this.#records.form.accepts(token)
  }

  verify(token: string, context?: EventContext): KeyResult | Promise<KeyResult> {
    const parsed = this.#records.form.parse(token)
    // What is not of the form says nothing about any key, and is not looked up: it is no guess.
    if (this.#guesses === undefined || typeof parsed === 'string') return this.#look(token)
    return this.#guesses.check({ token, id: parsed.id }, context, async () => this.#look(token))
  }

  #look(token: string): KeyResult | Promise<KeyResult> {
    const result = this.#records.verify(token)
    if (!(result instanceof Promise)) return result
    return result.then((found) => {
      if (!found.ok) return found
      this.#noteUse(found.stored)
      return { ok: true, claims: found.claims }
    })
  }

  async issue(request: ApiKeyRequest, context: EventContext = {}): Promise<ApiKeyResult> {
    const { within, name, lifetime = this.#lifetime, ...grant } = request
    if (name !== undefined && (typeof name !== 'string' || name.length < 1 || name.length > 100)) {
      throw new TokenError('tokens.claim_invalid', 'name must have 1 to 100 characters')
    }
    const claims = accessTokenClaims({ ...grant, audience: this.#records.audience })
    if (!isWithin(grant.scopes, within)) return EXCEEDED
    const issued = await this.#create(claims, lifetimeWithin(this.#maxLifetime, lifetime), {
      ...(name !== undefined && { name }),
    })
    apiKeyIssuedEvent.publish(describeEvent(issued), { clock: this.#clock, ...context })
    return { ok: true, ...issued }
  }

  async rotate(id: string, options: RotateKeyOptions, context: EventContext = {}): Promise<ApiKeyResult> {
    const overlap = Math.floor(seconds('overlap', options.overlap ?? 86_400, { min: 0, max: MAX_OVERLAP }))
    const old = await this.#rotatable(id, options)
    if (!('value' in old)) return old
    // The new one first: should this process end here, there is a key that nobody knows, and not an owner without a key.
    const { name, claims } = old.value
    const lifetime = Math.min(old.value.lifetime, this.#maxLifetime)
    const next = await this.#create(claims, lifetime, { ...(name !== undefined && { name }), replaces: id })
    const replaced = await this.#handOver(id, options, next.id, overlap)
    if ('ok' in replaced) {
      await this.#records.take(next.id)
      return replaced
    }
    const about = { clock: this.#clock, ...context }
    apiKeyIssuedEvent.publish(describeEvent(next), about)
    apiKeyRotatedEvent.publish({ ...describeEvent(replaced), replacedBy: next.id, endsAt: replaced.expiresAt }, about)
    return { ok: true, ...next }
  }

  async *list(owner: ApiKeyOwner): AsyncGenerator<ApiKeyInfo, void, undefined> {
    for await (const stored of this.#records.under('subject', owner.subject)) {
      if (isOwnedBy(stored.value, owner)) yield describeKey(stored)
    }
  }

  async revoke(id: string, owner: ApiKeyOwner, context: EventContext = {}): Promise<boolean> {
    const stored = await this.#records.get(id)
    if (stored === undefined || !isOwnedBy(stored.value, owner)) return false
    const value = await this.#records.take(id)
    if (value === undefined) return false
    apiKeyRevokedEvent.publish(describeEvent(describeKey({ id, value })), { clock: this.#clock, ...context })
    return true
  }

  revokeAll(owner: ApiKeyOwner, context: EventContext = {}): Promise<number> {
    return this.#records.endAll(
      'subject',
      owner.subject,
      (record) => isOwnedBy(record, owner),
      (id, value) => apiKeyRevokedEvent.publish(describeEvent(describeKey({ id, value })), { clock: this.#clock, ...context }),
    )
  }

  async #create(
    claims: Readonly<Record<string, unknown>>,
    lifetime: number,
    further: Pick<ApiKeyRecord, 'name' | 'replaces'>,
  ): Promise<IssuedApiKey> {
    const { token, ...stored } = await this.#records.create(claims, lifetime, indexOf({ claims }), { ...further, lifetime })
    return { key: token, ...describeKey(stored) }
  }

  /** The record of a key that may be replaced now, or why it may not. */
  async #rotatable(id: string, options: RotateKeyOptions): Promise<Stored<ApiKeyRecord> | ApiKeyRefusal> {
    const stored = await this.#records.get(id)
    if (stored === undefined || !isOwnedBy(stored.value, options)) return UNKNOWN
    if (stored.value.replacedBy !== undefined) return ROTATED
    return isWithin(scopesOf(stored.value), options.within) ? stored : EXCEEDED
  }

  /** Names the successor in the old key's record, by compare-and-set: of several successors, one is named. */
  async #handOver(
    id: string,
    options: RotateKeyOptions,
    replacedBy: string,
    overlap: number,
  ): Promise<ApiKeyInfo | ApiKeyRefusal> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const stored = await this.#rotatable(id, options)
      if (!('value' in stored)) return stored
      const { claims } = stored.value
      const exp = Math.min(Number(claims['exp']), epochSeconds(this.#clock) + overlap)
      const value = { ...stored.value, claims: { ...claims, exp }, replacedBy }
      if (await this.#records.replace(stored, value, indexOf(value))) return describeKey({ id, value })
    }
    throw new TokenError('tokens.reference_contended', 'the key kept changing', { status: 503 })
  }

  /** The request does not wait for this, and does not fail with it: nobody is let in by it. */
  #noteUse(stored: Stored<ApiKeyRecord>): void {
    const { id, value } = stored
    const now = this.#clock.now()
    if (value.lastUsedAt !== undefined && now - value.lastUsedAt < USE_INTERVAL) return
    if (this.#uses.has(id) || this.#uses.size >= MAX_USES_UNDER_WAY) return
    this.#uses.add(id)
    // Compare-and-set: whoever was faster has written the same, or has ended the key, and that stands.
    const written = this.#records.replace(stored, { ...value, lastUsedAt: now }, indexOf(value))
    written.then(
      () => this.#uses.delete(id),
      () => this.#uses.delete(id),
    )
  }
}

function indexOf({ claims }: { readonly claims: Readonly<Record<string, unknown>> }): { readonly subject: string } {
  return { subject: String(claims['sub']) }
}

function isWithin(scopes: readonly string[], within: readonly string[] | undefined): boolean {
  return within === undefined || scopes.every((scope) => within.includes(scope))
}
