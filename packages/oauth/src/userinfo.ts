import {
  authenticated,
  challenge,
  type Endpoint,
  type EndpointRoute,
  type Guard,
  json,
  principalOf,
  problem,
} from '@portcullis/core'
import { bearer, createVerifier } from '@portcullis/tokens'
import { claimsFor } from './account.ts'
import type { Provider } from './provider.ts'

/**
 * The userinfo endpoint (OpenID Connect Core §5.3), by GET and POST. It takes access tokens for any of the server's resources that
 * hold `openid`, in the `Authorization` header alone.
 */
export function userinfoEndpoints(provider: Provider): readonly EndpointRoute[] {
  const { issuer, clock, ring, catalog, paths, revocations, dpop } = provider
  const audience = catalog.resources.map((resource) => resource.identifier)
  const checks = revocations === undefined ? {} : { revocations }
  const verifier = createVerifier({ issuer, audience, keys: ring.keys, clock, ...checks })
  const guards: readonly Guard[] = [bearer({ verifier, ...(dpop !== undefined && { dpop }) })]
  const route = { path: paths.userinfo, policy: authenticated({ clock }), guards, endpoint: userinfo(provider) }
  return [
    { method: 'GET', ...route },
    { method: 'POST', ...route },
  ]
}

function userinfo(provider: Provider): Endpoint {
  return async (req) => {
    const principal = principalOf(req)
    const scopes = principal?.scopes ?? []
    if (principal === undefined || principal.kind !== 'user' || !scopes.includes('openid')) {
      const error = { error: 'insufficient_scope', error_description: 'openid is needed', scope: 'openid' }
      return problem({ status: 403 }, principal === undefined ? [] : challenge(principal, error))
    }
    const account = await provider.accounts.find(principal.subject)
    if (account === undefined) {
      return problem(
        { status: 401 },
        challenge(principal, { error: 'invalid_token', error_description: 'The account is not there' }),
      )
    }
    return json(claimsFor(account, scopes))
  }
}
