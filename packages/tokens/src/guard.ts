import type { Decision, Guard, HeaderList, Principal, Reason, Refusal, RequestView } from '@portcullis/core'
import { type Confirmation, isConfirmation } from './access-token.ts'
import {
  ambiguousCredentials,
  type ChallengeOptions,
  createScheme,
  missingCredentials,
  type Scheme,
  tooManyAttempts,
  unavailable,
} from './bearer-scheme.ts'
import type { Claims } from './claims.ts'
import type { ClientCertificates } from './client-certificate.ts'
import type { DpopVerifier } from './dpop.ts'
import { TokenError } from './errors.ts'
import { rejectedEvent } from './events.ts'
import { INVALID_TOKEN } from './refused.ts'
import type { Verifier, VerifyResult } from './verifier.ts'

/** Options of {@link bearer}. */
export interface BearerOptions extends ChallengeOptions {
  readonly verifier: Pick<Verifier<string>, 'verify'>
  /**
   * Whom the claims speak for; `undefined` refuses the token. Default: `sub`, `client_id`, `tenant`, `roles`, `scope`, `amr`, `acr`
   * and `auth_time` as the token has them, see {@link principalFromClaims}.
   */
  readonly principal?: (claims: Claims) => Principal | undefined | Promise<Principal | undefined>
  /** Takes tokens that are bound to a key, with their proofs (RFC 9449). Default: they are refused. */
  readonly dpop?: DpopVerifier
  /** Takes tokens that are bound to a client certificate (RFC 8705). Default: they are refused. */
  readonly certificates?: ClientCertificates
  /** Takes bound tokens alone: a token that is stolen is then worth nothing. Default: false. */
  readonly requireProof?: boolean
}

/** What {@link bearer} found out. */
type CertificateConfirmation = Extract<Confirmation, { readonly 'x5t#S256': string }>

export interface BearerFacts {
  readonly claims: Claims
  /** What the caller has proven to hold: the key or the certificate that the token is bound to. */
  readonly confirmation?: Confirmation
}

// RFC 6750 §2.1, RFC 9449 §7.1. RFC 9110 §11.1: the name of a scheme has no letter case.
const BEARER = /^bearer(?: |$)/i
const DPOP = /^dpop(?: |$)/i
const TOKEN = /^ +([A-Za-z0-9._~+/-]+=*)$/

const NEEDS_PROOF: Reason = { code: 'tokens.proof_missing', message: 'the token is bound to a key, and came without a proof' }
const UNBOUND: Reason = { code: 'tokens.binding_missing', message: 'the token is bound to nothing, and has to be' }
const NOT_DPOP: Reason = { code: 'tokens.binding_missing', message: 'the token is not bound to a DPoP key' }
const UNKNOWN_BINDING: Reason = { code: 'tokens.binding_unknown', message: 'cnf is not one jkt or one x5t#S256' }
const NO_CERTIFICATE: Reason = { code: 'tokens.certificate_missing', message: 'the token is bound to a client certificate' }
const CERTIFICATE: Reason = { code: 'tokens.certificate_mismatch', message: 'the token is bound to another client certificate' }
const NOBODY: Reason = { code: 'tokens.principal_unknown', message: 'the claims name nobody who is known here' }

/**
 * Authenticates by an access token in the `Authorization` header: never in the query or the body, where it ends up in logs. As a
 * bearer token (RFC 6750), bound to a client certificate or not, or with a proof of possession (RFC 9449); a token that is bound
 * is worth nothing without. Why a token was refused is in the decision's `cause` and in the event `tokens.rejected`; the client
 * reads the same words whatever it was. When that can't be told, the answer is 503; after too many wrong ones, where the verifier
 * counts them, 429. Synchronous for tokens without a DPoP proof
 * whenever the verifier and `principal` are.
 *
 * @throws TokenError `tokens.options_invalid`
 * @example app.get('/api/me', guard([bearer({ verifier })], authenticated()), handler)
 */
export function bearer(options: BearerOptions): Guard<BearerFacts> {
  const door = new Door(options)
  return function bearer(req) {
    return door.decide(req)
  }
}

type Outcome = Decision<BearerFacts> | Promise<Decision<BearerFacts>>

class Door {
  readonly #verifier: BearerOptions['verifier']
  readonly #principal: NonNullable<BearerOptions['principal']>
  readonly #dpop: DpopVerifier | undefined
  readonly #certificates: ClientCertificates | undefined
  readonly #requireProof: boolean
  readonly #bearer: Scheme
  readonly #proven: Scheme | undefined
  readonly #missing: Refusal
  readonly #ambiguous: Refusal

  constructor(options: BearerOptions) {
    const { verifier, dpop, certificates, requireProof = false, principal = principalFromClaims } = options
    if (typeof verifier?.verify !== 'function') throw invalidOption('verifier must be a verifier')
    if (dpop !== undefined && typeof dpop?.verify !== 'function') throw invalidOption('dpop must be a DPoP verifier')
    if (certificates !== undefined && typeof certificates?.thumbprint !== 'function') {
      throw invalidOption('certificates must be what createClientCertificates gives')
    }
    if (requireProof && dpop === undefined && certificates === undefined) {
      throw invalidOption('requireProof needs dpop, or certificates, or both')
    }
    this.#verifier = verifier
    this.#principal = principal
    this.#dpop = dpop
    this.#certificates = certificates
    this.#requireProof = requireProof
    this.#bearer = createScheme('Bearer', options)
    this.#proven = dpop && createScheme('DPoP', options, dpop.algorithms)
    const schemes = this.#offered()
    this.#missing = missingCredentials(schemes)
    this.#ambiguous = ambiguousCredentials(schemes)
  }

  decide(req: RequestView): Outcome {
    const header = req.headers['authorization']
    if (header === undefined) return this.#missing
    if (typeof header !== 'string') return rejected(req, this.#ambiguous)
    const scheme = BEARER.test(header) ? this.#bearer : DPOP.test(header) ? this.#proven : undefined
    if (scheme === undefined) return this.#missing
    const token = TOKEN.exec(header.slice(scheme.challenge.scheme.length))?.[1]
    if (token === undefined) return rejected(req, scheme.malformed)
    try {
      const result = this.#verifier.verify(token, { request: req })
      const outcome =
        result instanceof Promise
          ? result.then((one) => this.#checkBinding(req, scheme, token, one))
          : this.#checkBinding(req, scheme, token, result)
      return outcome instanceof Promise ? outcome.catch(unavailable) : outcome
    } catch (error) {
      return unavailable(error)
    }
  }

  /** What would do here. In the scheme Bearer, a token is bound to a certificate or to nothing. */
  #offered(): readonly Scheme[] {
    const schemes = this.#requireProof && this.#certificates === undefined ? [] : [this.#bearer]
    return this.#proven === undefined ? schemes : [...schemes, this.#proven]
  }

  #checkBinding(req: RequestView, scheme: Scheme, token: string, result: VerifyResult<string>): Outcome {
    if (!result.ok) {
      const { reason, retryAfter } = result
      return retryAfter === undefined ? this.#refuse(req, scheme, reason) : rejected(req, tooManyAttempts(reason, retryAfter))
    }
    const { claims } = result
    if (!Object.hasOwn(claims, 'cnf')) {
      if (scheme === this.#proven) return this.#refuse(req, scheme, NOT_DPOP)
      return this.#requireProof ? this.#refuse(req, scheme, UNBOUND) : this.#identify(req, scheme, { claims })
    }
    const confirmation = claims['cnf']
    // RFC 7800 §3.1: what is not understood is not satisfied.
    if (!isConfirmation(confirmation)) return this.#refuse(req, scheme, UNKNOWN_BINDING)
    if ('jkt' in confirmation) return this.#checkProof(req, scheme, token, claims, confirmation.jkt)
    return this.#checkCertificate(req, scheme, claims, confirmation)
  }

  /** RFC 9449 §7.1, §7.2: a token that is bound to a key is no bearer token, or binding it was for nothing. */
  #checkProof(req: RequestView, scheme: Scheme, token: string, claims: Claims, jkt: string): Outcome {
    if (this.#dpop === undefined || scheme !== this.#proven) return this.#refuse(req, scheme, NEEDS_PROOF)
    const { method, target, headers } = req
    return this.#dpop.verify({ proof: headers['dpop'], method, target, accessToken: token, jkt }).then((result) => {
      const next = result.nonce === undefined ? undefined : nonceHeaders(result.nonce)
      if (result.ok) return this.#identify(req, scheme, { claims, confirmation: { jkt } }, next)
      const refusal = scheme.refuse(result.reason, result.answer, next)
      // The first request of every client lacks a nonce: nothing has happened yet.
      return result.reason.code === 'tokens.proof_nonce_missing' ? refusal : rejected(req, refusal)
    })
  }

  /** RFC 8705 §3 */
  #checkCertificate(req: RequestView, scheme: Scheme, claims: Claims, confirmation: CertificateConfirmation): Outcome {
    if (scheme === this.#proven) return this.#refuse(req, scheme, NOT_DPOP)
    if (this.#certificates === undefined) return this.#refuse(req, scheme, NEEDS_PROOF)
    const thumbprint = this.#certificates.thumbprint(req)
    if (thumbprint === undefined) return this.#refuse(req, scheme, NO_CERTIFICATE)
    if (thumbprint !== confirmation['x5t#S256']) return this.#refuse(req, scheme, CERTIFICATE)
    return this.#identify(req, scheme, { claims, confirmation })
  }

  #identify(req: RequestView, scheme: Scheme, facts: BearerFacts, headers?: HeaderList): Outcome {
    const who = this.#principal(facts.claims)
    return who instanceof Promise
      ? who.then((one) => this.#admit(req, scheme, facts, headers, one))
      : this.#admit(req, scheme, facts, headers, who)
  }

  #admit(
    req: RequestView,
    scheme: Scheme,
    facts: BearerFacts,
    headers: HeaderList | undefined,
    who: Principal | undefined,
  ): Decision<BearerFacts> {
    if (who === undefined) return this.#refuse(req, scheme, NOBODY)
    const principal = who.challenge === undefined ? { ...who, challenge: scheme.challenge } : who
    return headers === undefined ? { type: 'continue', facts, principal } : { type: 'continue', facts, principal, headers }
  }

  /** RFC 9449 §7.2: the scheme that was tried says what is wrong. To a proof that failed, nothing weaker is offered. */
  #refuse(req: RequestView, scheme: Scheme, cause: Reason): Refusal {
    return rejected(req, scheme.refuse(cause, INVALID_TOKEN, scheme === this.#bearer ? this.#proven?.offer : undefined))
  }
}

/** RFC 9449 §8.2: an answer with a nonce is not for caches. */
function nonceHeaders(nonce: string): HeaderList {
  return [
    ['DPoP-Nonce', nonce],
    ['Cache-Control', 'no-store'],
  ]
}

function rejected(req: RequestView, refusal: Refusal): Refusal {
  if (refusal.cause !== undefined) rejectedEvent.publish({ code: refusal.cause.code }, { request: req })
  return refusal
}

function invalidOption(message: string): TokenError {
  return new TokenError('tokens.options_invalid', message)
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
