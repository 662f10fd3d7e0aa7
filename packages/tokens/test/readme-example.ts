import { randomBytes } from 'node:crypto'
import { createMemoryStore, createSealer, type EndpointRoute, type Guard } from '@portcullis/core'
import {
  type BearerFacts,
  bearer,
  createKeyRing,
  createRefreshTokens,
  createTokenIssuer,
  createVerifier,
  type IssuedRefreshToken,
  type IssuedToken,
  jwksEndpoint,
  type RotateResult,
} from '@portcullis/tokens'

const issuer = 'https://login.example.com'
const audience = 'https://api.example.com'

// In earnest: a store that lasts, and 32 bytes out of the secret manager.
const store = createMemoryStore()
const sealer = createSealer({ current: '2026-01', keys: { '2026-01': randomBytes(32) } })

// The server that issues tokens.
const ring = createKeyRing({ store, sealer })
await ring.load()
const tokens = createTokenIssuer({ issuer, signer: ring })
const refresh = createRefreshTokens({ store, sealer })
export const jwks: EndpointRoute = jwksEndpoint(ring)

const grant = { subject: 'user-1', clientId: 'web', scopes: ['invoice:read'] }
export const access: IssuedToken = await tokens.accessToken({ ...grant, audience })
export const first: IssuedRefreshToken = await refresh.issue(grant)

// Later: a new pair for the old refresh token.
export const refreshed: RotateResult = await refresh.rotate(first.token, { clientId: 'web' })
if (!refreshed.ok) console.warn(refreshed.reason.code)

// The API. In another process: keys: createRemoteJwks({ issuer })
const verifier = createVerifier({ issuer, audience, keys: ring.keys })
const result = await verifier.verify(access.token)
export const caller: string | undefined = result.ok ? result.claims.sub : result.reason.code

// A guard for the routes of any adapter: guard([authenticate], authenticated())
export const authenticate: Guard<BearerFacts> = bearer({
  verifier,
  resourceMetadata: `${audience}/.well-known/oauth-protected-resource`,
})
