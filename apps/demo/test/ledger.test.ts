import { execFile } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  buildEndSessionUrl,
  ClientSecretBasic,
  ClientSecretPost,
  calculatePKCECodeChallenge,
  discovery,
  fetchProtectedResource,
  getDPoPHandle,
  None,
  randomDPoPKeyPair,
  randomPKCECodeVerifier,
  refreshTokenGrant,
  tokenRevocation,
} from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { signIn } from '../examples/browser.mjs'
import { frameworks } from '../src/config.ts'
import { call, type PersonName, people, type SignedIn, signInAs } from './person.ts'
import { dataDir, failToStart, type LedgerProcess, startLedger } from './process.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../..', import.meta.url))

describe.each(frameworks)('Ledger on %s', (framework) => {
  let dir: Awaited<ReturnType<typeof dataDir>>
  let ledger: LedgerProcess
  const signedIn = new Map<PersonName, SignedIn>()
  const as = (name: PersonName): string => {
    const person = signedIn.get(name)
    if (person === undefined) throw new Error(`${name} has not signed in`)
    return person.tokens.access_token
  }

  beforeAll(async () => {
    dir = await dataDir()
    ledger = await startLedger({ FRAMEWORK: framework, DATA_DIR: dir.path, LIMITS: 'off' })
    for (const name of ['ada', 'grace', 'alan', 'linus'] as const) signedIn.set(name, await signInAs(ledger.url, name))
  })
  afterAll(async () => {
    await ledger.end('SIGTERM')
    await dir.remove()
  })

  it('prints one line when it is ready, and keeps its files to itself', async () => {
    expect(ledger.stdout).toBe(`Ledger on ${ledger.url} (${framework}, sqlite)\n`)
    expect(ledger.stderr).toBe('')
    for (const file of ['ledger.db', 'ledger.db-wal', 'sealing-key']) {
      expect((await stat(join(dir.path, file))).mode & 0o777, file).toBe(0o600)
    }
  })

  it.each([
    ['ada', { sub: 'usr_ada', tenant: 'acme', roles: ['owner'], acr: 'aal2' }],
    ['grace', { sub: 'usr_grace', tenant: 'acme', roles: ['accountant'], acr: 'aal1' }],
    ['alan', { sub: 'usr_alan', tenant: 'acme', roles: ['viewer'], acr: 'aal1' }],
    ['linus', { sub: 'usr_linus', tenant: 'globex', roles: ['owner'], acr: 'aal1' }],
  ] as const)('tells %s who is calling', async (name, expected) => {
    expect(await call(ledger.url, as(name), 'GET', '/api/me')).toMatchObject({ status: 200, body: expected })
  })

  // Who, what, with which body, and the status: the table of demo.md.
  it.each<[PersonName | undefined, string, string, object | undefined, number]>([
    [undefined, 'GET', '/healthz', undefined, 200],
    [undefined, 'GET', '/api/me', undefined, 401],
    [undefined, 'GET', '/api/invoices', undefined, 401],
    ['alan', 'GET', '/api/invoices', undefined, 200],
    ['alan', 'GET', '/api/invoices/inv_acme_0001', undefined, 200],
    ['alan', 'GET', '/api/invoices/inv_globex_0001', undefined, 404],
    ['linus', 'GET', '/api/invoices/inv_globex_0001', undefined, 200],
    ['linus', 'GET', '/api/invoices/inv_acme_0001', undefined, 404],
    ['linus', 'PATCH', '/api/invoices/inv_acme_0001', { amount: 1 }, 404],
    ['alan', 'POST', '/api/invoices', { customer: 'X', amount: 1 }, 403],
    ['grace', 'POST', '/api/invoices', { customer: 'X', amount: 1 }, 201],
    ['grace', 'POST', '/api/invoices', { customer: 'X', amount: 1, tenant: 'globex' }, 400],
    ['grace', 'POST', '/api/invoices', { customer: 'X', amount: 1.5 }, 400],
    ['grace', 'POST', '/api/invoices', { customer: '', amount: 1 }, 400],
    ['alan', 'PATCH', '/api/invoices/inv_acme_0002', { amount: 1 }, 403],
    ['grace', 'PATCH', '/api/invoices/inv_acme_0002', { amount: 48_051, customer: 'Difference' }, 200],
    ['grace', 'PATCH', '/api/invoices/inv_acme_0002', { status: 'paid' }, 403],
    ['grace', 'PATCH', '/api/invoices/inv_acme_0002', { id: 'inv_x' }, 400],
    ['grace', 'PATCH', '/api/invoices/inv_acme_0002', {}, 400],
    ['ada', 'PATCH', '/api/invoices/inv_acme_0002', { status: 'paid' }, 200],
    ['ada', 'PATCH', '/api/invoices/inv_acme_0002', { status: 'refunded' }, 400],
    ['grace', 'POST', '/api/invoices/inv_acme_0002/refund', undefined, 403],
    ['linus', 'POST', '/api/invoices/inv_globex_0001/refund', undefined, 401],
    ['ada', 'POST', '/api/invoices/inv_globex_0001/refund', undefined, 404],
    ['ada', 'POST', '/api/invoices/inv_acme_0003/refund', undefined, 200],
    ['ada', 'POST', '/api/invoices/inv_acme_0003/refund', undefined, 409],
    ['ada', 'PATCH', '/api/invoices/inv_acme_0003', { amount: 1 }, 409],
    ['grace', 'GET', '/api/admin/audit', undefined, 403],
    ['ada', 'GET', '/api/admin/audit', undefined, 200],
    ['alan', 'GET', '/api/admin/access', undefined, 403],
    ['ada', 'GET', '/api/admin/access', undefined, 200],
    ['ada', 'GET', '/api/invoices?limit=0', undefined, 400],
    ['ada', 'GET', '/api/invoices?limit=1&limit=2', undefined, 400],
    ['ada', 'GET', '/api/invoices?tenant=globex', undefined, 400],
    ['ada', 'GET', '/api/nowhere', undefined, 404],
  ])('%s %s %s %j → %i', async (name, method, path, body, status) => {
    const answer = await call(ledger.url, name && as(name), method, path, body)
    expect(answer.status, JSON.stringify(answer.body)).toBe(status)
    if (status >= 400) {
      expect(answer.headers.get('content-type')).toBe('application/problem+json')
      expect(answer.body).toMatchObject({ status, title: expect.any(String) })
    }
  })

  it('pages through the invoices of one tenant', async () => {
    const ids: string[] = []
    let after = ''
    do {
      const { body } = await call(ledger.url, as('alan'), 'GET', `/api/invoices?limit=2${after && `&after=${after}`}`)
      ids.push(...body.items.map(({ id }: { id: string }) => id))
      after = body.next ?? ''
    } while (after !== '')
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids).toEqual(expect.arrayContaining(['inv_acme_0001', 'inv_acme_0005']))
    expect(ids.filter((id) => id.includes('globex'))).toEqual([])
  })

  it('asks for a second factor before a refund, as RFC 9470 says', async () => {
    const { headers } = await call(ledger.url, as('linus'), 'POST', '/api/invoices/inv_globex_0001/refund')
    expect(headers.get('www-authenticate')).toMatch(
      /^Bearer .*error="insufficient_user_authentication".*acr_values="aal2".*max_age="300"/,
    )
  })

  it('a token never does more than its scope', async () => {
    const { tokens } = await signInAs(ledger.url, 'grace', { scope: 'openid invoice:read' })
    expect((await call(ledger.url, tokens.access_token, 'GET', '/api/invoices')).status).toBe(200)
    const refused = await call(ledger.url, tokens.access_token, 'POST', '/api/invoices', { customer: 'X', amount: 1 })
    expect(refused.status).toBe(403)
    expect(refused.headers.get('www-authenticate')).toMatch(/error="insufficient_scope".*scope="invoice:create"/)
  })

  it('two changes at once both take effect', async () => {
    const { body } = await call(ledger.url, as('grace'), 'POST', '/api/invoices', { customer: 'Race', amount: 1 })
    await Promise.all([
      call(ledger.url, as('grace'), 'PATCH', `/api/invoices/${body.id}`, { amount: 2 }),
      call(ledger.url, as('grace'), 'PATCH', `/api/invoices/${body.id}`, { customer: 'Both' }),
    ])
    expect((await call(ledger.url, as('grace'), 'GET', `/api/invoices/${body.id}`)).body).toMatchObject({
      amount: 2,
      customer: 'Both',
    })
  })

  it('of fifty refunds of one invoice at once, one happens', async () => {
    const { body } = await call(ledger.url, as('ada'), 'POST', '/api/invoices', { customer: 'Race', amount: 1 })
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => call(ledger.url, as('ada'), 'POST', `/api/invoices/${body.id}/refund`)),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(49)
  })

  it('keeps an audit log: the sign-in, the refusal and the reason, for the tenant alone', async () => {
    await call(ledger.url, as('alan'), 'POST', '/api/invoices', { customer: 'X', amount: 1 })
    const entries = async (name: PersonName) => (await call(ledger.url, as(name), 'GET', '/api/admin/audit?limit=100')).body.items
    await expect
      .poll(() => entries('ada'))
      .toEqual(
        expect.arrayContaining([
          expect.objectContaining({ type: 'oauth.signed_in' }),
          expect.objectContaining({
            type: 'core.decision',
            data: expect.objectContaining({
              outcome: 'refused',
              status: 403,
              policy: { kind: 'permission', label: 'invoice:create' },
              reason: expect.objectContaining({ code: 'rbac.role_lacks_permission' }),
            }),
          }),
        ]),
      )
    const all = JSON.stringify([await entries('ada'), await entries('linus')])
    for (const secret of [
      'battery',
      'JBSWY3DPEHPK3PXP',
      as('ada'),
      as('linus'),
      signedIn.get('ada')?.tokens.refresh_token ?? '-',
    ]) {
      expect(all.includes(secret)).toBe(false)
    }
    expect(JSON.stringify(await entries('linus'))).not.toContain('usr_alan')
  })

  it('tells the owner of a wrong password for an account of the tenant', async () => {
    await expect(signInAs(ledger.url, 'grace', { password: 'not-hers' })).rejects.toThrow()
    const failures = async (name: PersonName) =>
      (await call(ledger.url, as(name), 'GET', '/api/admin/audit?limit=100')).body.items.filter(
        ({ type }: { type: string }) => type === 'ledger.sign_in_failed',
      )
    await expect
      .poll(() => failures('ada'))
      .toContainEqual(
        expect.objectContaining({ data: { subject: 'usr_grace', factor: 'password' }, ip: expect.stringMatching(/^(127|::1)/) }),
      )
    expect(await failures('linus')).toEqual([])
  })

  it('says how much is left, and where to get a token', async () => {
    const unknown = await call(ledger.url, undefined, 'GET', '/api/me')
    const metadataUrl = `${ledger.url}/.well-known/oauth-protected-resource/api`
    // Two lines, which fetch joins.
    expect(unknown.headers.get('www-authenticate')).toBe(
      `Bearer resource_metadata="${metadataUrl}", DPoP resource_metadata="${metadataUrl}", algs="ES256 EdDSA PS256"`,
    )
    for (const path of ['oauth-protected-resource/api', 'oauth-authorization-server', 'openid-configuration']) {
      const metadata = await call(ledger.url, undefined, 'GET', `/.well-known/${path}`)
      expect(metadata.body).toMatchObject(path.includes('resource') ? { resource: `${ledger.url}/api` } : { issuer: ledger.url })
    }
  })

  it.each([
    ['ledger-cli', 'http://127.0.0.1:51004/callback', None(), true],
    ['ledger-partner', 'http://localhost:3999/callback', ClientSecretBasic('partner-secret-for-the-demo-only'), false],
    ['ledger-partner', 'http://localhost:3999/callback', ClientSecretPost('partner-secret-for-the-demo-only'), true],
  ] as const)('%s gets a code and a token at %s', async (client, redirectUri, authentication, withPkce) => {
    const options = { execute: [allowInsecureRequests] }
    const config = await discovery(new URL(ledger.url), client, undefined, authentication, options)
    const verifier = randomPKCECodeVerifier()
    const start = buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope: 'openid offline_access invoice:read',
      state: 'a state',
      ...(withPkce ? { code_challenge: await calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' } : {}),
    })
    const callback = await signIn(start, { redirectUri, person: people.alan })
    const tokens = await authorizationCodeGrant(config, callback, {
      expectedState: 'a state',
      ...(withPkce ? { pkceCodeVerifier: verifier } : {}),
    })
    expect((await call(ledger.url, tokens.access_token, 'GET', '/api/me')).body).toMatchObject({
      sub: 'usr_alan',
      scopes: ['openid', 'offline_access', 'invoice:read'],
    })
    expect((await refreshTokenGrant(config, tokens.refresh_token ?? '')).access_token).toBeTypeOf('string')
  })

  it('ledger-partner gets its code at a redirect URI with a query, which stays', async () => {
    const redirectUri = 'http://localhost:3999/other?tenant=acme'
    const start = new URL('/oauth/authorize', ledger.url)
    const request = {
      response_type: 'code',
      client_id: 'ledger-partner',
      redirect_uri: redirectUri,
      scope: 'invoice:read',
      state: 's',
    }
    for (const [name, value] of Object.entries(request)) start.searchParams.set(name, value)
    const callback = await signIn(start, { redirectUri, person: people.alan })
    expect(callback.searchParams.get('tenant')).toBe('acme')
    // openid-client leaves the query of a redirect URI out of the token request, so this one is made by hand.
    const code = callback.searchParams.get('code') ?? ''
    const tokens = await clientToken(ledger.url, { grant_type: 'authorization_code', code, redirect_uri: redirectUri })
    expect(tokens.status).toBe(200)
  })

  it('shows the matrix of routes and roles', async () => {
    const { body } = await call(ledger.url, as('ada'), 'GET', '/api/admin/access')
    const row = body.routes.find(({ pattern, method }: any) => pattern === '/api/invoices/:id/refund' && method === 'POST')
    expect(JSON.stringify(row)).toMatch(/"owner":"allow"/)
    expect(JSON.stringify(row)).toMatch(/"viewer":"deny"/)
  })

  // Router tricks of attacks.md: none may be answered as if the caller were known.
  it.each([
    '/api/%69nvoices',
    '//api/invoices',
    '/api//invoices',
    '/API/INVOICES',
    '/api/invoices/',
    '/api/invoices;x=1',
    '/api/./invoices',
    '/x/../api/invoices',
    '/api/invoices%2F',
    '/api/invoices/inv_acme_0001;a=b',
  ])('lets nobody in by spelling a path %s', async (path) => {
    const answer = await call(ledger.url, undefined, 'GET', path)
    expect([401, 404, 400]).toContain(answer.status)
  })

  it('HEAD is guarded like GET, and without a body', async () => {
    expect((await fetch(`${ledger.url}/api/invoices`, { method: 'HEAD' })).status).toBe(401)
    const known = await fetch(`${ledger.url}/api/invoices`, {
      method: 'HEAD',
      headers: { authorization: `Bearer ${as('alan')}` },
    })
    expect([known.status, await known.text()]).toEqual([200, ''])
  })

  it('a client acts for itself within what it may ask for', async () => {
    const token = await clientToken(ledger.url, {})
    expect(await call(ledger.url, token.body.access_token, 'GET', '/api/me')).toMatchObject({
      body: { sub: 'ledger-partner', tenant: 'acme', scopes: ['invoice:read'] },
    })
    expect((await call(ledger.url, token.body.access_token, 'POST', '/api/invoices', { customer: 'X', amount: 1 })).status).toBe(
      403,
    )
    expect(await clientToken(ledger.url, { scope: 'invoice:create' })).toMatchObject({
      status: 400,
      body: { error: 'invalid_scope' },
    })
  })

  it('refreshes, and a spent refresh token does not stay good', async () => {
    const { config, tokens } = await signInAs(ledger.url, 'alan')
    const second = await refreshTokenGrant(config, tokens.refresh_token ?? '')
    const third = await refreshTokenGrant(config, second.refresh_token ?? '')
    await expect(refreshTokenGrant(config, tokens.refresh_token ?? '')).rejects.toMatchObject({ error: 'invalid_grant' })
    await expect(refreshTokenGrant(config, third.refresh_token ?? '')).rejects.toMatchObject({ error: 'invalid_grant' })
  })

  it('an access token that is revoked is refused at once, and so is one whose refresh token or session is over', async () => {
    const me = async (token: string): Promise<number> => (await call(ledger.url, token, 'GET', '/api/me')).status
    const { config, tokens } = await signInAs(ledger.url, 'alan')
    expect(await me(tokens.access_token)).toBe(200)
    await tokenRevocation(config, tokens.access_token)
    expect(await me(tokens.access_token)).toBe(401)
    // The grant goes on, until it is revoked as well.
    const second = await refreshTokenGrant(config, tokens.refresh_token ?? '')
    expect(await me(second.access_token)).toBe(200)
    await tokenRevocation(config, second.refresh_token ?? '')
    expect(await me(second.access_token)).toBe(401)

    const cookies = new Map<string, string>()
    const { tokens: third } = await signInAs(ledger.url, 'alan', { cookies, scope: 'openid invoice:read' })
    expect(await me(third.access_token)).toBe(200)
    const url = buildEndSessionUrl(config, { id_token_hint: third.id_token ?? '' })
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    await fetch(url, { headers: { cookie }, redirect: 'manual' })
    expect(await me(third.access_token)).toBe(401)
  })

  it('an API key works as a bearer token, never holds more than its owner, and is nobody else’s to see or end', async () => {
    const ask = (token: string, method: string, path: string, body?: object) => call(ledger.url, token, method, path, body)
    const made = await ask(as('grace'), 'POST', '/api/keys', { name: 'CI', scopes: ['invoice:read', 'invoice:refund'] })
    expect([made.status, made.headers.get('cache-control')]).toEqual([201, 'no-store'])
    const { key, id } = made.body
    expect(key).toMatch(/^ledger_[0-9A-Za-z]{65}$/)
    expect(await ask(key, 'GET', '/api/me')).toMatchObject({
      status: 200,
      body: { sub: 'usr_grace', tenant: 'acme', roles: ['accountant'], scopes: ['invoice:read', 'invoice:refund'] },
    })
    expect((await ask(key, 'GET', '/api/invoices')).status).toBe(200)
    expect((await ask(key, 'GET', '/api/invoices/inv_globex_0001')).status).toBe(404)
    // The scope is in the key; the right is not its owner's. And the other way round.
    expect((await ask(key, 'POST', '/api/invoices/inv_acme_0001/refund')).status).toBe(403)
    expect((await ask(key, 'POST', '/api/invoices', { customer: 'X', amount: 1 })).status).toBe(403)
    // Nor does it make keys.
    expect((await ask(key, 'POST', '/api/keys', { scopes: ['invoice:read'] })).status).toBe(403)

    const listed = await ask(as('grace'), 'GET', '/api/keys')
    expect(listed.body.items).toMatchObject([{ id, name: 'CI', scopes: ['invoice:read', 'invoice:refund'] }])
    expect(JSON.stringify(listed.body)).not.toContain(key.slice(-40))
    expect((await ask(as('ada'), 'GET', '/api/keys')).body.items).toEqual([])
    // better-auth CVE-2025-61928: whose key it is, is not for the request to say.
    expect((await ask(as('ada'), 'DELETE', `/api/keys/${id}`)).status).toBe(404)
    expect((await ask(as('ada'), 'POST', '/api/keys', { scopes: ['invoice:read'], userId: 'usr_grace' })).status).toBe(400)
    const { tokens } = await signInAs(ledger.url, 'alan', { scope: 'openid invoice:read' })
    expect((await ask(tokens.access_token, 'POST', '/api/keys', { scopes: ['invoice:create'] })).status).toBe(403)

    expect((await ask(as('grace'), 'DELETE', `/api/keys?id=${id}`)).status).toBe(204)
    expect((await ask(key, 'GET', '/api/me')).status).toBe(401)
    expect((await ask(as('grace'), 'DELETE', `/api/keys/${id}`)).status).toBe(404)
    // One that lacks a character is refused by its checksum, and the answer is the same.
    expect((await ask(key.slice(0, -1), 'GET', '/api/me')).status).toBe(401)
  })

  it("ledger-dpop's tokens are good with a proof of its key, and for nobody else (RFC 9449)", async () => {
    const config = await discovery(new URL(ledger.url), 'ledger-dpop', undefined, None(), { execute: [allowInsecureRequests] })
    const keys = await randomDPoPKeyPair('ES256')
    const DPoP = getDPoPHandle(config, keys)
    const redirectUri = 'http://localhost:3999/callback'
    const verifier = randomPKCECodeVerifier()
    const start = buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope: 'openid offline_access invoice:read',
      code_challenge: await calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      dpop_jkt: await DPoP.calculateThumbprint(),
    })
    const callback = await signIn(start, { redirectUri, person: people.alan })
    const checks = { pkceCodeVerifier: verifier, idTokenExpected: true }
    const tokens = await authorizationCodeGrant(config, callback, checks, undefined, { DPoP })
    expect(tokens.token_type).toBe('dpop')
    const url = new URL('/api/me', ledger.url)
    const answer = await fetchProtectedResource(config, tokens.access_token, url, 'GET', undefined, undefined, { DPoP })
    expect([answer.status, await answer.json()]).toMatchObject([200, { sub: 'usr_alan' }])

    const stolen = await call(ledger.url, tokens.access_token, 'GET', '/api/me')
    expect(stolen.status).toBe(401)
    expect(stolen.headers.get('www-authenticate')).toMatch(/DPoP .*algs="/)
    const thief = getDPoPHandle(config, await randomDPoPKeyPair('ES256'))
    await expect(refreshTokenGrant(config, tokens.refresh_token ?? '', undefined, { DPoP: thief })).rejects.toMatchObject({
      error: 'invalid_grant',
    })
    const next = await refreshTokenGrant(config, tokens.refresh_token ?? '', undefined, { DPoP })
    expect(next.token_type).toBe('dpop')
  })

  it('the page at / says what is here, and its curl lines work', async () => {
    const response = await fetch(ledger.url, { headers: { accept: 'text/html' } })
    const html = await response.text()
    expect(response.headers.get('content-security-policy')).toMatch(/default-src 'none'/)
    expect(html).toMatch(/href="\/sign-in"/)
    const block = /<pre[^>]*>([\s\S]*?)<\/pre>/.exec(html)?.[1] ?? ''
    const script = block
      .replaceAll('&quot;', '"')
      .replaceAll('&#39;', "'")
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&amp;', '&')
    const { stdout } = await run('bash', ['-ec', script])
    expect(stdout).toContain('"status":"ok"')
    expect(stdout).toContain('inv_acme_0001')
  })

  it('survives kill -9: what was acknowledged is there, what was revoked is not, and tokens issued before still verify', async () => {
    const revoked = await signInAs(ledger.url, 'alan')
    await tokenRevocation(revoked.config, revoked.tokens.access_token)
    const { body } = await call(ledger.url, as('grace'), 'POST', '/api/invoices', { customer: 'Durable', amount: 7 })
    const { port } = new URL(ledger.url)
    expect(await ledger.end('SIGKILL')).toMatchObject({ signal: 'SIGKILL' })
    ledger = await startLedger({ FRAMEWORK: framework, DATA_DIR: dir.path, LIMITS: 'off', PORT: port })
    expect(await call(ledger.url, as('grace'), 'GET', `/api/invoices/${body.id}`)).toMatchObject({
      status: 200,
      body: { customer: 'Durable', amount: 7 },
    })
    expect((await call(ledger.url, revoked.tokens.access_token, 'GET', '/api/me')).status).toBe(401)
    const { config, tokens } = signedIn.get('linus') as SignedIn
    const refreshed = await refreshTokenGrant(config, tokens.refresh_token ?? '')
    expect((await call(ledger.url, refreshed.access_token, 'GET', '/api/me')).status).toBe(200)
  })
})

describe.each(frameworks)('a newcomer with Ledger on %s', (framework) => {
  let dir: Awaited<ReturnType<typeof dataDir>>
  let ledger: LedgerProcess

  beforeAll(async () => {
    dir = await dataDir()
    ledger = await startLedger({ FRAMEWORK: framework, DATA_DIR: dir.path })
  })
  afterAll(async () => {
    await dir.remove()
  })

  it('follows the README’s curl lines', async () => {
    const readme = await readFile(join(root, 'README.md'), 'utf8')
    const lines = /```sh\n(LEDGER=[\s\S]*?)```/.exec(readme)?.[1]?.replace('http://localhost:3000', ledger.url) ?? 'false'
    const { stdout } = await run('bash', ['-ec', lines])
    expect(stdout).toContain('{"status":"ok"}')
    expect(stdout).toContain(`"issuer":"${ledger.url}"`)
    expect(stdout).toMatch(/HTTP\/1.1 401[^\n]*\n[Ww][Ww][Ww]-[Aa]uthenticate: Bearer/)
    expect(stdout).toContain('"items":[{"id":"inv_acme_0001"')
    expect(stdout).toContain('"status":403')
  })

  it('follows the walk-through: signs in with TOTP, is refused, and is limited', async () => {
    const { stdout } = await run(process.execPath, [join(root, 'apps/demo/examples/walkthrough.mjs'), ledger.url])
    expect(stdout.split('\n')).toEqual([
      'signed in as usr_ada with aal2',
      'userinfo says Ada Lovelace',
      'refreshed',
      'GET /api/me 200 acme owner aal2',
      'GET /api/invoices 200 5 invoices',
      'GET /api/invoices/inv_globex_0001 404 Not Found',
      'POST /api/invoices 201 draft',
      'PATCH /api/invoices/… 200 sent',
      'POST /api/invoices/…/refund 200 refunded',
      'GET /api/admin/audit 403 insufficient_scope',
      expect.stringMatching(/^then 429 .* with Retry-After$/),
      '',
    ])
  })

  it('ends it: what is in flight is finished, and it exits 0', async () => {
    const answers = Promise.all(Array.from({ length: 20 }, () => clientToken(ledger.url, {})))
    const first = await clientToken(ledger.url, {})
    expect(first.status).toBe(200)
    const ended = await ledger.end('SIGTERM')
    expect(ended).toEqual({ code: 0, signal: null })
    for (const { status } of await answers) expect(status).toBe(200)
  })
})

describe('over which wire', () => {
  it('plain HTTP from elsewhere is refused, HTTPS at a trusted proxy is not, and nobody can claim either', async () => {
    const dir = await dataDir()
    const believing = await startLedger({ DATA_DIR: dir.path, TRUST_PROXY: '127.0.0.0/8, ::1' })
    const from = (forwarded: Record<string, string>) => fetch(`${believing.url}/healthz`, { headers: forwarded })
    const plain = await from({ 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'http' })
    expect([plain.status, plain.headers.get('location'), plain.headers.get('strict-transport-security')]).toEqual([
      403,
      null,
      null,
    ])
    const secure = await from({ 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https' })
    expect(secure.status).toBe(200)
    expect(secure.headers.get('strict-transport-security')).toMatch(/max-age=\d{8,}; includeSubDomains/)
    await believing.end('SIGTERM')

    const unbelieving = await startLedger({ DATA_DIR: dir.path })
    const claimed = await fetch(`${unbelieving.url}/healthz`, {
      headers: { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https' },
    })
    // Nor can a local client pass for a distant one that a proxy vouches for: what looks forwarded is not local.
    expect([claimed.status, claimed.headers.get('strict-transport-security')]).toEqual([403, null])
    await unbelieving.end('SIGTERM')
    await dir.remove()
  })
})

describe('guessing', () => {
  it('who guesses at a password is stopped, the right one included, and no flood setting changes that; others go on (v5.0.0-6.3.1)', async () => {
    const dir = await dataDir()
    const ledger = await startLedger({ DATA_DIR: dir.path, LIMITS: 'off' })
    const wrong = await Promise.allSettled(
      Array.from({ length: 12 }, () => signInAs(ledger.url, 'alan', { password: 'not-his-password' })),
    )
    expect(wrong.map(({ status }) => status)).toEqual(wrong.map(() => 'rejected'))
    await expect(signInAs(ledger.url, 'alan')).rejects.toThrow()
    await expect(signInAs(ledger.url, 'grace')).resolves.toBeDefined()
    await ledger.end('SIGTERM')
    await dir.remove()
  })
})

describe('a start that must not be', () => {
  it.each([
    [{ NODE_ENV: 'production', SEED: '1' }, 'ledger.seed_in_production'],
    [{ FRAMEWORK: 'hapi' }, 'ledger.setting_invalid: FRAMEWORK'],
    [{ PORT: '70000' }, 'ledger.setting_invalid: PORT'],
    [{ PUBLIC_URL: 'ledger' }, 'ledger.setting_invalid: PUBLIC_URL'],
    [{ TRUST_PROXY: '10.0.0.0/99' }, 'core.proxy_list_invalid'],
    [{ LIMITS: 'none' }, 'ledger.setting_invalid: LIMITS'],
    [{ DATABASE_URL: 'mysql://u:hidden@localhost/ledger' }, 'ledger.setting_invalid: DATABASE_URL'],
    [{ DATABASE_URL: 'postgres://u:hidden@127.0.0.1:1/ledger' }, 'store_sql.unavailable'],
    [{ REDIS_URL: 'redis://localhost:6379,hidden' }, 'ledger.setting_invalid: REDIS_URL'],
    [{ REDIS_URL: 'redis://u:hidden@127.0.0.1:1' }, 'store_redis.'],
    [{ TLS: '1' }, 'ledger.setting_unsupported: TLS'],
  ])('is refused with a reason: %j', async (settings, reason) => {
    const { code, stderr } = await failToStart(settings)
    expect(code).toBe(1)
    expect(stderr).toContain(reason)
    expect(stderr).not.toContain('hidden')
  })

  it('is refused in production on a store that was ever seeded', async () => {
    const dir = await dataDir()
    await (await startLedger({ DATA_DIR: dir.path })).end('SIGTERM')
    const { code, stderr } = await failToStart({ NODE_ENV: 'production', DATA_DIR: dir.path })
    await dir.remove()
    expect([code, stderr]).toEqual([1, expect.stringContaining('ledger.seed_in_production')])
  })
})

async function clientToken(url: string, fields: Record<string, string>) {
  const response = await fetch(`${url}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa('ledger-partner:partner-secret-for-the-demo-only')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', ...fields }),
  })
  return { status: response.status, body: (await response.json()) as { access_token: string; error?: string } }
}
