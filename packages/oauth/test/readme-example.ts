import { randomBytes } from 'node:crypto'
import { createMemoryStore, createSealer, epochSeconds, systemClock } from '@portcullis/core'
import { createAssurance, type Proof } from '@portcullis/mfa/assurance'
import {
  type AssuranceQuestion,
  type AuthorizationServer,
  clientsFrom,
  createAuthorizationServer,
  type SignIn,
} from '@portcullis/oauth'
import { createSessions } from '@portcullis/sessions'
import { createKeyRing, createRefreshTokens } from '@portcullis/tokens'

// In earnest: a store that lasts, and 32 bytes out of the secret manager.
const store = createMemoryStore()
const sealer = createSealer({ current: '2026-01', keys: { '2026-01': randomBytes(32) } })
const issuer = 'https://login.example.com'
const assurance = createAssurance()

export const server: AuthorizationServer = createAuthorizationServer({
  issuer,
  store,
  ring: createKeyRing({ store, sealer }),
  refreshTokens: createRefreshTokens({ store, sealer }),
  sessions: createSessions<SignIn>({ store }),
  resources: [{ identifier: 'https://api.example.com', scopes: ['invoice:read'] }],
  scopes: { 'invoice:read': 'See your invoices' },
  clients: clientsFrom([
    {
      clientId: 'web',
      name: 'Invoices',
      kind: 'public',
      authentication: ['none'],
      grants: ['authorization_code', 'refresh_token'],
      redirectUris: ['https://app.example.com/callback'],
      scopes: ['openid', 'profile', 'offline_access', 'invoice:read'],
    },
  ]),
  // Who people are, and how they prove it: @portcullis/password and @portcullis/mfa do the proving, and the weighing.
  accounts: {
    authenticate: async ({ username, password }) =>
      username === 'ada' && password === 'correct horse'
        ? { type: 'ok', subject: 'user-1', proofs: [{ method: 'password', at: epochSeconds(systemClock) }] }
        : { type: 'refused' },
    secondFactor: async () => ({ type: 'refused' }),
    find: async (subject) => (subject === 'user-1' ? { subject, roles: ['owner'], claims: { name: 'Ada' } } : undefined),
    decide: async (question: AssuranceQuestion<Proof>) => assurance.decide({ ...question, enrolled: [{ method: 'password' }] }),
  },
})

// Mount them with the adapter of your framework: app.use(mount(server.endpoints))
export const paths: readonly string[] = server.endpoints.map(({ method, path }) => `${method} ${path}`)
