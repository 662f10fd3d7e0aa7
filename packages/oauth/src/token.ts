import { type Endpoint, type Form, type HeaderList, json, type Reply, type RequestView } from '@portcullis/core'
import type { Client, GrantType } from './client.ts'
import { BASIC_CHALLENGE, readClientRequest, triedBasic } from './client-authentication.ts'
import { tokenIssuedEvent, tokenRefusedEvent } from './events.ts'
import { authorizationCodeGrant } from './grants/authorization-code.ts'
import { clientCredentialsGrant } from './grants/client-credentials.ts'
import { refreshTokenGrant } from './grants/refresh-token.ts'
import { proveKey } from './proof.ts'
import type { Provider } from './provider.ts'
import { errorReply, type Refused, refused } from './refusal.ts'

/** A request of a client that has proven who it is. */
export interface TokenRequest {
  readonly provider: Provider
  readonly client: Client
  readonly form: Form
  /** The thumbprint of the key that the client has just proven to hold. */
  readonly jkt: string | undefined
  readonly req: RequestView
}

/** Tokens that a grant gives. */
export interface TokenAnswer {
  readonly type: 'tokens'
  readonly accessToken: string
  readonly jti: string
  /** Seconds. */
  readonly expiresIn: number
  readonly subject: string
  readonly scopes: readonly string[]
  /** The resource that the access token is for. */
  readonly audience: string
  readonly refreshToken?: string | undefined
  readonly idToken?: string | undefined
}

/** One way to come by tokens. */
export type Grant = (request: TokenRequest) => Promise<TokenAnswer | Refused>

const GRANTS: Readonly<Record<GrantType, Grant>> = {
  authorization_code: authorizationCodeGrant,
  refresh_token: refreshTokenGrant,
  client_credentials: clientCredentialsGrant,
}

/** The grants that the token endpoint knows. */
export const GRANT_TYPES: readonly GrantType[] = Object.keys(GRANTS) as GrantType[]

/** The token endpoint (RFC 6749 §3.2). */
export function tokenEndpoint(provider: Provider): Endpoint {
  return async (req) => {
    const sender = await readClientRequest(provider.clients, req)
    if (sender.type === 'refused') return refuse(provider, req, sender, undefined, undefined)
    const { client, form } = sender
    const grantType = form['grant_type']
    const grant = grantOf(grantType, client)
    if (typeof grant !== 'function') return refuse(provider, req, grant, client, grantType)
    // Before the grant, which uses up codes and refresh tokens: a client that lacks a nonce comes again with the same one.
    const proven = await proveKey(provider, client, req)
    if ('refusal' in proven) return refuse(provider, req, proven.refusal, client, grantType, proven.headers)
    const { jkt, headers } = proven
    const answer = await grant({ provider, client, form, jkt, req })
    if (answer.type === 'refused') return refuse(provider, req, answer, client, grantType, headers)
    report(provider, req, client, grantType ?? '', answer)
    return tokenReply(answer, jkt === undefined ? 'Bearer' : 'DPoP', headers)
  }
}

function grantOf(grantType: string | undefined, client: Client): Grant | Refused {
  if (grantType === undefined) return refused('invalid_request', 'oauth.grant_type_missing', 'grant_type is required')
  if (!isGrantType(grantType)) {
    return refused('unsupported_grant_type', 'oauth.grant_type_unsupported', 'grant_type is not supported')
  }
  return client.grants.includes(grantType)
    ? GRANTS[grantType]
    : refused('unauthorized_client', 'oauth.grant_not_allowed', 'this client may not use this grant')
}

function isGrantType(text: string): text is GrantType {
  return Object.hasOwn(GRANTS, text)
}

// RFC 6749 §5.1, RFC 9449 §5.
function tokenReply(
  { accessToken, expiresIn, scopes, refreshToken, idToken }: TokenAnswer,
  tokenType: 'Bearer' | 'DPoP',
  headers: HeaderList,
): Reply {
  const body = {
    access_token: accessToken,
    token_type: tokenType,
    expires_in: expiresIn,
    scope: scopes.join(' '),
    ...(refreshToken !== undefined && { refresh_token: refreshToken }),
    ...(idToken !== undefined && { id_token: idToken }),
  }
  return json(body, { headers: [['Pragma', 'no-cache'], ...headers] })
}

function refuse(
  { clock }: Provider,
  request: RequestView,
  refusal: Refused,
  client: Client | undefined,
  grantType: string | undefined,
  headers: HeaderList = [],
): Reply {
  const { error, reason } = refusal
  // What was sent as grant_type is anything; only what we know goes into a log.
  const known = grantType !== undefined && isGrantType(grantType) ? grantType : undefined
  tokenRefusedEvent.publish({ clientId: client?.clientId, grantType: known, error, reason }, { request, clock })
  return errorReply(refusal, error === 'invalid_client' && triedBasic(request) ? [...BASIC_CHALLENGE, ...headers] : headers)
}

function report({ clock }: Provider, request: RequestView, { clientId }: Client, grantType: string, answer: TokenAnswer): void {
  const { subject, scopes, audience, jti, refreshToken } = answer
  tokenIssuedEvent.publish(
    { grantType, clientId, subject, scopes, audience, jti, refreshToken: refreshToken !== undefined },
    { request, clock },
  )
}
