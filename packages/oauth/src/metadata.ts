import { type EndpointRoute, json, open } from '@portcullis/core'
import { ASSURANCE_LEVELS, CLAIM_NAMES } from './account.ts'
import type { Provider } from './provider.ts'
import { GRANT_TYPES } from './token.ts'

/** The server's metadata: RFC 8414 §2 and OpenID Connect Discovery §3, in one document. */
export type Metadata = Readonly<Record<string, string | boolean | readonly string[]>>

/** What the server says of itself. @param algorithm of the ring's keys */
export function metadataOf({ issuer, paths, catalog, dpop }: Provider, algorithms: readonly string[]): Metadata {
  const { origin } = new URL(issuer)
  const url = (path: string): string => `${origin}${path}`
  const clientAuthentication = ['none', 'client_secret_basic', 'client_secret_post']
  return {
    issuer,
    authorization_endpoint: url(paths.authorize),
    token_endpoint: url(paths.token),
    jwks_uri: url(paths.jwks),
    userinfo_endpoint: url(paths.userinfo),
    revocation_endpoint: url(paths.revocation),
    end_session_endpoint: url(paths.endSession),
    scopes_supported: catalog.names,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: GRANT_TYPES,
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: clientAuthentication,
    revocation_endpoint_auth_methods_supported: clientAuthentication,
    authorization_response_iss_parameter_supported: true,
    ...(dpop !== undefined && { dpop_signing_alg_values_supported: dpop.algorithms }),
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: algorithms,
    acr_values_supported: ASSURANCE_LEVELS,
    prompt_values_supported: ['none', 'login', 'consent', 'select_account'],
    claims_supported: [...CLAIM_NAMES, 'auth_time', 'acr', 'amr', 'sid'],
    claims_parameter_supported: false,
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
    protected_resources: catalog.resources.map((resource) => resource.identifier),
  }
}

/**
 * Where metadata is looked for. RFC 8414 §3.1 puts the well-known part before the issuer's path; OpenID Connect Discovery §4 puts
 * it after; §5 of the RFC asks for both of the latter's forms.
 */
export function metadataEndpoints(provider: Provider): readonly EndpointRoute[] {
  const base = new URL(provider.issuer).pathname.replace(/\/$/, '')
  const paths = new Set([
    `/.well-known/oauth-authorization-server${base}`,
    `/.well-known/openid-configuration${base}`,
    `${base}/.well-known/openid-configuration`,
  ])
  return [...paths].map((path) => ({
    method: 'GET',
    path,
    policy: open('metadata of the authorization server (RFC 8414)'),
    endpoint: async () => {
      const algorithms = [...new Set((await provider.ring.list()).map((key) => key.alg))]
      return json(metadataOf(provider, algorithms), { headers: [['Cache-Control', 'public, max-age=300']] })
    },
  }))
}
