import { type EndpointRoute, json, open } from '@portcullis/core'
import type { JWK } from 'jose'
import { TokenError } from './errors.ts'
import { PRIVATE_MEMBERS } from './jwk-checks.ts'
import type { KeyRing } from './key-ring.ts'
import { secureUrl } from './secure-url.ts'

/**
 * Serves the ring's public keys (RFC 7517 §8.5), cacheable for the ring's `jwksMaxAge`. It answers with `tokens.key_private` rather
 * than with a private key.
 * @throws TokenError `tokens.options_invalid`
 */
export function jwksEndpoint(
  ring: Pick<KeyRing, 'jwks' | 'jwksMaxAge'>,
  options: { readonly path?: string } = {},
): EndpointRoute {
  const { path = '/.well-known/jwks.json' } = options
  if (!path.startsWith('/')) throw new TokenError('tokens.options_invalid', 'path must begin with /')
  const headers = [
    ['Content-Type', 'application/jwk-set+json'],
    ['Cache-Control', `public, max-age=${Math.floor(ring.jwksMaxAge)}`],
  ] as const
  return {
    method: 'GET',
    path,
    policy: open('public keys, for whoever verifies tokens'),
    async endpoint() {
      const { keys } = await ring.jwks()
      // A ring has public members alone; a set that somebody put together by hand may not.
      if (keys.some(isSecret)) throw new TokenError('tokens.key_private', 'a private key is about to be published')
      return { status: 200, headers, body: JSON.stringify({ keys }) }
    },
  }
}

function isSecret(jwk: JWK): boolean {
  return jwk.kty === 'oct' || PRIVATE_MEMBERS.some((name) => Object.hasOwn(jwk, name))
}

/** Options of {@link protectedResourceMetadata}; RFC 9728 §2. */
export interface ProtectedResourceMetadata {
  /** The resource's identifier: what access tokens for it name in `aud`. */
  readonly resource: string
  /** Issuers whose tokens it takes. */
  readonly authorizationServers: readonly string[]
  readonly scopesSupported?: readonly string[]
  readonly resourceName?: string
  readonly resourceDocumentation?: string
  /** What DPoP proofs may be signed with: `dpop.algorithms`. */
  readonly dpopSigningAlgValuesSupported?: readonly string[]
  /** No token is taken without a DPoP proof. */
  readonly dpopBoundAccessTokensRequired?: boolean
  /** Certificate-bound tokens are taken (RFC 8705 §3.3). */
  readonly tlsClientCertificateBoundAccessTokens?: boolean
  /** Further members, by their registered names. */
  readonly further?: Readonly<Record<string, unknown>>
}

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/**
 * Tells clients where to get a token for a resource (RFC 9728). Its path is made of the resource's (§3.1).
 * @throws TokenError `tokens.options_invalid`
 */
export function protectedResourceMetadata(metadata: ProtectedResourceMetadata): EndpointRoute {
  const { resource, authorizationServers, scopesSupported, resourceName, resourceDocumentation, further = {} } = metadata
  const { dpopSigningAlgValuesSupported: algorithms, dpopBoundAccessTokensRequired: dpopRequired } = metadata
  const { tlsClientCertificateBoundAccessTokens: certificateBound } = metadata
  const url = new URL(protectedResourceMetadataUrl(resource))
  if (url.search !== '') throw new TokenError('tokens.options_invalid', 'a resource with a query has no path of its own')
  const issuers = authorizationServers.map((issuer) => secureUrl('authorizationServers', issuer))
  const document = {
    ...further,
    resource,
    authorization_servers: issuers,
    bearer_methods_supported: ['header'],
    ...(scopesSupported !== undefined && { scopes_supported: scopesSupported }),
    ...(resourceName !== undefined && { resource_name: resourceName }),
    ...(resourceDocumentation !== undefined && { resource_documentation: resourceDocumentation }),
    ...(algorithms !== undefined && { dpop_signing_alg_values_supported: algorithms }),
    ...(dpopRequired !== undefined && { dpop_bound_access_tokens_required: dpopRequired }),
    ...(certificateBound !== undefined && { tls_client_certificate_bound_access_tokens: certificateBound }),
  }
  return {
    method: 'GET',
    path: url.pathname,
    policy: open('tells clients where to get a token (RFC 9728)'),
    endpoint: async () => json(document),
  }
}

/**
 * Where the metadata of a resource is (RFC 9728 §3.1): what `bearer` takes as `resourceMetadata`.
 * @throws TokenError `tokens.options_invalid`
 * @example protectedResourceMetadataUrl('https://ledger.example/api') // https://ledger.example/.well-known/oauth-protected-resource/api
 */
export function protectedResourceMetadataUrl(resource: string): string {
  const { origin, pathname, search } = new URL(secureUrl('resource', resource))
  return `${origin}${WELL_KNOWN}${pathname === '/' ? '' : pathname}${search}`
}
