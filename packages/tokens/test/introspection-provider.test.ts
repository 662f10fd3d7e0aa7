import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as oauth from 'oauth4webapi'
// @ts-expect-error it has no types of its own
import Provider from 'oidc-provider'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createIntrospectionVerifier, type IntrospectionReasonCode, type Verifier } from '../src/index.ts'
import { claimsOf, codeOf, testKey } from './support.ts'

/* An authorization server that is not ours: oidc-provider, on a port of this machine. */

const audience = 'https://api.example'
const machine = { client_id: 'machine' }
const loopback = { [oauth.allowInsecureRequests]: true }

let server: Server
let issuer: string
let as: oauth.AuthorizationServer
let provider: { RefreshToken: new (of: object) => { save(ttl: number): Promise<string> }; Grant: any }
let clock: { now(): number; ahead: number }

beforeAll(async () => {
  clock = { ahead: 0, now: () => Date.now() + clock.ahead }
  server = createServer((req, res) => (provider as any).callback()(req, res))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const basic = { token_endpoint_auth_method: 'client_secret_basic', redirect_uris: [], response_types: [] }
  provider = new Provider(issuer, {
    clients: [
      { ...basic, ...machine, client_secret: 'machine-secret', grant_types: ['client_credentials'] },
      { ...basic, client_id: 'api', client_secret: 'api-secret', grant_types: [] },
    ],
    jwks: { keys: [(await testKey('RS256')).privateJwk] },
    scopes: ['openid', 'offline_access', 'invoice:read'],
    features: {
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_: unknown, resource: string) => ({
          ...{ scope: 'invoice:read', audience: resource, accessTokenFormat: 'opaque', accessTokenTTL: 600 },
        }),
      },
    },
  })
  const discovered = await oauth.discoveryRequest(new URL(issuer), loopback)
  as = await oauth.processDiscoveryResponse(new URL(issuer), discovered)
})

afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

function verifierOf(clientSecret = 'api-secret'): Verifier<IntrospectionReasonCode> {
  const endpoint = as.introspection_endpoint!
  return createIntrospectionVerifier({ endpoint, issuer, audience, credentials: { clientId: 'api', clientSecret }, clock })
}

async function token(resource = audience): Promise<string> {
  const form = new URLSearchParams({ scope: 'invoice:read', resource })
  const authentication = oauth.ClientSecretBasic('machine-secret')
  const response = await oauth.clientCredentialsGrantRequest(as, machine, authentication, form, loopback)
  return (await oauth.processClientCredentialsResponse(as, machine, response)).access_token
}

describe('tokens of oidc-provider', () => {
  it('are good, and once revoked are refused when the answer is too old', async () => {
    const verifier = verifierOf()
    const one = await token()
    expect(one).not.toContain('.')
    expect(claimsOf((await verifier.verify(one)) as never)).toMatchObject({
      ...{ iss: issuer, aud: audience, client_id: 'machine', scope: 'invoice:read', token_type: 'Bearer' },
    })
    const authentication = oauth.ClientSecretBasic('machine-secret')
    const revoked = await oauth.revocationRequest(as, machine, authentication, one, loopback)
    await oauth.processRevocationResponse(revoked)
    expect(codeOf(await verifier.verify(one))).toBe('accepted')
    clock.ahead += 30_000
    expect(codeOf(await verifier.verify(one))).toBe('tokens.inactive')
  })

  it('are refused when they are for another resource, or invented', async () => {
    const verifier = verifierOf()
    expect(codeOf(await verifier.verify(await token('https://other.example')))).toBe('tokens.audience_mismatch')
    expect(codeOf(await verifier.verify('invented'))).toBe('tokens.inactive')
  })

  it('a refresh token, which the endpoint calls active, is no access token', async () => {
    const grant = new provider.Grant({ accountId: 'user-1', clientId: 'machine' })
    const grantId = await grant.save(600)
    const details = { accountId: 'user-1', scope: 'openid', gty: 'authorization_code', grantId, claims: {}, resource: audience }
    const client = await (provider as any).Client.find('machine')
    const refresh = await new provider.RefreshToken({ ...details, client }).save(600)
    expect(codeOf(await verifierOf().verify(refresh))).toBe('tokens.type_mismatch')
  })

  it('can not be looked at with a wrong secret: an outage, which nobody reads as a refusal', async () => {
    await expect(verifierOf('wrong').verify(await token())).rejects.toMatchObject({
      ...{ code: 'tokens.introspection_unavailable', status: 503 },
    })
  })
})
