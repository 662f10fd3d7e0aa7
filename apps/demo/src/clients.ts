import type { Collection, Json, Store } from '@portcullis/core'
import { type Client, checkClient, hashClientSecret } from '@portcullis/oauth'

/** An OAuth client, and the tenant it acts in when it acts for itself. */
export type LedgerClient = Client & { readonly tenant?: string }

/** The OAuth clients. */
export interface Clients {
  find(id: string): Promise<LedgerClient | undefined>
  /** Puts the demonstration's clients where there are none. */
  seed(): Promise<void>
  /** The id of a demonstration client that is in the store. */
  findSeeded(): Promise<string | undefined>
}

const everything = [
  'openid',
  'profile',
  'email',
  'offline_access',
  'invoice:read',
  'invoice:create',
  'invoice:update',
  'invoice:refund',
  'audit:read',
] as const

/** Demonstration only: the secret is public. */
function demonstrationClients(publicUrl: string): readonly LedgerClient[] {
  return [
    {
      clientId: 'ledger-web',
      name: 'Ledger',
      kind: 'public',
      authentication: ['none'],
      grants: ['authorization_code', 'refresh_token'],
      redirectUris: [`${publicUrl}/callback`],
      postLogoutRedirectUris: [`${publicUrl}/`],
      scopes: everything,
    },
    {
      clientId: 'ledger-cli',
      name: 'Ledger on the command line',
      kind: 'public',
      authentication: ['none'],
      grants: ['authorization_code', 'refresh_token'],
      redirectUris: ['http://127.0.0.1/callback'],
      scopes: everything,
    },
    {
      clientId: 'ledger-partner',
      name: 'Partner Bookkeeping',
      kind: 'confidential',
      authentication: ['client_secret_basic', 'client_secret_post'],
      secretHashes: [hashClientSecret('partner-secret-for-the-demo-only')],
      grants: ['authorization_code', 'refresh_token', 'client_credentials'],
      redirectUris: ['http://localhost:3999/callback', 'http://localhost:3999/other?tenant=acme'],
      postLogoutRedirectUris: ['http://localhost:3999/signed-out'],
      scopes: everything,
      clientCredentialsScopes: ['invoice:read'],
      pkce: 'optional',
      tenant: 'acme',
    },
    {
      clientId: 'ledger-dpop',
      name: 'Ledger with bound tokens',
      kind: 'public',
      authentication: ['none'],
      grants: ['authorization_code', 'refresh_token'],
      redirectUris: ['http://localhost:3999/callback'],
      postLogoutRedirectUris: ['http://localhost:3999/signed-out'],
      scopes: everything,
      dpopBoundAccessTokens: true,
    },
  ]
}

export function createClients({ store, publicUrl }: { readonly store: Store; readonly publicUrl: string }): Clients {
  const clients: Collection<Json & LedgerClient> = store.collection({ name: 'ledger.clients' })
  const demonstration = demonstrationClients(publicUrl)
  return {
    find: async (id) => (isClientId(id) ? (await clients.get(id))?.value : undefined),
    async seed() {
      for (const client of demonstration) {
        checkClient(client)
        const stored = await clients.get(client.clientId)
        // They follow PUBLIC_URL from start to start; nobody else changes them.
        if (stored === undefined) await clients.create(client.clientId, client as Json & LedgerClient)
        else await clients.replace(client.clientId, stored.version, client as Json & LedgerClient)
      }
    },
    async findSeeded() {
      for (const { clientId } of demonstration) if ((await clients.get(clientId)) !== undefined) return clientId
      return undefined
    },
  }
}

/** What a client sends as its id is unchecked: the store takes ids of a certain form alone. */
function isClientId(id: string): boolean {
  return /^[\x21-\x7e]{1,128}$/.test(id)
}
