import { request as httpRequest } from 'node:http'
import { authenticated, createMemoryStore } from '@portcullis/core'
import { defineAccess } from '@portcullis/rbac'
import * as oauth from 'oauth4webapi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  bearer,
  createDpopNonces,
  createDpopProver,
  createDpopVerifier,
  createKeySet,
  createTokenIssuer,
  createVerifier,
  type DpopNonces,
  importSigner,
  importVerificationKey,
  type TokenIssuer,
} from '../src/index.ts'
import { ath, type ProofMaker, proofMaker } from './proofs.ts'
import { type Served, serve } from './serve.ts'
import { manualClock, START, testKey, testSealer } from './support.ts'

const issuer = 'https://issuer.example'
const audience = 'https://api.example'
const { publicJwk, privateJwk } = await testKey()
const signer = await importSigner(privateJwk)
const tokens: TokenIssuer = createTokenIssuer({ issuer, signer: () => signer })
const verifier = createVerifier({ issuer, audience, keys: createKeySet([await importVerificationKey(publicJwk)]) })
const access = defineAccess({
  resources: { invoice: ['read', 'create', 'refund'] },
  roles: { owner: { allow: ['*'] }, viewer: { allow: ['invoice:read'] } },
})

const person = { subject: 'user-1', audience, clientId: 'web', roles: ['owner'], scopes: ['invoice:read'] }

async function boundTo(jkt: string, more: Partial<Parameters<TokenIssuer['accessToken']>[0]> = {}): Promise<string> {
  return (await tokens.accessToken({ ...person, ...more, confirmation: { jkt } })).token
}

function api(nonces?: DpopNonces): Promise<Served> {
  return serve((origin) => ({
    guards: [bearer({ verifier, dpop: createDpopVerifier({ store: createMemoryStore(), origin, nonces }), realm: 'ledger' })],
    policies: {
      '/me': authenticated(),
      '/refunds': access.permit(['invoice:read', 'invoice:create', 'invoice:refund']),
      '/payouts': access.permit('invoice:read', { stepUp: { acr: ['aal2'], maxAge: 300 } }),
    },
  }))
}

interface Answer {
  readonly status: number
  readonly challenges: readonly string[]
  readonly nonce: string | undefined
}

/** A request with every header line as given: `fetch` would tidy them up. */
function send(served: Served, lines: readonly [string, string][], path = '/me', method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const host: [string, string][] = lines.some(([name]) => name === 'Host') ? [] : [['Host', 'api.example']]
    const headers = [...host, ...lines].flat()
    const outgoing = httpRequest({ host: '127.0.0.1', port: served.port, path, method, headers, agent: false }, (res) => {
      const raw = res.rawHeaders
      const challenges = raw.filter((_, at) => at % 2 === 1 && raw[at - 1]?.toLowerCase() === 'www-authenticate')
      res.resume().on('end', () => {
        resolve({ status: res.statusCode ?? 0, challenges, nonce: res.headers['dpop-nonce'] as string | undefined })
      })
    })
    outgoing.on('error', reject).end()
  })
}

describe('a client that somebody else wrote (oauth4webapi)', () => {
  const options = { [oauth.allowInsecureRequests]: true }
  let open: Served
  let guarded: Served
  beforeAll(async () => {
    ;[open, guarded] = await Promise.all([api(), api(createDpopNonces({ sealer: testSealer() }))])
  })
  afterAll(() => Promise.all([open.close(), guarded.close()]))

  it.each(['ES256', 'PS256', 'Ed25519'])('%s: is let in, request after request', async (alg) => {
    const pair = await oauth.generateKeyPair(alg, { extractable: true })
    const DPoP = oauth.DPoP(
      {},
      pair,
      alg === 'Ed25519' ? { [oauth.modifyAssertion]: (header) => Object.assign(header, { alg: 'EdDSA' }) } : {},
    )
    const token = await boundTo(await DPoP.calculateThumbprint())
    for (const query of ['', '?page=2']) {
      const url = new URL(`${open.origin}/me${query}`)
      const response = await oauth.protectedResourceRequest(token, 'GET', url, undefined, null, { ...options, DPoP })
      expect(response.status).toBe(200)
      expect(response.headers.get('dpop-nonce')).toBeNull()
    }
  })

  it('is told the nonce, tries again, and then goes on with it', async () => {
    const DPoP = oauth.DPoP({}, await oauth.generateKeyPair('ES256'))
    const token = await boundTo(await DPoP.calculateThumbprint())
    const ask = (): Promise<Response> =>
      oauth.protectedResourceRequest(token, 'GET', new URL(`${guarded.origin}/me`), undefined, null, { ...options, DPoP })
    const first = await ask().catch((error: unknown) => error)
    expect(oauth.isDPoPNonceError(first)).toBe(true)
    expect((await ask()).status).toBe(200)
    expect((await ask()).status).toBe(200)
  })

  it('is refused with the key of another client', async () => {
    const [mine, theirs] = await Promise.all([oauth.generateKeyPair('ES256'), oauth.generateKeyPair('ES256')])
    const token = await boundTo(await oauth.DPoP({}, theirs).calculateThumbprint())
    const DPoP = oauth.DPoP({}, mine)
    const refused = await oauth
      .protectedResourceRequest(token, 'GET', new URL(`${open.origin}/me`), undefined, null, { ...options, DPoP })
      .catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(oauth.WWWAuthenticateChallengeError)
    expect((refused as oauth.WWWAuthenticateChallengeError).cause).toMatchObject([
      { scheme: 'dpop', parameters: { error: 'invalid_dpop_proof', realm: 'ledger', algs: 'ES256 EdDSA PS256' } },
    ])
  })
})

describe('our proofs, for somebody else (oauth4webapi)', () => {
  const as: oauth.AuthorizationServer = { issuer, jwks_uri: 'https://issuer.example/jwks' }
  const jwks = { [oauth.customFetch]: async () => Response.json({ keys: [publicJwk] }) }

  it.each(['ES256', 'EdDSA', 'PS256'] as const)('%s: are accepted', async (alg) => {
    const key = (await proofMaker(alg)).privateJwk
    const prover = await createDpopProver({ privateJwk: { ...key, alg } })
    const token = await boundTo(prover.jkt)
    const url = 'https://api.example/invoices?page=2'
    const dpop = await prover.proof({ method: 'GET', url, accessToken: token })
    const request = new Request(url, { headers: { authorization: `DPoP ${token}`, dpop } })
    const claims = await oauth.validateJwtAccessToken(as, request, audience, { ...jwks, requireDPoP: true })
    expect(claims.cnf).toEqual({ jkt: prover.jkt })
  })

  it('are accepted by our own server, with nonces, as the example in the documentation has it', async () => {
    const served = await api(createDpopNonces({ sealer: testSealer() }))
    const prover = await createDpopProver({ privateJwk: (await proofMaker()).privateJwk })
    const accessToken = await boundTo(prover.jkt)
    const url = `${served.origin}/me?x=1`
    const statuses: number[] = []
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const dpop = await prover.proof({ method: 'GET', url, accessToken })
      const response = await fetch(url, { headers: { authorization: `DPoP ${accessToken}`, dpop } })
      const again = prover.remember(url, response.headers.get('dpop-nonce'))
      statuses.push(response.status)
      expect(again).toBe(attempt === 0)
    }
    expect(statuses).toEqual([401, 200, 200])
    await served.close()
  })
})

describe('over HTTP', () => {
  let served: Served
  let client: ProofMaker
  let token: string
  const algs = 'algs="ES256 EdDSA PS256"'
  beforeAll(async () => {
    ;[served, client] = await Promise.all([api(), proofMaker()])
    token = await boundTo(client.jkt)
  })
  afterAll(() => served.close())

  const proof = (over: Record<string, unknown> = {}, accessToken = token): string =>
    client.proof({ htm: 'GET', htu: `${served.origin}/me`, iat: Date.now() / 1000, ath: ath(accessToken), ...over })

  it('a good proof is let in', async () => {
    expect(
      await send(served, [
        ['Authorization', `DPoP ${token}`],
        ['DPoP', proof()],
      ]),
    ).toMatchObject({ status: 200 })
  })

  it.each(['Host', 'X-Forwarded-Host', 'X-Forwarded-Proto', 'Forwarded', 'X-Original-URL'])(
    'a lying %s does not choose what htu is held against (express-oauth2-jwt-bearer 1.9.1)',
    async (name) => {
      const lies: Record<string, string> = { 'X-Forwarded-Proto': 'https', Forwarded: 'host=evil.example;proto=https' }
      const lie = lies[name] ?? 'evil.example'
      const credentials = ['Authorization', `DPoP ${token}`] as [string, string]
      for (const htu of ['http://evil.example/me', 'https://evil.example/me', served.origin.replace('http:', 'https:')]) {
        expect(await send(served, [credentials, ['DPoP', proof({ htu })], [name, lie]])).toMatchObject({ status: 401 })
      }
      expect(await send(served, [credentials, ['DPoP', proof()], [name, lie]])).toMatchObject({ status: 200 })
    },
  )

  it('an absolute-form target does not choose it either', async () => {
    const credentials = ['Authorization', `DPoP ${token}`] as [string, string]
    const lie = proof({ htu: 'http://evil.example/me' })
    expect((await send(served, [credentials, ['DPoP', lie]], 'http://evil.example/me')).status).toBe(401)
    expect((await send(served, [credentials, ['DPoP', proof()]], 'http://evil.example/me')).status).toBe(200)
  })

  it('without credentials, each scheme has a line of its own, and no error', async () => {
    expect(await send(served, [])).toMatchObject({
      status: 401,
      challenges: ['Bearer realm="ledger"', `DPoP realm="ledger", ${algs}`],
    })
  })

  it.each([
    ['two DPoP headers', (lines: readonly [string, string][]): readonly [string, string][] => [...lines, ['DPoP', proof()]]],
    [
      'a DPoP header with two proofs',
      ([first]: readonly [string, string][]): readonly [string, string][] => [first!, ['DPoP', `${proof()}, ${proof()}`]],
    ],
    ['no DPoP header', ([first]: readonly [string, string][]): readonly [string, string][] => [first!]],
  ])('%s: 401 invalid_dpop_proof', async (_, change) => {
    const answer = await send(
      served,
      change([
        ['Authorization', `DPoP ${token}`],
        ['DPoP', proof()],
      ]),
    )
    expect(answer.status).toBe(401)
    expect(answer.challenges).toEqual([expect.stringMatching(/^DPoP .*error="invalid_dpop_proof"/)])
  })

  it('two Authorization headers are refused, of which Node would show the first alone: each scheme says why (RFC 9449 §7.2)', async () => {
    const plain = (await tokens.accessToken(person)).token
    for (const second of [`DPoP ${token}`, `Bearer ${plain}`, 'Basic dTpw']) {
      const answer = await send(served, [
        ['Authorization', `Bearer ${plain}`],
        ['Authorization', second],
        ['DPoP', proof()],
      ])
      expect(answer).toMatchObject({
        status: 400,
        challenges: [
          expect.stringMatching(/^Bearer .*error="invalid_request"/),
          expect.stringMatching(/^DPoP .*error="invalid_request"/),
        ],
      })
    }
  })

  it('a proof that was used is refused: 50 parallel requests with one proof, one is let in', async () => {
    const lines: [string, string][] = [
      ['Authorization', `DPoP ${token}`],
      ['DPoP', proof()],
    ]
    const answers = await Promise.all(Array.from({ length: 50 }, () => send(served, lines)))
    expect(answers.filter(({ status }) => status === 200).length).toBe(1)
  })

  it('a route with several permissions names every scope in one 403, in the scheme that was used (RFC 6750 §3.1)', async () => {
    const scope = 'scope="invoice:read invoice:create invoice:refund"'
    const refunds = proof({ htu: `${served.origin}/refunds` })
    expect(
      await send(
        served,
        [
          ['Authorization', `DPoP ${token}`],
          ['DPoP', refunds],
        ],
        '/refunds',
      ),
    ).toMatchObject({
      status: 403,
      challenges: [`DPoP realm="ledger", ${algs}, error="insufficient_scope", ${scope}`],
    })
    const plain = (await tokens.accessToken(person)).token
    expect(await send(served, [['Authorization', `Bearer ${plain}`]], '/refunds')).toMatchObject({
      status: 403,
      challenges: [`Bearer realm="ledger", error="insufficient_scope", ${scope}`],
    })
  })

  it('a role that lacks a permission is a 403 without a challenge: no token would help', async () => {
    const viewer = (await tokens.accessToken({ ...person, roles: ['viewer'] })).token
    expect(await send(served, [['Authorization', `Bearer ${viewer}`]], '/refunds')).toMatchObject({ status: 403, challenges: [] })
  })

  it('step-up is asked for in the scheme that was used (RFC 9470 §3): 401, acr_values, max_age', async () => {
    const payouts = { htu: `${served.origin}/payouts` }
    const step = 'error="insufficient_user_authentication", error_description="A different authentication level is required"'
    expect(
      await send(
        served,
        [
          ['Authorization', `DPoP ${token}`],
          ['DPoP', proof(payouts)],
        ],
        '/payouts',
      ),
    ).toMatchObject({
      status: 401,
      challenges: [`DPoP realm="ledger", ${algs}, ${step}, acr_values="aal2", max_age="300"`],
    })
    const strong = await boundTo(client.jkt, { acr: 'aal2', authTime: Math.floor(Date.now() / 1000) - 10 })
    const lines: [string, string][] = [
      ['Authorization', `DPoP ${strong}`],
      ['DPoP', proof(payouts, strong)],
    ]
    expect(await send(served, lines, '/payouts')).toMatchObject({ status: 200 })
  })
})

describe('createDpopProver', () => {
  const url = 'https://api.example.com:443/invoices?page=2#top'
  const parts = (proof: string): [Record<string, any>, Record<string, any>] => {
    const [header, claims] = proof.split('.').map((part) => JSON.parse(Buffer.from(part, 'base64url').toString() || '{}'))
    return [header, claims]
  }
  const decoded = (proof: string) => parts(proof.split('.').slice(0, 2).join('.'))

  it('writes what RFC 9449 §4.2 asks for, and no kid', async () => {
    const { privateJwk: key, publicJwk: shown, jkt } = await proofMaker()
    const prover = await createDpopProver({ privateJwk: { ...key, kid: 'k1' }, clock: manualClock() })
    const [header, claims] = decoded(await prover.proof({ method: 'POST', url, accessToken: 'at', nonce: 'n' }))
    expect(header).toEqual({ typ: 'dpop+jwt', alg: 'ES256', jwk: shown })
    expect(claims).toEqual({
      jti: expect.stringMatching(/^[\w-]{22}$/),
      htm: 'POST',
      htu: 'https://api.example.com/invoices',
      iat: START / 1000,
      ath: ath('at'),
      nonce: 'n',
    })
    expect(prover.jkt).toBe(jkt)
    const again = decoded(await prover.proof({ method: 'POST', url }))[1]
    expect(again).not.toHaveProperty('ath')
    expect(again).not.toHaveProperty('nonce')
    expect(again['jti']).not.toBe(claims['jti'])
  })

  it('keeps the last nonce of each origin, and of so many origins', async () => {
    const prover = await createDpopProver({ privateJwk: (await proofMaker()).privateJwk, maxOrigins: 2 })
    const nonceFor = async (at: string) => decoded(await prover.proof({ method: 'GET', url: at }))[1]['nonce']
    expect(prover.remember('https://a.example/x', 'n1')).toBe(true)
    expect(prover.remember('https://a.example/y', 'n1')).toBe(false)
    expect(prover.remember('https://a.example/y', 'n2')).toBe(true)
    expect(prover.remember('https://b.example/', 'm1')).toBe(true)
    expect([
      await nonceFor('https://a.example/z'),
      await nonceFor('https://b.example/'),
      await nonceFor('https://c.example/'),
    ]).toEqual(['n2', 'm1', undefined])
    expect(prover.remember('https://c.example/', 'o1')).toBe(true)
    expect(await nonceFor('https://a.example/')).toBeUndefined()
  })

  it.each([null, undefined, '', 'a b', 'a"b', 'a\\b', 'x'.repeat(513), 'ü'])('takes no %j for a nonce', async (nonce) => {
    const prover = await createDpopProver({ privateJwk: (await proofMaker()).privateJwk })
    expect(prover.remember('https://a.example/', nonce)).toBe(false)
    expect(decoded(await prover.proof({ method: 'GET', url: 'https://a.example/' }))[1]).not.toHaveProperty('nonce')
  })

  it('signs with a key that stays where it is', async () => {
    const { publicJwk: shown } = await testKey()
    const mine = await testKey()
    const remote = await importSigner(mine.privateJwk)
    const later = { ...remote, sign: async (data: Uint8Array) => remote.sign(data) }
    const prover = await createDpopProver({ signer: later, publicJwk: mine.publicJwk })
    const dpop = createDpopVerifier({ store: createMemoryStore(), origin: 'https://api.example.com' })
    const proof = await prover.proof({ method: 'GET', url })
    expect(await dpop.verify({ proof, method: 'GET', target: '/invoices' })).toEqual({ ok: true, jkt: prover.jkt })
    await expect(createDpopProver({ signer: later, publicJwk: shown })).rejects.toMatchObject({ code: 'tokens.key_malformed' })
  })

  it('refuses what makes no proof', async () => {
    const { privateJwk: key, publicJwk: half } = await proofMaker()
    await expect(createDpopProver({ privateJwk: half })).rejects.toMatchObject({ code: 'tokens.key_public' })
    await expect(createDpopProver({ privateJwk: { kty: 'oct', k: 'AA' } })).rejects.toMatchObject({
      code: 'tokens.key_symmetric',
    })
    await expect(createDpopProver({ privateJwk: key, maxOrigins: 0 })).rejects.toMatchObject({ code: 'tokens.options_invalid' })
    const prover = await createDpopProver({ privateJwk: key })
    for (const bad of [{ url: 'nowhere' }, { url: 'ftp://a.example/' }, { method: '' }, { accessToken: '' }]) {
      await expect(prover.proof({ method: 'GET', url, ...bad })).rejects.toMatchObject({ code: 'tokens.options_invalid' })
    }
  })
})
