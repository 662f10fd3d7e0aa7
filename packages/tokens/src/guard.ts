import {
  challenge,
  type Decision,
  type Guard,
  type Principal,
  problem,
  type Reason,
  type Refusal,
  type RequestView,
} from '@portcullis/core'
import type { Claims } from './claims.ts'
import { TokenError } from './errors.ts'
import { rejectedEvent } from './events.ts'
import { INVALID_TOKEN } from './refused.ts'
import type { Verifier, VerifyResult } from './verifier.ts'

/** Options of {@link bearer}. */
export interface BearerOptions {
  readonly verifier: Pick<Verifier<string>, 'verify'>
  /**
   * Whom the claims speak for; `undefined` refuses the token. Default: `sub`, `client_id`, `tenant`, `roles`, `scope`, `amr`, `acr`
   * and `auth_time` as the token has them, see {@link principalFromClaims}.
   */
  readonly principal?: (claims: Claims) => Principal | undefined | Promise<Principal | undefined>
  /** The protection space that challenges name (RFC 9110 §11.5). */
  readonly realm?: string
  /** The URL of the protected resource metadata, which challenges name (RFC 9728 §5.1). */
  readonly resourceMetadata?: string
}

/** What {@link bearer} found out. */
export interface BearerFacts {
  readonly claims: Claims
}

// RFC 6750 §2.1. RFC 9110 §11.1: the name of a scheme has no letter case.
const CREDENTIALS = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i
const SCHEME = /^bearer(?: |$)/i

const NO_CREDENTIALS: Reason = { code: 'tokens.credentials_missing', message: 'the request has no bearer token' }
const AMBIGUOUS: Reason = { code: 'tokens.credentials_malformed', message: 'more than one Authorization header' }
const NOT_A_TOKEN: Reason = { code: 'tokens.credentials_malformed', message: 'what follows Bearer is not one token' }
const NEEDS_PROOF: Reason = { code: 'tokens.proof_missing', message: 'the token is bound to a key, and came without a proof' }
const NOBODY: Reason = { code: 'tokens.principal_unknown', message: 'the claims name nobody who is known here' }

/**
 * Authenticates by a bearer token (RFC 6750) in the `Authorization` header: never in the query or the body, where it ends up in
 * logs. Why a token was refused is in the decision's `cause` and in the event `tokens.rejected`; the client reads the same words
 * whatever it was. Synchronous whenever the verifier and `principal` are.
 *
 * @throws TokenError `tokens.options_invalid`
 * @example app.get('/api/me', guard([bearer({ verifier })], authenticated()), handler)
 */
export function bearer(options: BearerOptions): Guard<BearerFacts> {
  const { verifier, principal = principalFromClaims, realm, resourceMetadata } = options
  if (typeof verifier?.verify !== 'function') throw new TokenError('tokens.options_invalid', 'verifier must be a verifier')
  const params = {
    ...(realm !== undefined && { realm }),
    ...(resourceMetadata !== undefined && { resource_metadata: resourceMetadata }),
  }
  const scheme = { scheme: 'Bearer', params }
  // RFC 6750 §3.1: without credentials, the challenge does not talk about an error.
  const missing = refuse(401, challenge({ challenge: scheme }, {}), NO_CREDENTIALS)
  const badRequest = challenge(
    { challenge: scheme },
    { error: 'invalid_request', error_description: 'One bearer token is expected' },
  )
  const ambiguous = refuse(400, badRequest, AMBIGUOUS)
  const malformed = refuse(400, badRequest, NOT_A_TOKEN)
  const invalidToken = challenge(
    { challenge: scheme },
    { error: INVALID_TOKEN.error, error_description: INVALID_TOKEN.description },
  )

  const reject = (req: RequestView, refusal: Refusal): Refusal => {
    if (refusal.cause !== undefined) rejectedEvent.publish({ code: refusal.cause.code }, { request: req })
    return refusal
  }
  const invalid = (req: RequestView, cause: Reason): Refusal => reject(req, refuse(401, invalidToken, cause))

  const admit = (req: RequestView, claims: Claims, who: Principal | undefined): Decision<BearerFacts> => {
    if (who === undefined) return invalid(req, NOBODY)
    return { type: 'continue', facts: { claims }, principal: who.challenge === undefined ? { ...who, challenge: scheme } : who }
  }

  const decide = (req: RequestView, result: VerifyResult<string>): Decision<BearerFacts> | Promise<Decision<BearerFacts>> => {
    if (!result.ok) return invalid(req, result.reason)
    const { claims } = result
    // RFC 9449 §7.2, RFC 8705 §3: a token that is bound to a key is worth nothing by itself, or binding it was for nothing.
    if (Object.hasOwn(claims, 'cnf')) return invalid(req, NEEDS_PROOF)
    const who = principal(claims)
    return who instanceof Promise ? who.then((one) => admit(req, claims, one)) : admit(req, claims, who)
  }

  return function bearer(req) {
    const header = req.headers['authorization']
    if (header === undefined) return missing
    if (typeof header !== 'string') return reject(req, ambiguous)
    if (!SCHEME.test(header)) return missing
    const token = CREDENTIALS.exec(header)?.[1]
    if (token === undefined) return reject(req, malformed)
    const result = verifier.verify(token)
    return result instanceof Promise ? result.then((one) => decide(req, one)) : decide(req, result)
  }
}

function refuse(status: 400 | 401, headers: ReturnType<typeof challenge>, cause: Reason): Refusal {
  return { type: 'reply', reply: problem({ status }, headers), cause }
}

/**
 * The principal that the claims of RFC 9068 describe. A claim of the wrong type counts as absent: that is always less. A token
 * without `scope` is good for nothing that asks for one.
 */
export function principalFromClaims(claims: Claims): Principal | undefined {
  const { sub, client_id: clientId, tenant, roles, scope, amr, acr, auth_time: authTime } = claims
  if (sub === undefined) return undefined
  return {
    subject: sub,
    // RFC 9068 §2.2: a client that acts for itself is its own subject.
    kind: sub === clientId ? 'client' : 'user',
    roles: isTexts(roles) ? roles : [],
    scopes: typeof scope === 'string' ? scope.split(' ').filter((one) => one !== '') : [],
    ...(typeof tenant === 'string' && { tenant }),
    ...(clientId !== undefined && { clientId }),
    ...(isTexts(amr) && { amr }),
    ...(typeof acr === 'string' && { acr }),
    ...(typeof authTime === 'number' && { authTime }),
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}
