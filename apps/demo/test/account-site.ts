import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ManualClock, manualClock } from '@portcullis/conformance/store'
import {
  createMemoryStore,
  createSealer,
  type EndpointRoute,
  type EventContext,
  epochSeconds,
  type Guard,
  open,
  problem,
  type RequestView,
  readJson,
  type Store,
} from '@portcullis/core'
import type { Method, Proof } from '@portcullis/mfa'
import type { SignIn } from '@portcullis/oauth'
import { createPasswords, type Passwords } from '@portcullis/password'
import { createMemoryRateLimitStore, type DeviceCookies } from '@portcullis/rate-limit'
import { createSessions, type Sessions } from '@portcullis/sessions'
import {
  createMemoryRevocationFeed,
  createRefreshTokens,
  createRevocations,
  type RefreshTokens,
  type Revocations,
} from '@portcullis/tokens'
import { crossOriginProtection } from '@portcullis/transport'
import { TOTP } from 'otpauth'
import { expect, vi } from 'vitest'
import { accountEndpoints, createLedgerPolicy } from '../src/account/endpoints.ts'
import { type Account, type Accounts, createAccounts } from '../src/accounts.ts'
import { createFactors, type Factors } from '../src/factors.ts'
import { createGuesses } from '../src/guesses.ts'
import type { Application, Assembled } from '../src/http/application.ts'
import { onFastify } from '../src/http/fastify.ts'
import { createOutbox, type Mail } from '../src/mail.ts'

export const password = 'seven-wet-anvils-hum-at-noon'
export const another = 'quiet otters juggle turnips daily'
export const totpSecret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'

/** An answer, read. */
export interface Answer {
  readonly status: number
  readonly location: string | null
  readonly headers: Headers
  readonly body: string
}

/** The account's pages on a framework, on a memory store and a clock that stands still. */
export interface AccountSite {
  readonly url: string
  readonly clock: ManualClock
  readonly store: Store
  readonly accounts: Accounts
  readonly factors: Factors
  readonly passwords: Passwords
  readonly sessions: Sessions<SignIn>
  readonly revocations: Revocations
  readonly refreshTokens: RefreshTokens
  readonly endpoints: readonly EndpointRoute[]
  readonly devices: DeviceCookies
  /** While true, the guard before every POST refuses. */
  flooded: boolean
  /** Somebody new. */
  person(of?: Partial<Account>): Promise<Account>
  browser(): Browser
  /** The code that an authenticator with {@link totpSecret}, or another secret, shows now. */
  code(secret?: string): string
  /** Proofs of now, or of `age` seconds ago. */
  proofs(methods: readonly Method[], age?: number): Proof[]
  /** Whether an access token of a session, or of a subject, still stands. @param claims.iat now, by default */
  stands(claims: { readonly sid?: string; readonly sub?: string; readonly iat?: number }): Promise<boolean>
  /** The mail to somebody in which a text is, once it is written. */
  mailed(to: string, text: string): Promise<Mail>
  /** The mails to somebody so far. */
  mails(to: string): Promise<readonly Mail[]>
  close(): Promise<void>
}

/** A request, as far as the guards of factors look at it. */
export const from: EventContext = { request: { client: { ip: '192.0.2.1' } } as RequestView }

/** A browser: it keeps the session's cookie, and follows no redirect by itself. */
export class Browser {
  readonly #url: string
  cookie: string | undefined

  constructor(url: string) {
    this.#url = url
  }

  get(path: string): Promise<Answer> {
    return this.#send(path, { method: 'GET' })
  }

  post(path: string, fields: Readonly<Record<string, string>> = {}, site = 'same-origin'): Promise<Answer> {
    return this.#send(path, { method: 'POST', body: new URLSearchParams(fields), headers: { 'sec-fetch-site': site } })
  }

  async signIn(subject: string, proofs: readonly Proof[]): Promise<void> {
    const headers = { 'content-type': 'application/json' }
    const answer = await this.#send('/test/sign-in', { method: 'POST', body: JSON.stringify({ subject, proofs }), headers })
    expect([answer.status, answer.body]).toEqual([204, ''])
  }

  async #send(path: string, init: { method: string; body?: string | URLSearchParams; headers?: Record<string, string> }) {
    const cookie: Record<string, string> = this.cookie === undefined ? {} : { cookie: `__Host-session=${this.cookie}` }
    const response = await fetch(this.#url + path, { ...init, headers: { ...init.headers, ...cookie }, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) {
      const [, value] = /^__Host-session=([^;]*)/.exec(line) ?? []
      if (value !== undefined) this.cookie = value || undefined
    }
    const { status, headers } = response
    return { status, location: headers.get('location'), headers, body: await response.text() }
  }
}

/**
 * @param options.store wraps the store
 * @param options.on the framework; Vitest's module conditions break what Express depends on
 */
export async function openAccountSite(
  options: { readonly store?: (store: Store) => Store; readonly on?: (app: Application) => Promise<Assembled> } = {},
): Promise<AccountSite> {
  const { store: given, on = onFastify } = options
  const dataDir = await mkdtemp(join(tmpdir(), 'ledger-account-'))
  const clock = manualClock()
  const memory = createMemoryStore({ clock })
  const store = given?.(memory) ?? memory
  const sealer = createSealer({ current: 'k1', keys: { k1: randomBytes(32) } })
  const accounts = createAccounts({ store })
  const passwords = createPasswords()
  const revocations = createRevocations({ feed: createMemoryRevocationFeed({ clock }), clock })
  await revocations.start()
  const refreshTokens = createRefreshTokens({ store, sealer, revocations, clock })
  const sessions = createSessions<SignIn>({
    store,
    clock,
    ending: async ({ handle }) => void (await refreshTokens.endSession(handle)),
  })
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://localhost:${(server.address() as AddressInfo).port}`
  const guesses = createGuesses({ store: createMemoryRateLimitStore({ clock }), deviceKey: randomBytes(32), clock })
  const factors = createFactors({ publicUrl: url, store, sealer, guesses: guesses.codes, clock })
  const outbox = createOutbox({ dataDir, publicUrl: url, find: createAccounts({ store: memory }).find, clock })
  const flood: Guard = () =>
    site.flooded
      ? { type: 'reply', reply: problem({ status: 429 }), cause: { code: 'test.flood', message: 'flooded' } }
      : { type: 'continue' }
  const endpoints = accountEndpoints({
    store,
    accounts,
    factors,
    passwords,
    policy: createLedgerPolicy(),
    guesses,
    sessions,
    refreshTokens,
    outbox,
    guards: [flood],
    clock,
  })
  const signIn: EndpointRoute = {
    method: 'POST',
    path: '/test/sign-in',
    policy: open('a test'),
    endpoint: async (req) => {
      const { subject, proofs } = (await readJson(req)) as { subject: string; proofs: Proof[] }
      return { status: 204, headers: (await sessions.start(req, { subject, data: { proofs } })).headers }
    },
  }
  const entrance = { clock, guards: [crossOriginProtection({ clock })] }
  const { listener, close } = await on({ entrance, api: [], endpoints: [...endpoints, signIn] })
  server.on('request', listener)
  const passwordHash = await passwords.hash(password)

  async function written(to: string): Promise<Mail[]> {
    const text = await readFile(join(dataDir, 'outbox.jsonl'), 'utf8').catch(() => '')
    const mails = text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Mail)
    return mails.filter((mail) => mail.to === to)
  }

  const site: AccountSite = {
    url,
    clock,
    store,
    accounts,
    factors,
    passwords,
    sessions,
    revocations,
    refreshTokens,
    endpoints,
    devices: guesses.devices,
    flooded: false,
    async person(of = {}) {
      const id = `usr_${randomBytes(6).toString('hex')}`
      const account: Account = {
        id,
        email: `${id}@acme.test`,
        name: 'Ada Lovelace',
        tenant: 'acme',
        role: 'accountant',
        passwordHash,
        disabled: false,
        ...of,
      }
      await accounts.seed(account)
      return account
    },
    browser: () => new Browser(url),
    code: (secret = totpSecret) => new TOTP({ secret }).generate({ timestamp: clock.now() }),
    proofs: (methods, age = 0) => methods.map((method) => ({ method, at: epochSeconds(clock) - age })),
    async stands(claims) {
      // The clock may have stood still for long: then it is not known what others revoked.
      await revocations.sync()
      const { iat = epochSeconds(clock) } = claims
      return revocations.check({ iss: url, aud: url, ...claims, iat, exp: iat + 600 }) === undefined
    },
    mailed: (to, text) =>
      vi.waitFor(
        async () => {
          const mail = (await written(to)).find((one) => one.text.includes(text))
          if (mail === undefined) throw new Error(`no mail to ${to} says: ${text}`)
          return mail
        },
        { timeout: 5000, interval: 10 },
      ),
    mails: written,
    async close() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      await close()
      await outbox.close()
      await revocations.close()
      await rm(dataDir, { recursive: true })
    },
  }
  return site
}
