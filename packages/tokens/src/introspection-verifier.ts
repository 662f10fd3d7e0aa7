import { type Clock, systemClock } from '@portcullis/core'
import { type ClaimRules, type Claims, type ClaimsReasonCode, checkClaims } from './claims.ts'
import { TokenError } from './errors.ts'
import { introspectionFailedEvent } from './events.ts'
import { IntrospectionCache } from './introspection-cache.ts'
import { IntrospectionEndpoint, type IntrospectionEndpointOptions } from './introspection-endpoint.ts'
import { MAX_TOKEN_LENGTH, parseJws } from './jws.ts'
import { audiencesOf, seconds, text, wholeNumber } from './options.ts'
import { tokenHash } from './reference-token.ts'
import { type Refused, refused } from './refused.ts'
import type { RevocationCheck, RevocationReasonCode } from './revocation.ts'
import { type JsonObject, parseJsonSegment } from './strict-json.ts'
import type { Verifier, VerifyResult } from './verifier.ts'

/** What an answer may leave out, where it is said that it may. */
export type UnstatedMember =
  /** Whom the token is for: then the endpoint must tell nobody about tokens that are for somebody else. */
  | 'aud'
  /** When it ends: then it is good for as long as an answer is kept. */
  | 'exp'
  /** What kind it is: then a refresh token may pass for an access token. */
  | 'token_type'

/** Options of {@link createIntrospectionVerifier}. */
export interface IntrospectionVerifierOptions extends IntrospectionEndpointOptions {
  /** Whose endpoint it is: the only `iss` that an answer may have, compared exactly. */
  readonly issuer: string
  /** What we are called; `aud` must name it, or one of them. */
  readonly audience: string | readonly string[]
  /** What tokens of this issuer begin with. Others are refused without a question. Default: anything. */
  readonly prefix?: string
  /**
   * Seconds that an answer is kept, and so the longest that a revoked token still passes. Default: 30; 0 keeps none; at most 300.
   * That a token is not active is kept for 10 at most.
   */
  readonly cacheMaxAge?: number
  /** How many answers are kept, of either kind. Default: 10,000. */
  readonly cacheMaxEntries?: number
  /** Seconds by which clocks may differ. Default: 5; at most 300. */
  readonly clockTolerance?: number
  /** Claims that must be there besides `aud` and `exp`. */
  readonly requiredClaims?: readonly string[]
  /** The longest token to look at, in characters. Default: 8192. */
  readonly maxLength?: number
  /** Members without which an answer of this endpoint is taken all the same. Default: none. */
  readonly dangerouslyTakeWithout?: readonly UnstatedMember[]
  /** What has been revoked. Asked about every token, also about one that is remembered. */
  readonly revocations?: RevocationCheck
  readonly clock?: Clock
}

/** Why a token is refused. */
export type IntrospectionReasonCode =
  | 'tokens.too_long'
  | 'tokens.malformed'
  | 'tokens.inactive'
  | 'tokens.type_mismatch'
  | ClaimsReasonCode
  | RevocationReasonCode

type Result = VerifyResult<IntrospectionReasonCode>

const TOO_LONG = refused('tokens.too_long', 'the token is longer than allowed')
const MALFORMED = refused('tokens.malformed', 'the token has characters that none has, or not the prefix of this issuer')
const FOREIGN = refused('tokens.issuer_mismatch', 'the token says that it is of another issuer')
const INACTIVE = refused('tokens.inactive', 'the issuer says that the token is not active')
const NOT_ACCESS = refused('tokens.type_mismatch', 'the issuer does not say that it is an access token')
const UNBOUND = refused('tokens.type_mismatch', 'the issuer says DPoP, and not to which key the token is bound')

// RFC 6750 §2.1.
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/
/** Seconds. */
const MAX_INACTIVE_AGE = 10

/**
 * Verifies tokens by asking their issuer (RFC 7662). Answers are kept for `cacheMaxAge` and are checked anew each time; one question
 * is under way for a token, and so many for all. Synchronous for what is remembered.
 *
 * `verify` rejects with `tokens.introspection_unavailable` (503) while the endpoint does not answer; then nothing older is used.
 *
 * @throws TokenError `tokens.options_invalid`
 * @example createIntrospectionVerifier({ endpoint, issuer, audience, credentials: { clientId: 'api', clientSecret } })
 */
export function createIntrospectionVerifier(options: IntrospectionVerifierOptions): Verifier<IntrospectionReasonCode> {
  return new IntrospectionVerifier(options)
}

class IntrospectionVerifier implements Verifier<IntrospectionReasonCode> {
  readonly issuer: string
  readonly #endpoint: IntrospectionEndpoint
  readonly #cache: IntrospectionCache
  readonly #cacheMaxAge: number
  readonly #rules: ClaimRules
  readonly #prefix: string
  readonly #maxLength: number
  readonly #without: ReadonlySet<UnstatedMember>
  readonly #revocations: RevocationCheck | undefined
  readonly #clock: Clock
  readonly #underWay = new Map<string, Promise<JsonObject | 'inactive'>>()

  constructor(options: IntrospectionVerifierOptions) {
    const { clock = systemClock, requiredClaims: required = [], dangerouslyTakeWithout: without = [] } = options
    this.issuer = text('issuer', options.issuer)
    this.#endpoint = new IntrospectionEndpoint(options)
    this.#cacheMaxAge = seconds('cacheMaxAge', options.cacheMaxAge ?? 30, { min: 0, max: 300 })
    this.#cache = new IntrospectionCache(clock, {
      maxEntries: wholeNumber('cacheMaxEntries', options.cacheMaxEntries ?? 10_000, { min: 1, max: 1_000_000 }),
      maxAge: 1000 * this.#cacheMaxAge,
      maxInactiveAge: 1000 * Math.min(this.#cacheMaxAge, MAX_INACTIVE_AGE),
    })
    this.#rules = {
      issuer: this.issuer,
      audiences: audiencesOf(options.audience),
      required,
      clockTolerance: seconds('clockTolerance', options.clockTolerance ?? 5, { min: 0, max: 300 }),
    }
    this.#prefix = options.prefix === undefined ? '' : text('prefix', options.prefix)
    this.#maxLength = wholeNumber('maxLength', options.maxLength ?? MAX_TOKEN_LENGTH, { min: 1, max: 1_048_576 })
    this.#without = new Set(without)
    this.#revocations = options.revocations
    this.#clock = clock
  }

  accepts(token: string): boolean {
    return this.#checkForm(token) === undefined
  }

  verify(token: string): Result | Promise<Result> {
    const refusal = this.#checkForm(token)
    if (refusal !== undefined) return refusal
    // The whole of it: under a part, or a hash that can be met twice, one token would be taken for another.
    const key = tokenHash(token)
    const known = this.#cache.find(key)
    if (known !== undefined) return this.#judge(known)
    // A copy for each that waits: none changes what another reads.
    return this.#ask(key, token).then((answer) => this.#judge(structuredClone(answer)))
  }

  #checkForm(token: string): Refused<IntrospectionReasonCode> | undefined {
    if (typeof token !== 'string') return MALFORMED
    if (token.length > this.#maxLength) return TOO_LONG
    if (!token.startsWith(this.#prefix) || !TOKEN.test(token)) return MALFORMED
    // Whoever is asked about a token could use it: another issuer's is shown to nobody.
    const parsed = parseJws(token, this.#maxLength)
    const claims = parsed.ok ? parseJsonSegment(parsed.payload) : undefined
    const issuer = typeof claims === 'object' ? claims['iss'] : undefined
    return issuer === undefined || issuer === this.issuer ? undefined : FOREIGN
  }

  #ask(key: string, token: string): Promise<JsonObject | 'inactive'> {
    let question = this.#underWay.get(key)
    if (question === undefined) {
      question = this.#question(key, token).finally(() => this.#underWay.delete(key))
      this.#underWay.set(key, question)
    }
    return question
  }

  async #question(key: string, token: string): Promise<JsonObject | 'inactive'> {
    const askedAt = this.#clock.now()
    try {
      const document = await this.#endpoint.ask(token)
      const answer = this.#read(document, askedAt)
      this.#cache.remember(key, answer, askedAt)
      return answer
    } catch (error) {
      const message = error instanceof TokenError ? error.message : 'the answer can not be read'
      introspectionFailedEvent.publish({ endpoint: this.#endpoint.url, message }, { clock: this.#clock })
      throw error
    }
  }

  /** The claims that an answer stands for; what it may leave out is filled in. */
  #read(document: JsonObject, askedAt: number): JsonObject | 'inactive' {
    const { active, ...claims } = document
    // RFC 7662 §2.2: a boolean. Without it, this is no answer to the question.
    if (typeof active !== 'boolean') {
      throw new TokenError('tokens.introspection_unavailable', 'the answer does not say active', { status: 503 })
    }
    if (!active) return 'inactive'
    // As often as the endpoint is asked, it answers with a new end; an answer that is kept does not move it.
    const end = Math.ceil(askedAt / 1000) + this.#cacheMaxAge + 1
    return {
      // The endpoint is the issuer's own, and speaks of no others.
      ...(claims['iss'] === undefined && { iss: this.issuer }),
      ...(this.#without.has('aud') && claims['aud'] === undefined && { aud: this.#rules.audiences[0] }),
      ...(this.#without.has('exp') && claims['exp'] === undefined && { exp: end }),
      ...claims,
    }
  }

  #judge(answer: JsonObject | 'inactive'): Result {
    if (answer === 'inactive') return INACTIVE
    const claims = answer as Claims
    const against =
      this.#checkType(answer) ?? checkClaims(answer, this.#rules, this.#clock.now()) ?? this.#revocations?.check(claims)
    return against ?? { ok: true, claims }
  }

  // Endpoints answer `active` about refresh tokens too, which are longer-lived and have not been narrowed to us.
  #checkType({ token_type: type, cnf }: JsonObject): Refused<IntrospectionReasonCode> | undefined {
    if (type === undefined && this.#without.has('token_type')) return undefined
    const name = typeof type === 'string' ? type.toLowerCase() : undefined
    if (name !== 'bearer' && name !== 'dpop') return NOT_ACCESS
    // RFC 9449 §6.2: both are said. Without the key, a token that is bound would pass as one that is not.
    return name === 'dpop' && cnf === undefined ? UNBOUND : undefined
  }
}
