import type { Client } from './client.ts'
import type { Provider } from './provider.ts'
import { isRegistered } from './redirect-uri.ts'
import { type Refused, refused } from './refusal.ts'
import { parseScope } from './scope.ts'

/** A checked authorization request, as it waits in an interaction. */
export type AuthorizationRequest = {
  readonly clientId: string
  readonly redirectUri: { readonly value: string; readonly sent: boolean }
  readonly state?: string
  readonly scopes: readonly string[]
  readonly resource: string
  readonly nonce?: string
  readonly challenge?: string
  /** RFC 9449 §10 */
  readonly dpopJkt?: string
  readonly prompts: readonly string[]
  /** Seconds. */
  readonly maxAge?: number
  readonly acrValues?: readonly string[]
  readonly loginHint?: string
  /** Whom the client expects, from its `id_token_hint`. */
  readonly expectedSubject?: string
}

/** Where an authorization response goes. */
export interface ResponseTarget {
  readonly redirectUri: string
  readonly state: string | undefined
}

/** What came of an authorization request. */
export type ParsedRequest =
  | {
      readonly type: 'request'
      readonly request: AuthorizationRequest
      readonly client: Client
      readonly idTokenHint: string | undefined
    }
  /** The client is told by a redirect. */
  | { readonly type: 'redirect'; readonly to: ResponseTarget; readonly refusal: Refused; readonly clientId: string }
  /** RFC 6749 §4.1.2.1: no redirect to an address that is not known to be the client's; the person is told. */
  | { readonly type: 'page'; readonly refusal: Refused }

/** The longest query that is read, in characters. */
const LONGEST_QUERY = 8192

const PROMPTS: ReadonlySet<string> = new Set(['none', 'login', 'consent', 'select_account'])

/** Parses and checks the parameters of RFC 6749 §4.1.1, RFC 7636, RFC 8707, RFC 9470 and OpenID Connect Core §3.1.2.1. */
export async function parseAuthorizationRequest(
  provider: Pick<Provider, 'clients' | 'catalog'>,
  query: string,
): Promise<ParsedRequest> {
  const onPage = (reason: string, description: string): ParsedRequest => ({
    type: 'page',
    refusal: refused('invalid_request', reason, description),
  })
  if (query.length > LONGEST_QUERY) return onPage('oauth.request_too_long', 'the request is too long')
  const { values, repeated, unprintable } = readParameters(query)
  const broken = (name: string): boolean => repeated.has(name) || unprintable.has(name)
  if (['client_id', 'redirect_uri', 'state'].some(broken)) {
    return onPage('oauth.parameter_malformed', 'client_id, redirect_uri or state occurs twice, or has control characters')
  }
  const clientId = values.get('client_id')
  const client = clientId === undefined ? undefined : await provider.clients.find(clientId)
  if (client === undefined) return onPage('oauth.client_unknown', 'client_id names no client')

  const sent = values.get('redirect_uri')
  const [only, ...others] = client.redirectUris ?? []
  const redirectUri = sent ?? (others.length === 0 ? only : undefined)
  if (redirectUri === undefined) return onPage('oauth.redirect_uri_missing', 'redirect_uri is required')
  if (sent !== undefined && !isRegistered(sent, client.redirectUris ?? [])) {
    return onPage('oauth.redirect_uri_mismatch', 'redirect_uri is not registered for this client')
  }

  const state = values.get('state')
  const refuse = (refusal: Refused): ParsedRequest => {
    return { type: 'redirect', to: { redirectUri, state }, refusal, clientId: client.clientId }
  }
  if (repeated.size > 0 || unprintable.size > 0) {
    return refuse(refused('invalid_request', 'oauth.parameter_malformed', 'a parameter occurs twice, or has control characters'))
  }
  const flaw = flawOfResponse(client, values)
  if (flaw !== undefined) return refuse(flaw)

  const resource = provider.catalog.resource(values.get('resource'))
  if (resource === undefined) return refuse(refused('invalid_target', 'oauth.resource_unknown', 'resource is not known here'))
  const scopes = parseScope(values.get('scope') ?? '', provider.catalog.within(client.scopes ?? [], resource))
  if (!isList(scopes)) return refuse(scopes)
  const challenge = parseChallenge(client, values)
  if (typeof challenge === 'object') return refuse(challenge)
  const person = parsePersonParameters(values)
  if ('error' in person) return refuse(person)

  const nonce = values.get('nonce')
  const dpopJkt = values.get('dpop_jkt')
  if (dpopJkt !== undefined && !/^[A-Za-z0-9_-]{43}$/.test(dpopJkt))
    return refuse(refused('invalid_request', 'oauth.dpop_jkt_malformed', 'dpop_jkt is malformed'))
  const request: AuthorizationRequest = {
    clientId: client.clientId,
    redirectUri: { value: redirectUri, sent: sent !== undefined },
    // OpenID Connect Core §11: offline_access is ignored where no refresh token could follow.
    scopes: scopes.filter((scope) => scope !== 'offline_access' || client.grants.includes('refresh_token')),
    resource: resource.identifier,
    ...(state !== undefined && { state }),
    ...(nonce !== undefined && { nonce }),
    ...(challenge !== undefined && { challenge }),
    ...(dpopJkt !== undefined && { dpopJkt }),
    ...person,
  }
  return { type: 'request', request, client, idTokenHint: values.get('id_token_hint') }
}

function readParameters(query: string): {
  readonly values: ReadonlyMap<string, string>
  readonly repeated: ReadonlySet<string>
  readonly unprintable: ReadonlySet<string>
} {
  const values = new Map<string, string>()
  const seen = new Set<string>()
  const repeated = new Set<string>()
  const unprintable = new Set<string>()
  for (const [name, value] of new URLSearchParams(query)) {
    if (seen.has(name)) repeated.add(name)
    seen.add(name)
    // Nothing here needs one, and stores, headers and logs each trip over another.
    if (/\p{Cc}/u.test(value)) unprintable.add(name)
    // RFC 6749 §3.1: a parameter without a value was not sent.
    if (value !== '') values.set(name, value)
  }
  return { values, repeated, unprintable }
}

function flawOfResponse(client: Client, values: ReadonlyMap<string, string>): Refused | undefined {
  if (!client.grants.includes('authorization_code')) {
    return refused('unauthorized_client', 'oauth.grant_not_allowed', 'this client may not use the code grant')
  }
  for (const [name, error] of [
    ['request', 'request_not_supported'],
    ['request_uri', 'request_uri_not_supported'],
    ['registration', 'registration_not_supported'],
  ] as const) {
    if (values.has(name)) return refused(error, 'oauth.parameter_unsupported', `${name} is not supported`)
  }
  const type = values.get('response_type')
  if (type === undefined) return refused('invalid_request', 'oauth.response_type_missing', 'response_type is required')
  if (type !== 'code')
    return refused('unsupported_response_type', 'oauth.response_type_unsupported', 'response_type must be code')
  const mode = values.get('response_mode') ?? 'query'
  return mode === 'query'
    ? undefined
    : refused('invalid_request', 'oauth.response_mode_unsupported', 'response_mode must be query')
}

/** @returns the challenge; `undefined` where the client may and does go without */
function parseChallenge(client: Client, values: ReadonlyMap<string, string>): string | undefined | Refused {
  const challenge = values.get('code_challenge')
  const method = values.get('code_challenge_method')
  if (challenge === undefined) {
    // RFC 9700 §2.1.1: required, unless this very client was let off.
    if (client.pkce !== 'optional') return refused('invalid_request', 'oauth.pkce_missing', 'code_challenge is required')
    return method === undefined ? undefined : refused('invalid_request', 'oauth.pkce_missing', 'code_challenge is missing')
  }
  // RFC 7636 §4.3: without a method it would be plain, which protects nothing once the request is seen.
  if (method !== 'S256') return refused('invalid_request', 'oauth.pkce_method', 'code_challenge_method must be S256')
  if (!/^[A-Za-z0-9_-]{43}$/.test(challenge))
    return refused('invalid_request', 'oauth.pkce_malformed', 'code_challenge is malformed')
  return challenge
}

type PersonParameters = Pick<AuthorizationRequest, 'prompts' | 'maxAge' | 'acrValues' | 'loginHint'>

function parsePersonParameters(values: ReadonlyMap<string, string>): PersonParameters | Refused {
  const prompts = words(values.get('prompt'))
  if (!prompts.every((prompt) => PROMPTS.has(prompt)) || (prompts.includes('none') && prompts.length > 1)) {
    return refused('invalid_request', 'oauth.prompt_invalid', 'prompt has an unknown value, or none beside another')
  }
  const maxAge = values.get('max_age')
  if (maxAge !== undefined && !/^\d{1,9}$/.test(maxAge)) {
    return refused('invalid_request', 'oauth.max_age_invalid', 'max_age must be whole seconds')
  }
  const acrValues = words(values.get('acr_values'))
  const loginHint = values.get('login_hint')
  return {
    prompts,
    ...(maxAge !== undefined && { maxAge: Number(maxAge) }),
    ...(acrValues.length > 0 && { acrValues }),
    ...(loginHint !== undefined && { loginHint: loginHint.slice(0, 256) }),
  }
}

function words(text: string | undefined): readonly string[] {
  return text === undefined ? [] : text.split(' ').filter((word) => word !== '')
}

function isList(scopes: readonly string[] | Refused): scopes is readonly string[] {
  return Array.isArray(scopes)
}
