import { TokenError } from './errors.ts'

/** Whom an access token is for, and what it is good for (RFC 9068 §2.2). */
export interface AccessTokenRequest {
  /** `sub`: the user, or the client itself where it acts for itself. */
  readonly subject: string
  /** `aud`: the resource server, or several. */
  readonly audience: string | readonly string[]
  /** `client_id`: who asked for the token. */
  readonly clientId: string
  /** `scope`. */
  readonly scopes: readonly string[]
  /** When the person last proved who he is: seconds since the epoch. */
  readonly authTime?: number
  readonly acr?: string
  readonly amr?: readonly string[]
  /** The tenant that the subject acts in. */
  readonly tenant?: string
  readonly roles?: readonly string[]
  /** Seconds. Default: the issuer's. */
  readonly lifetime?: number
  /** Further claims; none of those above, nor `cnf`, which says that a token needs a proof. */
  readonly claims?: Readonly<Record<string, unknown>>
}

const RESERVED: ReadonlySet<string> = new Set([
  'iss',
  'sub',
  'aud',
  'exp',
  'nbf',
  'iat',
  'jti',
  'client_id',
  'scope',
  'auth_time',
  'acr',
  'amr',
  'tenant',
  'roles',
  'cnf',
])

// RFC 6749 §3.3: a scope is printable ASCII without space, quote and backslash.
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/**
 * The claims of an access token, without those that the issuer sets at signing.
 * @throws TokenError `tokens.claim_reserved`, `tokens.claim_invalid`
 */
export function accessTokenClaims(request: AccessTokenRequest): Readonly<Record<string, unknown>> {
  const { subject, audience, clientId, scopes, authTime, acr, amr, tenant, roles, claims = {} } = request
  const all = typeof audience === 'string' ? [audience] : audience
  // A token for nobody in particular is a token for everybody.
  if (all.length === 0 || all.some((one) => one === '')) throw invalid('audience')
  if (subject === '') throw invalid('subject')
  if (clientId === '') throw invalid('clientId')
  if (!scopes.every((scope) => SCOPE.test(scope))) throw invalid('scopes')
  return {
    ...withoutReserved(claims, RESERVED),
    sub: subject,
    aud: all.length === 1 ? all[0] : all,
    client_id: clientId,
    ...(scopes.length > 0 && { scope: scopes.join(' ') }),
    ...(authTime !== undefined && { auth_time: authTime }),
    ...(acr !== undefined && { acr }),
    ...(amr !== undefined && { amr }),
    ...(tenant !== undefined && { tenant }),
    ...(roles !== undefined && { roles }),
  }
}

/** @throws TokenError `tokens.claim_reserved` */
export function withoutReserved(
  claims: Readonly<Record<string, unknown>>,
  reserved: ReadonlySet<string>,
): Readonly<Record<string, unknown>> {
  const found = Object.keys(claims).find((name) => reserved.has(name))
  if (found === undefined) return claims
  throw new TokenError('tokens.claim_reserved', `${found} is not set through claims`)
}

function invalid(name: string): TokenError {
  return new TokenError('tokens.claim_invalid', `${name} is empty, or has a character that it must not have`)
}
