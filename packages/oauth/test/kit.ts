import { createHash, randomBytes } from 'node:crypto'
import { type Clock, createMemoryStore, createSealer, epochSeconds, type Guard, type Sealer, type Store } from '@portcullis/core'
import { type Assurance, createAssurance, type Factor, type Proof } from '@portcullis/mfa/assurance'
import { createSessions, type Sessions } from '@portcullis/sessions'
import { createKeyRing, createRefreshTokens, type KeyRing, type RefreshTokens } from '@portcullis/tokens'
import {
  type Account,
  type Accounts,
  type AssuranceDecision,
  type AssuranceQuestion,
  type AuthorizationServer,
  type AuthorizationServerOptions,
  type CheckResult,
  type Client,
  clientsFrom,
  createAuthorizationServer,
  hashClientSecret,
  type SignIn,
} from '../src/index.ts'
import { Browser, type Visit } from './browser.ts'
import { type Served, serve } from './serve.ts'

export const SECRET = 'partner-secret-for-the-demo-only'
export const CALLBACK = 'http://localhost:3999/callback'
export const GOOD_CODE = '123456'

const SCOPES = ['openid', 'profile', 'email', 'offline_access', 'invoice:read', 'invoice:create']

const CLIENTS: readonly Client[] = [
  {
    clientId: 'web',
    name: 'Ledger <b>Web</b> & "friends"',
    kind: 'public',
    authentication: ['none'],
    redirectUris: [CALLBACK, 'http://localhost:3999/other?tenant=acme'],
    grants: ['authorization_code', 'refresh_token'],
    scopes: SCOPES,
    postLogoutRedirectUris: ['http://localhost:3999/signed-out'],
  },
  {
    clientId: 'cli',
    name: 'Ledger CLI',
    kind: 'public',
    authentication: ['none'],
    redirectUris: ['http://127.0.0.1/callback', 'http://[::1]/callback'],
    grants: ['authorization_code'],
    scopes: ['invoice:read', 'offline_access'],
  },
  {
    clientId: 'partner',
    name: 'Partner',
    kind: 'confidential',
    authentication: ['client_secret_basic', 'client_secret_post'],
    secretHashes: [hashClientSecret(SECRET)],
    redirectUris: [CALLBACK],
    grants: ['authorization_code', 'refresh_token', 'client_credentials'],
    scopes: SCOPES,
    clientCredentialsScopes: ['invoice:read'],
    pkce: 'optional',
    postLogoutRedirectUris: ['http://localhost:3999/signed-out'],
  },
]

/** A clock that runs with the machine's, and can be put forward. */
export class TestClock implements Clock {
  #ahead = 0

  now(): number {
    return Date.now() + this.#ahead
  }

  /** @param seconds how far */
  forward(seconds: number): void {
    this.#ahead += seconds * 1000
  }
}

type Person = Account & { readonly username: string; readonly password: string; readonly factors: readonly Factor[] }

/** People who are kept in a map, and whose one-time code is always {@link GOOD_CODE}. */
export class TestAccounts implements Accounts {
  readonly people: Map<string, Person> = new Map()
  readonly assurance: Assurance = createAssurance()
  readonly #clock: Clock
  limited = false
  attempts = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.add({
      subject: 'u-grace',
      username: 'grace@acme.test',
      password: 'grace-password',
      roles: ['accountant'],
      factors: [{ method: 'password' }],
    })
    this.add({
      subject: 'u-ada',
      username: 'ada@acme.test',
      password: 'ada-password',
      roles: ['owner'],
      factors: [{ method: 'password' }, { method: 'totp' }],
    })
  }

  add(person: Person): void {
    this.people.set(person.subject, {
      tenant: 'acme',
      claims: { name: 'Somebody', email: person.username, email_verified: true },
      ...person,
    })
  }

  async authenticate({
    username,
    password,
  }: {
    username: string
    password: string
  }): Promise<CheckResult<{ readonly subject: string }>> {
    if (this.limited) return { type: 'limited', retryAfter: 90 }
    const person = [...this.people.values()].find((one) => one.username === username && one.password === password)
    return person ? { type: 'ok', subject: person.subject, proofs: [this.prove('password')] } : { type: 'refused' }
  }

  async secondFactor({ code }: { code: string }): Promise<CheckResult> {
    this.attempts++
    return code === GOOD_CODE ? { type: 'ok', proofs: [this.prove('totp')] } : { type: 'refused' }
  }

  /** A proof of now. */
  prove(method: Proof['method']): Proof {
    return { method, at: epochSeconds(this.#clock) }
  }

  async decide(question: AssuranceQuestion<Proof>): Promise<AssuranceDecision> {
    const enrolled = this.people.get(question.subject)?.factors ?? []
    return this.assurance.decide({ ...question, enrolled })
  }

  async find(subject: string): Promise<Person | undefined> {
    return this.people.get(subject)
  }
}

export interface Kit extends Served {
  readonly server: AuthorizationServer
  readonly accounts: TestAccounts
  readonly clock: TestClock
  readonly store: Store
  readonly ring: KeyRing
  readonly sessions: Sessions<SignIn>
  readonly refreshTokens: RefreshTokens
  readonly browser: Browser
}

/** What a kit is made of. */
export interface Parts {
  readonly url: string
  readonly store: Store
  readonly sealer: Sealer
  readonly clock: TestClock
}

/** A whole authorization server on a port. */
export async function kit(
  options: Partial<AuthorizationServerOptions> & {
    readonly clientList?: readonly Client[]
    readonly formGuards?: readonly Guard[]
    /** What needs the server's address, or its store. */
    readonly assemble?: (parts: Parts) => Partial<AuthorizationServerOptions>
  } = {},
): Promise<Kit> {
  const { clientList = CLIENTS, assemble, ...further } = options
  const clock = new TestClock()
  const store = createMemoryStore({ clock })
  const sealer = createSealer({ current: 'k1', keys: { k1: randomBytes(32) } })
  const ring = createKeyRing({ store, sealer, clock })
  const refreshTokens = createRefreshTokens({ store, sealer, clock })
  const sessions = createSessions<SignIn>({ store, clock })
  const accounts = new TestAccounts(clock)
  let server: AuthorizationServer | undefined
  const served = await serve((url) => {
    server = createAuthorizationServer({
      issuer: url,
      store,
      ring,
      refreshTokens,
      sessions,
      clients: clientsFrom(clientList),
      accounts,
      resources: [{ identifier: `${url}/api`, scopes: ['invoice:read', 'invoice:create'], default: true }],
      scopes: { 'invoice:read': 'Read your invoices', 'invoice:create': 'Write invoices' },
      clock,
      branding: { name: 'Ledger' },
      ...further,
      ...assemble?.({ url, store, sealer, clock }),
    })
    return server.endpoints
  })
  return {
    ...served,
    server: server as unknown as AuthorizationServer,
    accounts,
    clock,
    store,
    ring,
    sessions,
    refreshTokens,
    browser: new Browser(served.url),
  }
}

/** A verifier and its challenge. */
export function pkce(): { readonly verifier: string; readonly challenge: string } {
  const verifier = randomBytes(32).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

export const PKCE: { readonly verifier: string; readonly challenge: string } = pkce()

/** An authorization URL; `undefined` leaves a parameter out. */
export function authorizeUrl(of: Kit, parameters: Readonly<Record<string, string | undefined>> = {}): string {
  const all = {
    response_type: 'code',
    client_id: 'web',
    redirect_uri: CALLBACK,
    scope: 'openid invoice:read offline_access',
    state: 'state-1',
    nonce: 'nonce-1',
    code_challenge: PKCE.challenge,
    code_challenge_method: 'S256',
    ...parameters,
  }
  const query = new URLSearchParams(Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined))
  return `${of.url}${of.server.paths.authorize}?${query}`
}

/** Signs in on the page that asks for it, up to the consent page. */
export async function signIn(of: Kit, page: Visit, who = 'grace', browser: Browser = of.browser): Promise<Visit> {
  const next = await browser.submit(page, { username: `${who}@acme.test`, password: `${who}-password` })
  return next.text.includes('one-time-code') ? browser.submit(next, { code: GOOD_CODE }) : next
}

/** The whole way to a code. */
export async function authorize(
  of: Kit,
  parameters: Readonly<Record<string, string | undefined>> = {},
  who = 'grace',
): Promise<URL> {
  let page = await of.browser.get(authorizeUrl(of, parameters))
  if (page.text.includes('current-password')) page = await signIn(of, page, who)
  const done = await of.browser.submit(page, { decision: 'approve' })
  if (done.left === undefined) throw new TypeError(`no redirect: ${done.status} ${done.text}`)
  return done.left
}

export interface TokenReply {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, string> & { readonly expires_in: number }
}

/** Posts to the token endpoint, or another one that takes forms. */
export async function post(
  of: Kit,
  form: Readonly<Record<string, string | undefined>> | string,
  options: { readonly basic?: string; readonly path?: string; readonly proof?: string } = {},
): Promise<TokenReply> {
  const pairs =
    typeof form === 'string' ? form : Object.entries(form).filter((pair): pair is [string, string] => pair[1] !== undefined)
  const headers: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded' }
  if (options.basic !== undefined) headers['authorization'] = `Basic ${Buffer.from(options.basic).toString('base64')}`
  if (options.proof !== undefined) headers['dpop'] = options.proof
  const response = await fetch(`${of.url}${options.path ?? of.server.paths.token}`, {
    method: 'POST',
    headers,
    body: new URLSearchParams(pairs as [string, string][]).toString(),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) }
}

/** Redeems a code of the client `web`; `undefined` leaves a parameter out. */
export function redeem(
  of: Kit,
  code: string | null,
  form: Readonly<Record<string, string | undefined>> = {},
  options: { readonly basic?: string; readonly proof?: string } = {},
): Promise<TokenReply> {
  const usual = { grant_type: 'authorization_code', client_id: 'web', redirect_uri: CALLBACK, code_verifier: PKCE.verifier }
  return post(of, { ...usual, code: code ?? undefined, ...form }, options)
}

/** The claims of a JWT, unverified. */
export function claimsOf(token: string | undefined): Record<string, unknown> {
  return JSON.parse(Buffer.from(token?.split('.')[1] ?? '', 'base64url').toString())
}

/** The code of a response. */
export function codeOf(response: URL): string {
  return response.searchParams.get('code') ?? ''
}
