import { decodeBase64url } from './base64url.ts'
import { TokenError } from './errors.ts'

/** What a token is bound to; SHA-256, base64url. */
export type Confirmation =
  /** The thumbprint of a DPoP key (RFC 9449 §6.1). */
  | { readonly jkt: string }
  /** The thumbprint of a client certificate (RFC 8705 §3.1). */
  | { readonly 'x5t#S256': string }

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
  /** `sid`: the session that the token came out of; revoking the session revokes it. */
  readonly sessionId?: string
  /** `grant_id`: the grant, such as a refresh token's family; when that ends, the token can end with it. */
  readonly grantId?: string
  /** `cnf`: the key that a caller must prove to hold (RFC 7800 §3.1): a DPoP key, or a client certificate. */
  readonly confirmation?: Confirmation
  /** Seconds. Default: the issuer's. */
  readonly lifetime?: number
  /** Further claims; none of those above. */
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
  'sid',
  'grant_id',
  'cnf',
])

// RFC 6749 §3.3: a scope is printable ASCII without space, quote and backslash.
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/**
 * The claims of an access token, or of an API key, which need not have come through a client; without those that the issuer sets.
 * @throws TokenError `tokens.claim_reserved`, `tokens.claim_invalid`
 */
export function accessTokenClaims(
  request: Omit<AccessTokenRequest, 'clientId'> & { readonly clientId?: string },
): Readonly<Record<string, unknown>> {
  const { subject, audience, clientId, scopes, authTime, acr, amr, tenant, roles, claims } = request
  const { sessionId, grantId, confirmation } = request
  // A token for nobody in particular is a token for everybody.
  if (audience.length === 0 || (typeof audience !== 'string' && audience.includes(''))) throw invalid('audience')
  if (subject === '') throw invalid('subject')
  if (clientId === '') throw invalid('clientId')
  if (sessionId === '') throw invalid('sessionId')
  if (grantId === '') throw invalid('grantId')
  if (confirmation !== undefined && !isConfirmation(confirmation)) throw invalid('confirmation')
  if (!scopes.every((scope) => SCOPE.test(scope))) throw invalid('scopes')
  // What is undefined is left out when this is written as JSON.
  return {
    ...(claims === undefined ? undefined : withoutReserved(claims, RESERVED)),
    sub: subject,
    aud: audience.length === 1 && typeof audience !== 'string' ? audience[0] : audience,
    client_id: clientId,
    scope: scopes.length === 0 ? undefined : scopes.join(' '),
    auth_time: authTime,
    acr,
    amr,
    tenant,
    roles,
    sid: sessionId,
    grant_id: grantId,
    cnf: confirmation,
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

/** Whether a value is a `cnf` that is understood, and all of it. Both members at once would leave open which one counts. */
export function isConfirmation(value: unknown): value is Confirmation {
  if (typeof value !== 'object' || value === null) return false
  const [[name, thumbprint] = [], ...more] = Object.entries(value)
  if (more.length > 0 || (name !== 'jkt' && name !== 'x5t#S256')) return false
  // RFC 7638 §3, RFC 8705 §3.1: 32 bytes.
  return typeof thumbprint === 'string' && decodeBase64url(thumbprint)?.length === 32
}

function invalid(name: string): TokenError {
  return new TokenError('tokens.claim_invalid', `${name} is empty, or has a character that it must not have`)
}
