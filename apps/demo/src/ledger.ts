import type { RequestListener } from 'node:http'
import { type Clock, type EndpointRoute, type Principal, type RouteInfo, systemClock } from '@portcullis/core'
import { createAuthorizationServer, type SignIn } from '@portcullis/oauth'
import { createPasswords } from '@portcullis/password'
import { byAddress, byPrincipal, limit } from '@portcullis/rate-limit'
import { createSessions } from '@portcullis/sessions'
import {
  bearer,
  type Claims,
  chooseVerifier,
  createApiKeys,
  createDpopVerifier,
  createKeyRing,
  createRefreshTokens,
  createRevocations,
  createStoreRevocationFeed,
  createVerifier,
  principalFromClaims,
  protectedResourceMetadata,
  protectedResourceMetadataUrl,
} from '@portcullis/tokens'
import { crossOriginProtection, httpsOnly, securityHeaders } from '@portcullis/transport'
import { scopes } from './access.ts'
import { accountEndpoints, createLedgerPolicy } from './account/endpoints.ts'
import { createAccounts } from './accounts.ts'
import { apiRoutes } from './api.ts'
import { createAudit } from './audit.ts'
import { openBackends } from './backends.ts'
import { createClients } from './clients.ts'
import type { Config } from './config.ts'
import { openDataDir, openSecrets } from './data-dir.ts'
import { createFactors } from './factors.ts'
import { createGuesses } from './guesses.ts'
import type { Application, Assembled } from './http/application.ts'
import { onExpress } from './http/express.ts'
import { onFastify } from './http/fastify.ts'
import { onKoa } from './http/koa.ts'
import { createInvoices } from './invoices.ts'
import { createOutbox } from './mail.ts'
import { passkeyModuleEndpoint } from './passkey-module.ts'
import { refuseSeeded, seed } from './seed.ts'
import { createSignIn } from './sign-in.ts'
import { webEndpoints } from './web.ts'

const on = { express: onExpress, fastify: onFastify, koa: onKoa } satisfies Record<
  Config['framework'],
  (app: Application) => Promise<Assembled>
>

/** As many as the README starts behind one address; while Redis is down each grants its part of a limit. */
const PROCESSES = 2

/** Ledger, ready to be listened to. */
export interface Ledger {
  readonly listener: RequestListener
  /** Every route of it, each with its rule. */
  readonly routes: readonly RouteInfo[]
  /** What it keeps things in, as the ready line has it. */
  readonly backends: readonly string[]
  close(): Promise<void>
}

/**
 * Builds Ledger as configured.
 * @throws LedgerError, StoreError, SealerError: a start that fails has changed nothing but the data folder
 */
export async function openLedger(config: Config, clock: Clock = systemClock): Promise<Ledger> {
  const { publicUrl, dataDir } = config
  await openDataDir(dataDir)
  const { sealer, limitKey, deviceKey } = await openSecrets(dataDir)
  const backends = await openBackends(config, limitKey, clock)
  const { store, floods } = backends

  // The nouns.
  const accounts = createAccounts({ store })
  const clients = createClients({ store, publicUrl })
  const invoices = createInvoices({ store, clock })
  const passwords = createPasswords()
  const guesses = createGuesses({ store: backends.guesses, deviceKey, clock })
  const factors = createFactors({ publicUrl, store, sealer, guesses: guesses.codes, clock })
  if (config.seed) await seed({ accounts, clients, invoices, passwords, totp: factors.totp })
  if (config.production) await refuseSeeded({ accounts, clients })
  const outbox = createOutbox({ dataDir, publicUrl, find: accounts.find, clock })
  const audit = createAudit({ store, clock, tenantOfSubject: async (id) => (await accounts.find(id))?.tenant })

  // Tokens.
  const ring = createKeyRing({ store, sealer, clock })
  await ring.load()
  const resource = `${publicUrl}/api`
  const feed = createStoreRevocationFeed({ store, clock })
  const revocations = createRevocations({ feed, clock })
  await revocations.start()
  const verifier = createVerifier({ issuer: publicUrl, audience: resource, keys: ring.keys, revocations, clock })
  const keys = createApiKeys({ store, prefix: 'ledger', issuer: publicUrl, audience: resource, guard: guesses.keys, clock })
  const dpop = createDpopVerifier({ store, origin: new URL(publicUrl).origin, clock })
  const resourceMetadata = protectedResourceMetadataUrl(resource)

  /** Role and tenant are those of now, not those of when the token was issued; a disabled account is out at once. */
  async function principal(claims: Claims): Promise<Principal | undefined> {
    const claimed = principalFromClaims(claims)
    if (claimed === undefined) return undefined
    if (claimed.kind === 'client') {
      const client = await clients.find(claimed.subject)
      return client && { ...claimed, roles: [], ...(client.tenant === undefined ? {} : { tenant: client.tenant }) }
    }
    const account = await accounts.find(claimed.subject)
    return account === undefined || account.disabled ? undefined : { ...claimed, tenant: account.tenant, roles: [account.role] }
  }

  // Limits: one by address for every request, one for each caller once he is known.
  const flood = config.limits === 'demo'
  const addressLimit = limit({
    name: 'address',
    policies: [{ name: 'address', quota: 600, window: 60 }],
    key: byAddress(),
    store: floods,
    processes: PROCESSES,
    clock,
  })
  // Each of these may write, send a mail, or hash a password.
  const accountLimit = limit({
    name: 'account',
    policies: [{ name: 'account', quota: 60, window: 60 }],
    key: byAddress(),
    store: floods,
    processes: PROCESSES,
    clock,
  })
  const callerLimit = limit({
    name: 'caller',
    policies: [
      { name: 'burst', quota: 100, window: 60 },
      { name: 'daily', quota: 10_000, window: 86_400 },
    ],
    key: byPrincipal(),
    store: floods,
    processes: PROCESSES,
    clock,
  })
  // The authorization server, the metadata of the resource, and the page.
  const refreshTokens = createRefreshTokens({ store, sealer, revocations, clock })
  const sessions = createSessions<SignIn>({
    store,
    clock,
    // Who signs in once more in the same browser gets new tokens; what other clients have of it is not over. A session that was
    // ended from elsewhere takes all that came out of it along, also what was meant to outlive a sign-out.
    ending: async ({ handle, by }) => {
      if (by !== 'replaced') await revocations.revoke({ kind: 'session', id: handle })
      if (by === 'ended' || by === 'all_ended') await refreshTokens.endSession(handle)
    },
  })
  const server = createAuthorizationServer({
    issuer: publicUrl,
    branding: { name: 'Ledger', passwordResetPath: '/account/forgot' },
    store,
    ring,
    refreshTokens,
    revocations,
    dpop,
    sessions,
    clients,
    accounts: createSignIn({ accounts, passwords, factors, guesses, clock }),
    resources: [{ identifier: resource, scopes: Object.keys(scopes) }],
    scopes,
    clock,
  })
  const endpoints: readonly EndpointRoute[] = [
    ...server.endpoints,
    protectedResourceMetadata({
      resource,
      authorizationServers: [publicUrl],
      scopesSupported: Object.keys(scopes),
      resourceName: 'Ledger',
      dpopSigningAlgValuesSupported: dpop.algorithms,
    }),
    ...webEndpoints({ publicUrl, store, clock }),
    ...accountEndpoints({
      store,
      accounts,
      factors,
      passwords,
      policy: createLedgerPolicy(),
      guesses,
      sessions,
      refreshTokens,
      outbox,
      guards: flood ? [accountLimit] : [],
      clock,
    }),
    await passkeyModuleEndpoint(),
  ]

  let routes: readonly RouteInfo[] = []
  const caller = bearer({ verifier: chooseVerifier<string>([keys, verifier]), principal, dpop, resourceMetadata })
  const application: Application = {
    entrance: {
      trustedProxies: config.trustedProxies,
      production: config.production,
      clock,
      guards: [
        // First, so that refusals carry them too.
        securityHeaders(),
        httpsOnly({ allowLoopback: !config.production, clock }),
        crossOriginProtection({ clock }),
        ...(flood ? [addressLimit] : []),
      ],
    },
    api: apiRoutes({ invoices, audit, keys, guards: flood ? [caller, callerLimit] : [caller], routes: () => routes }),
    endpoints,
  }
  const assembled = await on[config.framework](application)
  routes = assembled.routes
  return {
    listener: assembled.listener,
    routes,
    backends: backends.names,
    async close() {
      await assembled.close()
      await revocations.close()
      await feed.close()
      await audit.close()
      await outbox.close()
      await backends.close()
    },
  }
}
