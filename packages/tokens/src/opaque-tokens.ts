import type { EventContext } from '@portcullis/core'
import { type AccessTokenRequest, accessTokenClaims } from './access-token.ts'
import { issuedEvent, opaqueRevokedEvent } from './events.ts'
import type { IssuedToken } from './issuer.ts'
import { audiencesOf, lifetimeWithin } from './options.ts'
import { type ReferenceOptions, type ReferenceReasonCode, type ReferenceRecord, ReferenceRecords } from './reference-record.ts'
import type { Verifier, VerifyResult } from './verifier.ts'

/** Options of {@link createOpaqueTokens}. */
export interface OpaqueTokensOptions extends ReferenceOptions {
  /** What every token begins with: lower-case letters and digits, in parts with `_` between them. Default: `at`. */
  readonly prefix?: string
  /** Seconds that a token lives when nothing else is asked. Default: 300; at most 31,536,000. */
  readonly lifetime?: number
}

/** What an introspection endpoint answers (RFC 7662 §2.2): the claims of a token that is good, and of any other nothing. */
export type IntrospectionAnswer =
  | { readonly active: false }
  | { readonly active: true; readonly token_type: 'Bearer' | 'DPoP'; readonly [claim: string]: unknown }

/** Access tokens that say nothing to anybody but the server that issued them, and can be ended at any moment. */
export interface OpaqueTokens extends Verifier<ReferenceReasonCode> {
  /** A regular expression that finds tokens in any text, for secret scanners; see `ApiKeys`. */
  readonly pattern: string
  /**
   * The same as `TokenIssuer.accessToken`, so that one stands in for the other.
   * @throws TokenError `tokens.claim_reserved`, `tokens.claim_invalid`, `tokens.lifetime_too_long`
   */
  accessToken(request: AccessTokenRequest, context?: EventContext): Promise<IssuedToken>
  /**
   * What an introspection endpoint tells a resource server about a token. The endpoint authenticates who asks (RFC 7662 §2.1), and
   * says here what that one is called: it learns nothing about tokens that are not for it (§4).
   * @throws TokenError `tokens.options_invalid` without an audience
   */
  introspect(token: string, caller: { readonly audience: string | readonly string[] }): Promise<IntrospectionAnswer>
  /** RFC 7009: ends a token. False: there is none, or it is another client's. */
  revoke(token: string, options: { readonly clientId: string }, context?: EventContext): Promise<boolean>
  /** Ends all tokens of a subject. Answers how many. @throws TokenError `tokens.reference_contended` (503) */
  revokeSubject(subject: string, context?: EventContext): Promise<number>
  /** Ends all tokens of a session: a sign-out. Answers how many. @throws TokenError `tokens.reference_contended` (503) */
  revokeSession(sessionId: string, context?: EventContext): Promise<number>
  /** Ends all tokens of a grant. Answers how many. @throws TokenError `tokens.reference_contended` (503) */
  revokeGrant(grantId: string, context?: EventContext): Promise<number>
}

const MAX_LIFETIME = 31_536_000
const INACTIVE: IntrospectionAnswer = Object.freeze({ active: false })

/**
 * The alternative to signed tokens: each verification is a look-up, and a revocation holds from the next one on.
 *
 * @throws TokenError `tokens.options_invalid`, `tokens.lifetime_too_long`
 * @example const tokens = createOpaqueTokens({ store, issuer, audience }); bearer({ verifier: tokens })
 */
export function createOpaqueTokens(options: OpaqueTokensOptions): OpaqueTokens {
  return new StoredOpaqueTokens(options)
}

class StoredOpaqueTokens implements OpaqueTokens {
  readonly issuer: string
  readonly pattern: string
  readonly #records: ReferenceRecords<ReferenceRecord>
  readonly #lifetime: number

  constructor(options: OpaqueTokensOptions) {
    const indexes = ['subject', 'session', 'grant']
    this.#records = new ReferenceRecords(options, options.prefix ?? 'at', { name: 'tokens.opaque', indexes })
    this.#lifetime = lifetimeWithin(MAX_LIFETIME, options.lifetime ?? 300)
    this.issuer = this.#records.issuer
    this.pattern = this.#records.form.pattern
  }

  async accessToken(request: AccessTokenRequest, context: EventContext = {}): Promise<IssuedToken> {
    const { subject, clientId, sessionId, grantId } = request
    const claims = accessTokenClaims(request)
    const expiresIn = lifetimeWithin(MAX_LIFETIME, request.lifetime ?? this.#lifetime)
    const index = {
      subject,
      ...(sessionId !== undefined && { session: sessionId }),
      ...(grantId !== undefined && { grant: grantId }),
    }
    const { token, id, value } = await this.#records.create(claims, expiresIn, index)
    issuedEvent.publish({ typ: 'opaque', jti: id, subject, clientId }, { clock: this.#records.clock, ...context })
    return { token, jti: id, expiresIn, expiresAt: Number(value.claims['exp']) * 1000 }
  }

  accepts(token: string): boolean {
    return this.#records.form.accepts(token)
  }

  verify(token: string): VerifyResult<ReferenceReasonCode> | Promise<VerifyResult<ReferenceReasonCode>> {
    const result = this.#records.verify(token)
    if (!(result instanceof Promise)) return result
    return result.then((found) => (found.ok ? { ok: true, claims: found.claims } : found))
  }

  async introspect(token: string, caller: { readonly audience: string | readonly string[] }): Promise<IntrospectionAnswer> {
    const result = await this.#records.verify(token, audiencesOf(caller.audience))
    // RFC 7662 §2.2: not a word on why, or on a token that is not for whoever asks.
    if (!result.ok) return INACTIVE
    const { cnf } = result.claims
    const isDpop = typeof cnf === 'object' && cnf !== null && Object.hasOwn(cnf, 'jkt')
    // RFC 9449 §6.2. A token that is bound to a certificate is presented as a bearer token (RFC 8705 §3).
    return { ...result.claims, active: true, token_type: isDpop ? 'DPoP' : 'Bearer' }
  }

  async revoke(token: string, options: { readonly clientId: string }, context: EventContext = {}): Promise<boolean> {
    const found = await this.#records.find(token)
    // RFC 7009 §2.1: the token was issued to the client that asks.
    if (!found.ok || found.claims.client_id !== options.clientId) return false
    const { id } = found.stored
    const record = await this.#records.take(id)
    if (record === undefined) return false
    this.#publishRevoked(id, record, context)
    return true
  }

  revokeSubject(subject: string, context: EventContext = {}): Promise<number> {
    return this.#revokeBy('subject', subject, context)
  }

  revokeSession(sessionId: string, context: EventContext = {}): Promise<number> {
    return this.#revokeBy('session', sessionId, context)
  }

  revokeGrant(grantId: string, context: EventContext = {}): Promise<number> {
    return this.#revokeBy('grant', grantId, context)
  }

  #revokeBy(index: 'subject' | 'session' | 'grant', key: string, context: EventContext): Promise<number> {
    const ended = (id: string, record: ReferenceRecord): void => this.#publishRevoked(id, record, context)
    return this.#records.endAll(index, key, () => true, ended)
  }

  #publishRevoked(jti: string, { claims }: ReferenceRecord, context: EventContext): void {
    const { sub, client_id: clientId } = claims
    const whose = { subject: String(sub), clientId: String(clientId) }
    opaqueRevokedEvent.publish({ jti, ...whose }, { clock: this.#records.clock, ...context })
  }
}
