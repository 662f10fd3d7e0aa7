import { type Clock, type Endpoint, type EndpointRoute, type Guard, open, type Store, systemClock } from '@portcullis/core'
import type { Sessions } from '@portcullis/sessions'
import {
  createTokenIssuer,
  type DpopVerifier,
  jwksEndpoint,
  type KeyRing,
  type RefreshTokens,
  type RevocationCheck,
  type Revoker,
} from '@portcullis/tokens'
import type { Accounts } from './account.ts'
import { authorizeByPostEndpoint, authorizeEndpoint } from './authorize.ts'
import type { ClientDirectory } from './client.ts'
import { Codes } from './code.ts'
import { type Consents, StoredConsents } from './consent.ts'
import { endSessionEndpoint, SignOuts, signOutEndpoint } from './end-session.ts'
import { OAuthError } from './errors.ts'
import { Interactions } from './interaction.ts'
import { consentEndpoint, interactionEndpoint } from './interaction-endpoints.ts'
import { type Metadata, metadataEndpoints, metadataOf } from './metadata.ts'
import { passkeyEndpoint, passkeyOptionsEndpoint, passkeyScriptEndpoint } from './passkey.ts'
import type { Lifetimes, Paths, Provider, SignIn } from './provider.ts'
import { revocationEndpoint } from './revocation.ts'
import { createScopeCatalog, type Resource, type ScopeCatalog } from './scope.ts'
import { secondFactorEndpoint, signInEndpoint } from './sign-in.ts'
import { tokenEndpoint } from './token.ts'
import { userinfoEndpoints } from './userinfo.ts'

/** Options of {@link createAuthorizationServer}. */
export interface AuthorizationServerOptions {
  /** `https` URL without query, fragment or slash at its end; `http` on `localhost` and loopback addresses. Compared exactly by clients. */
  readonly issuer: string
  /** Keeps codes, interactions and consents. */
  readonly store: Store
  /** Signs. Its `maxTokenLifetime` must cover the lifetimes here. */
  readonly ring: KeyRing
  /** Give it the same `revocations`, so that the end of a refresh token ends its access tokens. */
  readonly refreshTokens: RefreshTokens
  /**
   * Calls access tokens back: at the revocation endpoint, and when a code is presented twice. The verifiers of the APIs must ask
   * it. Default: access tokens live until they expire, and the endpoint says so.
   */
  readonly revocations?: RevocationCheck & Revoker
  /**
   * Takes proofs of possession at the token endpoint, and binds tokens to the proven key (RFC 9449); its `origin` is the issuer's.
   * Default: proofs are passed over, and a client that must send them is refused.
   */
  readonly dpop?: DpopVerifier
  /** `SameSite=Lax`: people come here from other sites. Nobody is asked twice who shares them with the application. */
  readonly sessions: Sessions<SignIn>
  readonly clients: ClientDirectory
  readonly accounts: Accounts
  /** The APIs that tokens are for; one of them the default. */
  readonly resources: readonly Resource[]
  /** A phrase for each scope of a resource, as it completes "asks to …" on the consent page. */
  readonly scopes: Readonly<Record<string, string>>
  readonly clock?: Clock
  /** What the pages say they belong to. Default: the issuer's host. */
  readonly branding?: {
    readonly name?: string
    /** A path on this host, for whoever has forgotten the password: the sign-in page links to it. */
    readonly passwordResetPath?: string
  }
  /** Seconds. */
  readonly lifetimes?: Partial<Lifetimes>
  /** Below the issuer's path. */
  readonly paths?: Partial<Paths>
  /** Run before what people post: sign-in, second factor, consent, sign-out. The place for limits. */
  readonly formGuards?: readonly Guard[]
  /** Run before token and revocation requests. */
  readonly tokenGuards?: readonly Guard[]
  /** Run before authorization and sign-out requests: each one that passes is kept for a while. */
  readonly authorizeGuards?: readonly Guard[]
}

/** An authorization server, ready to be mounted. */
export interface AuthorizationServer {
  readonly issuer: string
  /** Every route of it: give them to an adapter's `mount`. */
  readonly endpoints: readonly EndpointRoute[]
  /** What discovery says, except for the signing algorithms, which the ring knows. */
  readonly metadata: Metadata
  /** Where everything is: paths on this host. */
  readonly paths: Paths
  /** For a page on which people look through what they have allowed. */
  readonly consents: Consents
}

const DEFAULT_PATHS: Paths = {
  authorize: '/oauth/authorize',
  interaction: '/oauth/interaction',
  signIn: '/oauth/sign-in',
  secondFactor: '/oauth/second-factor',
  passkey: '/oauth/passkey',
  passkeyOptions: '/oauth/passkey/options',
  passkeyScript: '/oauth/passkey.js',
  consent: '/oauth/consent',
  token: '/oauth/token',
  revocation: '/oauth/revoke',
  userinfo: '/oauth/userinfo',
  jwks: '/oauth/jwks',
  endSession: '/oauth/end-session',
  signOut: '/oauth/sign-out',
}

const DEFAULT_LIFETIMES: Lifetimes = { code: 60, interaction: 900, accessToken: 300, idToken: 300 }

/**
 * An OAuth 2.1 authorization server and OpenID provider.
 *
 * @throws OAuthError `oauth.issuer_invalid`, `oauth.options_invalid`, `oauth.resource_invalid`, `oauth.scope_invalid`,
 * `oauth.client_invalid` when a client may have a scope that there is not; TokenError `tokens.lifetime_too_long`
 * @example mount(app, createAuthorizationServer({ issuer, store, ring, … }).endpoints)
 */
export function createAuthorizationServer(options: AuthorizationServerOptions): AuthorizationServer {
  const provider = providerOf(options)
  const { issuer, paths } = provider
  const { formGuards = [], tokenGuards = [], authorizeGuards = [] } = options
  const forClients = (path: string, endpoint: Endpoint): EndpointRoute => {
    return { method: 'POST', path, policy: open('the client authenticates in the request'), guards: tokenGuards, endpoint }
  }
  const endSession = endSessionEndpoint(provider)
  const endpoints: readonly EndpointRoute[] = [
    ...metadataEndpoints(provider),
    jwksEndpoint(provider.ring, { path: paths.jwks }),
    page('GET', paths.authorize, authorizeGuards, authorizeEndpoint(provider)),
    page('POST', paths.authorize, authorizeGuards, authorizeByPostEndpoint(provider)),
    page('GET', paths.interaction, [], interactionEndpoint(provider)),
    page('POST', paths.signIn, formGuards, signInEndpoint(provider)),
    page('POST', paths.secondFactor, formGuards, secondFactorEndpoint(provider)),
    ...passkeyEndpoints(provider, formGuards),
    page('POST', paths.consent, formGuards, consentEndpoint(provider)),
    forClients(paths.token, tokenEndpoint(provider)),
    forClients(paths.revocation, revocationEndpoint(provider)),
    ...userinfoEndpoints(provider),
    page('GET', paths.endSession, authorizeGuards, endSession),
    page('POST', paths.endSession, authorizeGuards, endSession),
    page('POST', paths.signOut, formGuards, signOutEndpoint(provider)),
  ]
  return { issuer, endpoints, metadata: metadataOf(provider, []), paths, consents: provider.consents }
}

function page(method: 'GET' | 'POST', path: string, guards: readonly Guard[], endpoint: Endpoint): EndpointRoute {
  return { method, path, policy: open('a page for people who sign in'), guards, endpoint }
}

function passkeyEndpoints(provider: Provider, formGuards: readonly Guard[]): readonly EndpointRoute[] {
  const { accounts, paths } = provider
  const { passkeys } = accounts
  if (passkeys === undefined) return []
  return [
    page('GET', paths.passkeyScript, [], passkeyScriptEndpoint(passkeys)),
    page('POST', paths.passkeyOptions, formGuards, passkeyOptionsEndpoint(provider, passkeys)),
    page('POST', paths.passkey, formGuards, passkeyEndpoint(provider, passkeys)),
  ]
}

function providerOf(options: AuthorizationServerOptions): Provider {
  const { store, ring, refreshTokens, revocations, dpop, sessions, clients, accounts, clock = systemClock } = options
  const issuer = checkIssuer(options.issuer)
  const { host, pathname } = new URL(issuer)
  const lifetimes = lifetimesOf(options.lifetimes)
  const catalog = createScopeCatalog(options.resources, options.scopes)
  checkScopes(clients, catalog)
  // Now, and not at the first sign-in: a lifetime beyond the ring's.
  if (lifetimes.idToken > ring.maxTokenLifetime) {
    throw new OAuthError('oauth.options_invalid', `an ID token may live for ${ring.maxTokenLifetime} seconds with this key ring`)
  }
  return {
    issuer,
    brand: options.branding?.name ?? host,
    passwordResetPath: options.branding?.passwordResetPath,
    clock,
    paths: pathsOf(pathname.replace(/\/$/, ''), options.paths),
    lifetimes,
    clients,
    accounts,
    catalog,
    sessions,
    ring,
    tokens: createTokenIssuer({ issuer, signer: ring, lifetime: lifetimes.accessToken, clock }),
    refreshTokens,
    revocations,
    dpop,
    codes: new Codes(store, clock, lifetimes.code),
    interactions: new Interactions(store, clock, lifetimes.interaction),
    consents: new StoredConsents(store, clock),
    signOuts: new SignOuts(store, clock),
  }
}

// RFC 8414 §2, RFC 9207 §2.4: compared as a string, so there must be one way to write it.
function checkIssuer(issuer: string): string {
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined
  const local = url?.protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  const canonical = url !== undefined && `${url.origin}${url.pathname.replace(/\/$/, '')}` === issuer
  if (!canonical || (url.protocol !== 'https:' && !local)) {
    throw new OAuthError(
      'oauth.issuer_invalid',
      'the issuer must be an https URL in lower case, without query, fragment or slash at its end',
    )
  }
  return issuer
}

function lifetimesOf(given: Partial<Lifetimes> = {}): Lifetimes {
  const lifetimes = { ...DEFAULT_LIFETIMES, ...given }
  const most: Lifetimes = { code: 600, interaction: 3600, accessToken: 86_400, idToken: 86_400 }
  for (const name of Object.keys(DEFAULT_LIFETIMES) as (keyof Lifetimes)[]) {
    if (!Number.isSafeInteger(lifetimes[name]) || lifetimes[name] < 1 || lifetimes[name] > most[name]) {
      throw new OAuthError('oauth.options_invalid', `lifetimes.${name} must be 1 to ${most[name]} whole seconds`)
    }
  }
  return lifetimes
}

function pathsOf(base: string, given: Partial<Paths> = {}): Paths {
  const all = Object.entries({ ...DEFAULT_PATHS, ...given }).map(([name, path]) => {
    if (!/^(\/[A-Za-z0-9._~-]+)+$/.test(path))
      throw new OAuthError('oauth.options_invalid', `paths.${name} must be a literal path`)
    return [name, `${base}${path}`] as const
  })
  if (new Set(all.map(([, path]) => path)).size !== all.length) {
    throw new OAuthError('oauth.options_invalid', 'two endpoints have one path')
  }
  return Object.fromEntries(all) as unknown as Paths
}

function checkScopes({ all = [] }: ClientDirectory, catalog: ScopeCatalog): void {
  for (const { clientId, scopes = [], clientCredentialsScopes = [] } of all) {
    const unknown = [...scopes, ...clientCredentialsScopes].find((scope) => !catalog.names.includes(scope))
    if (unknown !== undefined)
      throw new OAuthError('oauth.client_invalid', `client ${clientId} may have ${unknown}, which there is not`)
  }
}
