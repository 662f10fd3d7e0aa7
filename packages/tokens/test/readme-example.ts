import { randomBytes } from 'node:crypto'
import { createMemoryStore, createSealer, type EndpointRoute, type Guard } from '@portcullis/core'
import {
  type ApiKeyResult,
  type BearerFacts,
  bearer,
  chooseVerifier,
  createApiKeys,
  createDpopVerifier,
  createKeyRing,
  createRefreshTokens,
  createRevocations,
  createStoreRevocationFeed,
  createTokenIssuer,
  createVerifier,
  type IssuedRefreshToken,
  type IssuedToken,
  jwksEndpoint,
  type Revocations,
  type RotateResult,
} from '@portcullis/tokens'

const issuer = 'https://login.example.com'
const audience = 'https://api.example.com'

// In earnest: a store that lasts, and 32 bytes out of the secret manager.
const store = createMemoryStore()
const sealer = createSealer({ current: '2026-01', keys: { '2026-01': randomBytes(32) } })

// What was revoked, known in every process that shares the store.
export const revocations: Revocations = createRevocations({ feed: createStoreRevocationFeed({ store }) })
await revocations.start()

// The server that issues tokens.
const ring = createKeyRing({ store, sealer, rotateEvery: 30 * 86_400 })
await ring.load()
const tokens = createTokenIssuer({ issuer, signer: ring })
const refresh = createRefreshTokens({ store, sealer, revocations })
export const jwks: EndpointRoute = jwksEndpoint(ring)

const grant = { subject: 'user-1', clientId: 'web', scopes: ['invoice:read'] }
export const first: IssuedRefreshToken = await refresh.issue(grant)
export const access: IssuedToken = await tokens.accessToken({ ...grant, audience, grantId: first.familyId })

// Later: a new pair for the old refresh token.
export const refreshed: RotateResult = await refresh.rotate(first.token, { clientId: 'web' })
if (!refreshed.ok) console.warn(refreshed.reason.code)

// The API. In another process: keys: createRemoteJwks({ issuer })
const verifier = createVerifier({ issuer, audience, keys: ring.keys, revocations })
const result = await verifier.verify(access.token)
export const caller: string | undefined = result.ok ? result.claims.sub : result.reason.code

// Keys for programs: shown once, and never good for more than what asked for them.
const apiKeys = createApiKeys({ store, issuer, audience, prefix: 'example' })
export const issued: ApiKeyResult = await apiKeys.issue({ subject: 'user-1', scopes: ['invoice:read'], within: grant.scopes })

// A guard for the routes of any adapter: guard([authenticate], authenticated())
export const authenticate: Guard<BearerFacts> = bearer({
  verifier: chooseVerifier<string>([apiKeys, verifier]),
  dpop: createDpopVerifier({ store, origin: audience }),
  resourceMetadata: `${audience}/.well-known/oauth-protected-resource`,
})

// A sign-out, or a token that was stolen: the grant is over, and its access tokens with it.
export const signOut = (): Promise<boolean> => refresh.endFamily(first.familyId)
