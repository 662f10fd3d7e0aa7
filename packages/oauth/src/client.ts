import { createHash, randomBytes } from 'node:crypto'
import { OAuthError } from './errors.ts'
import { checkRedirectUri } from './redirect-uri.ts'
import { isScopeToken } from './scope.ts'

/** How a client proves who it is at the token endpoint (RFC 6749 §2.3, OpenID Connect Core §9). */
export type ClientAuthenticationMethod = 'none' | 'client_secret_basic' | 'client_secret_post'

/** What a client may ask the token endpoint for. */
export type GrantType = 'authorization_code' | 'refresh_token' | 'client_credentials'

/** An application that may ask this server for tokens. */
export interface Client {
  /** Printable ASCII, 1 to 128 characters, without a colon: the id is one half of a Basic credential. */
  readonly clientId: string
  /** What people are shown when they are asked for consent. */
  readonly name: string
  /** A public client can't keep a secret: an app on a device, a page in a browser (RFC 6749 §2.1). */
  readonly kind: 'public' | 'confidential'
  /** `['none']` for a public client; a confidential one names what it may use. */
  readonly authentication: readonly ClientAuthenticationMethod[]
  /** From {@link hashClientSecret}. Two while a secret is being replaced. */
  readonly secretHashes?: readonly string[]
  /** Compared exactly; `http://127.0.0.1/…` and `http://[::1]/…` with any port. */
  readonly redirectUris?: readonly string[]
  readonly grants: readonly GrantType[]
  /** The most a person may grant to this client. */
  readonly scopes?: readonly string[]
  /** The most this client may have for itself, under `client_credentials`. */
  readonly clientCredentialsScopes?: readonly string[]
  /** `required` by default. A confidential client may be let off, at the price of weaker defence against injected codes. */
  readonly pkce?: 'required' | 'optional'
  /** Every token of this client is bound to a key that it proves to hold (RFC 9449 §5.2); the server must have `dpop`. */
  readonly dpopBoundAccessTokens?: boolean
  /** Where a browser may go after signing out; compared exactly. */
  readonly postLogoutRedirectUris?: readonly string[]
}

/** Where clients are looked up; asked again for each request, so that a client that was removed is gone at once. */
export interface ClientDirectory {
  /** @param id as it was sent: unchecked text */
  find(id: string): Client | undefined | Promise<Client | undefined>
  /** Where the clients are known beforehand: their scopes are then checked when the server is made. */
  readonly all?: readonly Client[]
}

/**
 * A directory of clients that are known beforehand.
 * @throws OAuthError as {@link checkClient}, and `oauth.client_duplicate`
 */
export function clientsFrom(clients: readonly Client[]): ClientDirectory {
  const byId = new Map<string, Client>()
  for (const client of clients) {
    checkClient(client)
    if (byId.has(client.clientId)) throw new OAuthError('oauth.client_duplicate', `two clients are named ${client.clientId}`)
    byId.set(client.clientId, Object.freeze({ ...client }))
  }
  return { find: (id) => byId.get(id), all: [...byId.values()] }
}

/** The shortest secret that is taken, in characters. Whoever makes it must make it at random: it is hashed once, without a salt. */
const CLIENT_SECRET_LENGTH = 32

/** What is kept of a client's secret: SHA-256 in base64url. @throws OAuthError `oauth.client_secret_weak` below 32 characters */
export function hashClientSecret(secret: string): string {
  if (secret.length < CLIENT_SECRET_LENGTH) {
    throw new OAuthError(
      'oauth.client_secret_weak',
      `a client secret has at least ${CLIENT_SECRET_LENGTH} characters, all random`,
    )
  }
  return createHash('sha256').update(secret).digest('base64url')
}

/** A new secret of 256 random bits, and its hash. */
export function generateClientSecret(): { readonly secret: string; readonly hash: string } {
  const secret = randomBytes(32).toString('base64url')
  return { secret, hash: hashClientSecret(secret) }
}

/**
 * Checks a client before it is registered; directories of the application's own call it too.
 * @throws OAuthError `oauth.client_invalid`, `oauth.redirect_uri_invalid`
 */
export function checkClient(client: Client): void {
  const refuse = (flaw: string): never => {
    throw new OAuthError('oauth.client_invalid', `client ${JSON.stringify(client.clientId)} ${flaw}`)
  }
  if (!/^[\x21-\x39\x3b-\x7e]{1,128}$/.test(client.clientId))
    refuse('has an id with a space, a colon or more than 128 characters')
  if (client.name.trim() === '' || client.name.length > 100) refuse('needs a name of at most 100 characters')
  const flaw = flawOfAuthentication(client) ?? flawOfGrants(client) ?? flawOfScopes(client)
  if (flaw !== undefined) refuse(flaw)
  for (const uri of [...(client.redirectUris ?? []), ...(client.postLogoutRedirectUris ?? [])]) checkRedirectUri(uri)
}

function flawOfAuthentication({ kind, authentication, secretHashes = [] }: Client): string | undefined {
  if (new Set(authentication).size !== authentication.length || authentication.length === 0)
    return 'names no authentication, or one twice'
  if (kind === 'public') {
    if (authentication.join() !== 'none') return 'is public and so authenticates with none'
    return secretHashes.length === 0 ? undefined : 'is public and so has no secret'
  }
  if (authentication.includes('none')) return 'is confidential and so must authenticate'
  if (secretHashes.length === 0) return 'authenticates by secret, yet has none'
  return secretHashes.every((hash) => /^[A-Za-z0-9_-]{43}$/.test(hash))
    ? undefined
    : 'has a secret hash that is not SHA-256 in base64url'
}

function flawOfGrants({ kind, grants, redirectUris = [], pkce, clientCredentialsScopes = [] }: Client): string | undefined {
  const codes = grants.includes('authorization_code')
  if (grants.length === 0) return 'has no grant'
  if (codes !== redirectUris.length > 0) return 'needs redirect URIs for the code grant, and for nothing else'
  if (grants.includes('refresh_token') && !codes) return 'may refresh, yet no other grant of it gives a refresh token'
  if (grants.includes('client_credentials') && kind === 'public')
    return 'is public: client_credentials would be anybody (RFC 6749 §4.4)'
  if (clientCredentialsScopes.length > 0 && !grants.includes('client_credentials'))
    return 'has scopes for itself without client_credentials'
  if (pkce === 'optional' && kind === 'public') return 'is public: PKCE can not be optional (RFC 9700 §2.1.1)'
  return undefined
}

function flawOfScopes({ scopes = [], clientCredentialsScopes = [] }: Client): string | undefined {
  if (![...scopes, ...clientCredentialsScopes].every(isScopeToken)) return 'has a scope with a character that scopes do not have'
  // These speak about a person, and there is none.
  const personal = clientCredentialsScopes.find((scope) => scope === 'openid' || scope === 'offline_access')
  return personal === undefined ? undefined : `may not have ${personal} for itself`
}
