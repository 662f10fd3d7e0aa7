import { type Clock, type Collection, epochSeconds, type Json, type Store, type Stored, systemClock } from '@portcullis/core'
import { type ClaimRules, type Claims, type ClaimsReasonCode, checkClaims } from './claims.ts'
import { TokenError } from './errors.ts'
import { audiencesOf, text } from './options.ts'
import { isReferenceId, matchesHash, type ReferenceForm, referenceForm, tokenHash } from './reference-token.ts'
import { type Refused, refused } from './refused.ts'

/** Why an API key or an opaque access token is refused. */
export type ReferenceReasonCode =
  | 'tokens.reference_malformed'
  | 'tokens.reference_checksum'
  | 'tokens.reference_unknown'
  | 'tokens.reference_mismatch'
  | ClaimsReasonCode

/** What is kept for a key or a token: its hash, and the claims that it stands for. */
export type ReferenceRecord = {
  /** SHA-256 of the whole text, base64url. */
  readonly hash: string
  readonly claims: { readonly [claim: string]: Json | undefined }
} & { readonly [member: string]: Json | undefined }

/** What API keys and opaque access tokens are configured with alike. */
export interface ReferenceOptions {
  readonly store: Store
  /** What stands in `iss`. */
  readonly issuer: string
  /** What we are called; `aud` must name it, or one of them. */
  readonly audience: string | readonly string[]
  readonly clock?: Clock
}

/** A record that was written; `token` is all there will ever be of the secret. */
export interface IssuedReference<R extends ReferenceRecord> {
  readonly token: string
  readonly id: string
  readonly value: R
}

/** What {@link ReferenceRecords.verify} found. */
export type ReferenceResult<R extends ReferenceRecord> =
  | { readonly ok: true; readonly claims: Claims; readonly stored: Stored<R> }
  | Refused<ReferenceReasonCode>

const MALFORMED = refused('tokens.reference_malformed', 'not of the form that keys and tokens have here')
const CHECKSUM = refused('tokens.reference_checksum', 'the checksum is wrong: mistyped, cut off or invented')
const UNKNOWN = refused('tokens.reference_unknown', 'no such record: it never was, was revoked or has expired')
const MISMATCH = refused('tokens.reference_mismatch', 'the id is known, and the secret is not the one that belongs to it')

/** The records behind one kind of reference token. */
export class ReferenceRecords<R extends ReferenceRecord> {
  readonly issuer: string
  readonly audience: readonly string[]
  readonly form: ReferenceForm
  readonly clock: Clock
  readonly #rules: ClaimRules
  readonly #records: Collection<R>

  /** @throws TokenError `tokens.options_invalid` */
  constructor(
    options: ReferenceOptions,
    prefix: string,
    declaration: { readonly name: string; readonly indexes: readonly string[] },
  ) {
    const { store, clock = systemClock } = options
    if (typeof store?.collection !== 'function') throw new TokenError('tokens.options_invalid', 'store must be a store')
    const audiences = audiencesOf(options.audience)
    this.issuer = text('issuer', options.issuer)
    this.audience = audiences
    this.form = referenceForm(prefix)
    this.clock = clock
    // No tolerance: whoever wrote the times reads them.
    this.#rules = { issuer: this.issuer, audiences, required: ['sub', 'iat', 'jti'], clockTolerance: 0 }
    this.#records = store.collection<R>(declaration)
  }

  /**
   * Writes a record for claims, to which `iss`, `iat`, `exp` and `jti` are added.
   * @param lifetime seconds
   * @throws TokenError `tokens.reference_contended` (503)
   */
  async create(
    claims: Readonly<Record<string, unknown>>,
    lifetime: number,
    index: Readonly<Record<string, string>>,
    further: { readonly [member: string]: Json | undefined } = {},
  ): Promise<IssuedReference<R>> {
    const { token, id } = this.form.generate()
    const iat = epochSeconds(this.clock)
    const exp = iat + lifetime
    const value = {
      ...further,
      hash: tokenHash(token),
      claims: { ...claims, iss: this.issuer, iat, exp, jti: id },
    } as unknown as R
    if (!(await this.#records.create(id, value, { expiresAt: exp * 1000, index }))) {
      throw new TokenError('tokens.reference_contended', 'a new id was there already', { status: 503 })
    }
    return { token, id, value }
  }

  /**
   * Never throws because of what a token says. Synchronous for what is not of the form.
   * @param audiences what the token must be for; by default, us
   */
  verify(
    token: string,
    audiences: readonly string[] = this.#rules.audiences,
  ): Refused<ReferenceReasonCode> | Promise<ReferenceResult<R>> {
    const found = this.find(token)
    if (!(found instanceof Promise)) return found
    return found.then((one) => {
      if (!one.ok) return one
      const refusal = checkClaims(one.claims, { ...this.#rules, audiences }, this.clock.now())
      return refusal ?? one
    })
  }

  /** The record of a token, whatever its claims say. Synchronous for what is not of the form. */
  find(token: string): Refused<ReferenceReasonCode> | Promise<ReferenceResult<R>> {
    const parsed = this.form.parse(token)
    if (parsed === 'malformed') return MALFORMED
    if (parsed === 'checksum') return CHECKSUM
    return this.#compare(token, parsed.id)
  }

  async #compare(token: string, id: string): Promise<ReferenceResult<R>> {
    const stored = await this.#records.get(id)
    if (stored === undefined) return UNKNOWN
    if (!matchesHash(token, stored.value.hash)) return MISMATCH
    return { ok: true, claims: stored.value.claims as unknown as Claims, stored }
  }

  /** The record of an id, while it lives. Ids come from clients: one that can't be ours is not there. */
  async get(id: string): Promise<Stored<R> | undefined> {
    const stored = isReferenceId(id) ? await this.#records.get(id) : undefined
    return stored !== undefined && this.#lives(stored) ? stored : undefined
  }

  /** Compare-and-set; what is kept for as long as its `exp` says. */
  replace(stored: Stored<R>, value: R, index: Readonly<Record<string, string>>): Promise<boolean> {
    return this.#records.replace(stored.id, stored.version, value, { expiresAt: Number(value.claims['exp']) * 1000, index })
  }

  take(id: string): Promise<R | undefined> {
    return this.#records.take(id)
  }

  /** The records under a key of an index, while they live. */
  async *under(index: string, key: string): AsyncGenerator<Stored<R>, void, undefined> {
    for await (const stored of this.#records.find(index, key)) if (this.#lives(stored)) yield stored
  }

  /**
   * Ends every record under a key of an index.
   * @param ends called for each that was there
   */
  async endAll(
    index: string,
    key: string,
    which: (record: R) => boolean,
    ended: (id: string, record: R) => void,
  ): Promise<number> {
    let all = 0
    // Once more until nothing is left: what is created while a pass is under way, out of a record that it ends, ends too.
    for (let pass = 0; pass < MAX_PASSES; pass++) {
      let found = false
      for await (const { id, value } of this.#records.find(index, key)) {
        if (!which(value)) continue
        found = true
        const record = await this.#records.take(id)
        if (record === undefined) continue
        all += 1
        ended(id, record)
      }
      if (!found) return all
    }
    throw new TokenError('tokens.reference_contended', 'records kept being added while all were ended', { status: 503 })
  }

  // The store's clock may not be ours.
  #lives(stored: Stored<R>): boolean {
    return this.clock.now() < Number(stored.value.claims['exp']) * 1000
  }
}

const MAX_PASSES = 8
