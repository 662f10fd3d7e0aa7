import { type Refused, refused } from './refused.ts'
import type { JsonObject } from './strict-json.ts'

/** The claims of a verified token. Those that are named here have the type they should; everything else is as it was sent. */
export interface Claims {
  readonly iss: string
  readonly aud: string | readonly string[]
  /** Seconds since the epoch, as `nbf` and `iat` are (RFC 7519 §2, NumericDate). */
  readonly exp: number
  readonly nbf?: number
  readonly iat?: number
  readonly sub?: string
  readonly jti?: string
  readonly client_id?: string
  readonly [claim: string]: unknown
}

/** Why claims are refused, once the signature is good. */
export type ClaimsReasonCode =
  | 'tokens.claims_malformed'
  | 'tokens.claim_missing'
  | 'tokens.issuer_mismatch'
  | 'tokens.audience_mismatch'
  | 'tokens.expired'
  | 'tokens.not_active'
  | 'tokens.issued_in_future'

/** What claims are held against. */
export interface ClaimRules {
  readonly issuer: string
  readonly audiences: readonly string[]
  readonly required: readonly string[]
  /** Seconds. */
  readonly clockTolerance: number
}

const WRONG_TYPE = refused('tokens.claims_malformed', 'a registered claim has the wrong type')
const ISSUER = refused('tokens.issuer_mismatch', 'iss is not the expected issuer')
const AUDIENCE = refused('tokens.audience_mismatch', 'aud names none of the accepted audiences')
const EXPIRED = refused('tokens.expired', 'the token has expired')
const NOT_ACTIVE = refused('tokens.not_active', 'the token is not valid yet')
const FUTURE = refused('tokens.issued_in_future', 'iat lies in the future')
const NO_EXPIRY = refused('tokens.claim_missing', 'exp is missing')

/**
 * Checks the claims of RFC 7519 §4.1.
 * @param now milliseconds since the epoch
 * @returns `undefined` when they are good
 */
export function checkClaims(claims: JsonObject, rules: ClaimRules, now: number): Refused<ClaimsReasonCode> | undefined {
  const { iss, aud, exp, nbf, iat, sub, jti, client_id: clientId } = claims as Partial<Claims>
  if (typeof iss !== 'string' || iss !== rules.issuer) return ISSUER
  if (!namesOneOf(aud, rules.audiences)) return AUDIENCE
  if (exp === undefined) return NO_EXPIRY
  if (!isDate(exp) || !isOptional(nbf, isDate) || !isOptional(iat, isDate)) return WRONG_TYPE
  if (!isOptional(sub, isText) || !isOptional(jti, isText) || !isOptional(clientId, isText)) return WRONG_TYPE
  const untimely = checkTimes(claims as TimeClaims, rules, now)
  if (untimely !== undefined) return untimely
  for (const name of rules.required) {
    if (!Object.hasOwn(claims, name) || claims[name] === null) return refused('tokens.claim_missing', `${name} is missing`)
  }
  return undefined
}

/** Claims about time that are of their type. */
export type TimeClaims = Pick<Claims, 'exp' | 'nbf' | 'iat'>

/**
 * The part of {@link checkClaims} whose outcome changes while a token lies about.
 * @param now milliseconds since the epoch
 */
export function checkTimes(
  { exp, nbf, iat }: TimeClaims,
  rules: Pick<ClaimRules, 'clockTolerance'>,
  now: number,
): Refused<ClaimsReasonCode> | undefined {
  const tolerance = rules.clockTolerance * 1000
  // RFC 7519 §4.1.4: on or after the time, it is over.
  if (now - tolerance >= exp * 1000) return EXPIRED
  if (nbf !== undefined && now + tolerance < nbf * 1000) return NOT_ACTIVE
  if (iat !== undefined && now + tolerance < iat * 1000) return FUTURE
  return undefined
}

function namesOneOf(aud: unknown, accepted: readonly string[]): boolean {
  if (typeof aud === 'string') return accepted.includes(aud)
  if (!Array.isArray(aud) || !aud.every(isText)) return false
  return aud.some((one) => accepted.includes(one))
}

function isOptional(value: unknown, is: (value: unknown) => boolean): boolean {
  return value === undefined || is(value)
}

function isDate(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
