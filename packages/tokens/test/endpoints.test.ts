import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type EndpointRoute, json, type Reply } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import {
  createKeyRing,
  createRemoteJwks,
  createTokenIssuer,
  createVerifier,
  jwksEndpoint,
  protectedResourceMetadata,
  protectedResourceMetadataUrl,
  type Signer,
} from '../src/index.ts'
import { manualClock, memoryStore, request, testSealer } from './support.ts'

const clock = manualClock()
const resource = 'https://ledger.example/api'

function header(reply: Reply, name: string): readonly string[] {
  return (reply.headers ?? []).filter(([key]) => key.toLowerCase() === name).map(([, value]) => value)
}

async function call(route: EndpointRoute): Promise<{ reply: Reply; body: Record<string, unknown> }> {
  const reply = await route.endpoint(request())
  return { reply, body: JSON.parse(String(reply.body)) as Record<string, unknown> }
}

describe('jwksEndpoint', () => {
  const ring = createKeyRing({ store: memoryStore(clock), sealer: testSealer(), clock, jwksMaxAge: 120 })

  it('serves the public keys, cacheable for as long as the ring reckons with', async () => {
    const route = jwksEndpoint(ring)
    expect(route).toMatchObject({ method: 'GET', path: '/.well-known/jwks.json', policy: { kind: 'open' } })
    const { reply, body } = await call(route)
    expect(reply.status).toBe(200)
    expect(header(reply, 'content-type')).toEqual(['application/jwk-set+json'])
    expect(header(reply, 'cache-control')).toEqual(['public, max-age=120'])
    expect(body).toEqual(await ring.jwks())
  })

  it('has a key that waits to become active', async () => {
    const { kid } = await ring.rotate()
    const { body } = await call(jwksEndpoint(ring, { path: '/jwks' }))
    expect((body['keys'] as { kid: string }[]).map((key) => key.kid)).toContain(kid)
  })

  it('serves keys whose private half never leaves a key management service, and signs with them', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const kms: Signer = {
      kid: 'kms-1',
      alg: 'ES256',
      sign: async (data) => {
        await new Promise((resolve) => setImmediate(resolve))
        return sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
      },
    }
    const publicJwk = { ...createPublicKey(privateKey).export({ format: 'jwk' }), kid: 'kms-1', alg: 'ES256', use: 'sig' }
    const { endpoint } = jwksEndpoint({ jwks: async () => ({ keys: [publicJwk as never] }), jwksMaxAge: 300 })
    const server = createServer(async (_, res) => res.end((await endpoint(request())).body))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const tokens = createTokenIssuer({ issuer, signer: () => kms, clock })
    const { token } = await tokens.accessToken({ subject: 'user-1', audience: resource, clientId: 'web', scopes: [] })
    const keys = createRemoteJwks({ url: `${issuer}/jwks`, clock })
    const result = await createVerifier({ issuer, audience: resource, keys, clock }).verify(token)
    await new Promise((resolve) => server.close(resolve))
    expect(result).toMatchObject({ ok: true, claims: { sub: 'user-1' }, header: { kid: 'kms-1' } })
  })

  it.each([
    ['a private key', { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', d: 'd' }],
    ['a secret', { kty: 'oct', k: 'k' }],
  ])('publishes nothing with %s in it', async (_, jwk) => {
    const { endpoint } = jwksEndpoint({ jwks: async () => ({ keys: [jwk] }), jwksMaxAge: 300 })
    await expect(endpoint(request())).rejects.toMatchObject({ code: 'tokens.key_private' })
  })

  it('needs a path', () => {
    expect(() => jwksEndpoint(ring, { path: 'jwks' })).toThrow(expect.objectContaining({ code: 'tokens.options_invalid' }))
  })
})

describe('protectedResourceMetadata', () => {
  it('tells which proofs of possession are taken, and whether one has to be (RFC 9728 §2)', async () => {
    const route = protectedResourceMetadata({
      resource,
      authorizationServers: [],
      dpopSigningAlgValuesSupported: ['ES256', 'EdDSA'],
      dpopBoundAccessTokensRequired: true,
      tlsClientCertificateBoundAccessTokens: false,
    })
    expect((await call(route)).body).toMatchObject({
      dpop_signing_alg_values_supported: ['ES256', 'EdDSA'],
      dpop_bound_access_tokens_required: true,
      tls_client_certificate_bound_access_tokens: false,
    })
    const silent = (await call(protectedResourceMetadata({ resource, authorizationServers: [] }))).body
    expect(Object.keys(silent).filter((name) => /dpop|tls/.test(name))).toEqual([])
  })

  it('serves RFC 9728 metadata at the path that the resource has', async () => {
    const route = protectedResourceMetadata({
      resource,
      authorizationServers: ['https://login.example'],
      scopesSupported: ['invoice:read'],
      resourceName: 'Ledger',
      further: { dpop_signing_alg_values_supported: ['ES256'], resource: 'https://evil.example' },
    })
    expect(route).toMatchObject({ method: 'GET', path: '/.well-known/oauth-protected-resource/api', policy: { kind: 'open' } })
    const { reply, body } = await call(route)
    expect(header(reply, 'content-type')).toEqual(header(json({}), 'content-type'))
    expect(body).toEqual({
      resource,
      authorization_servers: ['https://login.example'],
      bearer_methods_supported: ['header'],
      scopes_supported: ['invoice:read'],
      resource_name: 'Ledger',
      dpop_signing_alg_values_supported: ['ES256'],
    })
  })

  it('has the URL that challenges name (RFC 9728 §3.1)', () => {
    expect(protectedResourceMetadataUrl(resource)).toBe('https://ledger.example/.well-known/oauth-protected-resource/api')
    expect(protectedResourceMetadataUrl('https://ledger.example')).toBe(
      'https://ledger.example/.well-known/oauth-protected-resource',
    )
    expect(protectedResourceMetadataUrl('https://ledger.example/')).toBe(
      'https://ledger.example/.well-known/oauth-protected-resource',
    )
  })

  it.each(['http://ledger.example/api', 'https://ledger.example/#x', 'https://ledger.example/?tenant=a', 'ledger'])(
    'refuses %s',
    (bad) => {
      expect(() => protectedResourceMetadata({ resource: bad, authorizationServers: [] })).toThrow(
        expect.objectContaining({ code: 'tokens.options_invalid' }),
      )
    },
  )
})
