import { type Clock, type EventContext, systemClock } from '@portcullis/core'
import type { Algorithm } from './algorithms.ts'
import { type ClaimRules, type Claims, type ClaimsReasonCode, checkClaims, checkTimes } from './claims.ts'
import { TokenError } from './errors.ts'
import {
  allowedAlgorithms,
  checkSignature,
  hintOf,
  isRefused,
  type JwsHeader,
  type JwsReasonCode,
  MALFORMED,
  MAX_TOKEN_LENGTH,
  type ParsedJws,
  parseJws,
} from './jws.ts'
import type { KeySource } from './key-source.ts'
import type { VerificationKey } from './keys.ts'
import { audiencesOf, seconds, text, wholeNumber } from './options.ts'
import { type Refused, refused } from './refused.ts'
import type { RevocationCheck, RevocationReasonCode } from './revocation.ts'
import { type JsonObject, parseJsonSegment } from './strict-json.ts'
import { tokenId, type VerifiedToken, VerifiedTokens, type VerifiedTokensOptions } from './verified-tokens.ts'

/** Options of {@link createVerifier}. */
export interface VerifierOptions {
  /** The only `iss` that is accepted, compared exactly. */
  readonly issuer: string
  /** What we are called; `aud` must name it, or one of them. Strings: a pattern is something to run away with. */
  readonly audience: string | readonly string[]
  readonly keys: KeySource
  /** Default: every asymmetric one, or every HMAC one when `keys` has nothing but secrets. The key still decides which. */
  readonly algorithms?: readonly Algorithm[]
  /** Seconds by which clocks may differ. Default: 5; at most 300. */
  readonly clockTolerance?: number
  /**
   * The kind of token, as its header says it: with `application/` before it or not, in any letter case (RFC 7515 §4.1.9).
   * Default: `at+jwt`, an access token (RFC 9068). `null` looks at no type: only where the issuer's keys sign nothing else for
   * this audience, since without it an ID token passes for an access token.
   */
  readonly typ?: string | null
  /** Claims that must be there besides `iss`, `aud`, `exp`, and for `at+jwt` besides `sub`, `client_id`, `iat`, `jti`. */
  readonly requiredClaims?: readonly string[]
  /** The longest token to look at, in characters. Default: 8192. */
  readonly maxLength?: number
  /** What has been revoked. Asked about every token. Default: nothing; tokens are good until they expire. */
  readonly revocations?: RevocationCheck
  /**
   * Remembers tokens that were good, so that the same one again costs a hash. Time, revocation and the key's presence are checked
   * each time all the same. Claims are frozen. `false` remembers nothing. Default: 1000 tokens, about 4 MiB.
   */
  readonly cache?: false | VerifiedTokensOptions
  readonly clock?: Clock
}

/** Why a token is refused. */
export type VerifyReasonCode = JwsReasonCode | ClaimsReasonCode | RevocationReasonCode | 'tokens.type_mismatch'

/** What a verifier found. A refusal is a value: tokens expire every day. */
export type VerifyResult<Code extends string = VerifyReasonCode> =
  | {
      readonly ok: true
      readonly claims: Claims
      /** Of a JWT; an opaque token has none. */
      readonly header?: JwsHeader
    }
  | Refused<Code>

/** Verifies credentials of one issuer for one audience: JWTs here, and whatever else answers in the same form. */
export interface Verifier<Code extends string = VerifyReasonCode> {
  readonly issuer: string
  /**
   * Whether a credential is of this verifier's kind, by its form alone, and for a JWT by the `iss` that it claims: for choosing
   * among several verifiers. Nothing is verified.
   */
  accepts(token: string): boolean
  /**
   * Never throws because of what a token says, and never has the token in a reason. Synchronous whenever the keys are there.
   * @param context the request that the token came with: for verifiers that limit guesses
   * @throws TokenError `tokens.keys_unavailable` (503; a rejection, where it is asynchronous) when the keys can't be had
   */
  verify(token: string, context?: EventContext): VerifyResult<Code> | Promise<VerifyResult<Code>>
}

const TYPE = refused('tokens.type_mismatch', 'typ is not the kind of token that is accepted here')
const NO_CLAIMS = refused('tokens.claims_malformed', 'the claims are not a JSON object, or name a member twice')

// RFC 9068 §2.2: an access token has them all; `iss`, `aud` and `exp` are checked for every token.
const ACCESS_TOKEN_CLAIMS = ['sub', 'client_id', 'iat', 'jti']

/**
 * Compiles a verifier: options are checked here, keys were checked when they were loaded, and what is left for a token is the work
 * itself.
 *
 * @throws TokenError `tokens.options_invalid`
 * @example const verifier = createVerifier({ issuer, audience: 'https://api.example.com', keys: createRemoteJwks({ issuer }) })
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const verifier = new JwtVerifier(options)
  return {
    issuer: verifier.issuer,
    accepts: (token) => verifier.accepts(token),
    verify: (token) => verifier.verify(token),
  }
}

class JwtVerifier implements Verifier {
  readonly issuer: string
  readonly #keys: KeySource
  readonly #allowed: ReadonlySet<string>
  readonly #typ: string | undefined
  readonly #rules: ClaimRules
  readonly #maxLength: number
  readonly #revocations: RevocationCheck | undefined
  readonly #cache: VerifiedTokens | undefined
  readonly #clock: Clock

  constructor(options: VerifierOptions) {
    const { keys, typ = 'at+jwt', maxLength = MAX_TOKEN_LENGTH, requiredClaims = [], cache = {} } = options
    if (typeof keys?.find !== 'function') throw new TokenError('tokens.options_invalid', 'keys must be a key source')
    this.issuer = text('issuer', options.issuer)
    this.#keys = keys
    this.#allowed = allowedAlgorithms(keys, options.algorithms)
    this.#typ = typ === null ? undefined : mediaType(text('typ', typ))
    this.#rules = {
      issuer: this.issuer,
      audiences: audiencesOf(options.audience),
      required: [...(this.#typ === 'at+jwt' ? ACCESS_TOKEN_CLAIMS : []), ...requiredClaims],
      clockTolerance: seconds('clockTolerance', options.clockTolerance ?? 5, { min: 0, max: 300 }),
    }
    this.#maxLength = wholeNumber('maxLength', maxLength, { min: 1, max: 1_048_576 })
    this.#revocations = options.revocations
    this.#cache = cache === false ? undefined : new VerifiedTokens(cache)
    this.#clock = options.clock ?? systemClock
  }

  accepts(token: string): boolean {
    const parsed = parseJws(token, this.#maxLength)
    if (!parsed.ok) return false
    const claims = parseJsonSegment(parsed.payload)
    return typeof claims === 'object' && claims['iss'] === this.issuer
  }

  verify(token: string): VerifyResult | Promise<VerifyResult> {
    if (this.#cache === undefined || typeof token !== 'string' || token.length > this.#maxLength) return this.#verify(token)
    const id = tokenId(token)
    const known = this.#cache.get(id)
    if (known === undefined) return this.#verify(token, id)
    // The source is asked each time: a key that has gone takes its tokens with it at once.
    const key = this.#keys.find(hintOf(known.header))
    return key instanceof Promise
      ? key.then((found) => this.#recall(token, id, known, found))
      : this.#recall(token, id, known, key)
  }

  /** A token that was good before, by what may have changed since. */
  #recall(
    token: string,
    id: string,
    known: VerifiedToken,
    key: VerificationKey | undefined,
  ): VerifyResult | Promise<VerifyResult> {
    if (key !== known.key) {
      this.#cache?.delete(id)
      return this.#verify(token, id)
    }
    return checkTimes(known.claims, this.#rules, this.#clock.now()) ?? this.#unlessRevoked(known)
  }

  /** @param id under which the token is remembered, where it is to be */
  #verify(token: string, id?: string): VerifyResult | Promise<VerifyResult> {
    const parsed = parseJws(token, this.#maxLength)
    if (!parsed.ok) return parsed
    // RFC 8725 §3.11: one kind of token must not pass for another.
    if (this.#typ !== undefined && mediaType(parsed.header.typ) !== this.#typ) return TYPE
    const claims = parseJsonSegment(parsed.payload)
    if (claims === 'not base64url') return MALFORMED
    if (claims === 'not an object') return NO_CLAIMS
    const key = checkSignature(parsed, this.#keys, this.#allowed)
    return key instanceof Promise
      ? key.then((found) => this.#finish(parsed, claims, found, id))
      : this.#finish(parsed, claims, key, id)
  }

  #finish(
    { header, compact }: ParsedJws,
    claims: JsonObject,
    key: VerificationKey | Refused<JwsReasonCode>,
    id: string | undefined,
  ): VerifyResult {
    if (isRefused(key)) return key
    const refusal = checkClaims(claims, this.#rules, this.#clock.now())
    if (refusal !== undefined) return refusal
    const verified: VerifiedToken = { claims: claims as Claims, header, key }
    if (id !== undefined) this.#cache?.add(id, verified, compact.length)
    return this.#unlessRevoked(verified)
  }

  #unlessRevoked({ claims, header }: VerifiedToken): VerifyResult {
    return this.#revocations?.check(claims) ?? { ok: true, claims, header }
  }
}

// RFC 7515 §4.1.9: `at+jwt` is short for `application/at+jwt`, and media types have no letter case.
function mediaType(typ: string | undefined): string | undefined {
  if (typ === undefined || typ === 'at+jwt') return typ
  const lower = typ.toLowerCase()
  return lower.startsWith('application/') ? lower.slice('application/'.length) : lower
}
