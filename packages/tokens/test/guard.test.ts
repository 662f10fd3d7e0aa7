import { type Decision, type Principal, principalOf, type RequestView } from '@portcullis/core'
import { describe, expect, it, vi } from 'vitest'
import {
  type BearerFacts,
  type BearerOptions,
  bearer,
  type Claims,
  createKeySet,
  createTokenIssuer,
  createVerifier,
  importSigner,
  importVerificationKey,
  rejectedEvent,
  type VerifyResult,
} from '../src/index.ts'
import { manualClock, now, request, testKey } from './support.ts'

const issuer = 'https://issuer.example'
const audience = 'https://api.example'
const metadata = 'https://api.example/.well-known/oauth-protected-resource'

const { publicJwk, privateJwk } = await testKey()
const signer = await importSigner(privateJwk)
const clock = manualClock()
const tokens = createTokenIssuer({ issuer, signer: () => signer, clock })
const keys = createKeySet([await importVerificationKey(publicJwk)])
const verifier = createVerifier({ issuer, audience, keys, clock })

const person = { subject: 'user-1', audience, clientId: 'web', scopes: ['a', 'b'], tenant: 'acme', roles: ['owner'], acr: 'aal1' }
const { token } = await tokens.accessToken({ ...person, amr: ['pwd'], authTime: 100 })

function ask(headers: RequestView['headers'], options: Partial<BearerOptions> = {}): Decision<BearerFacts> {
  return now(bearer({ verifier, ...options })(request(headers)))
}

function answer(decision: Decision): { status: number; challenge: string | undefined; code: string | undefined; body: string } {
  if (decision.type !== 'reply') throw new TypeError('the guard let the request through')
  const { status, headers = [], body } = decision.reply
  const lines = headers.filter(([name]) => name === 'WWW-Authenticate')
  expect(lines.length).toBe(1)
  return { status, challenge: lines[0]?.[1], code: decision.cause?.code, body: String(body) }
}

function passing(claims: Partial<Claims>): Pick<BearerOptions, 'verifier'> {
  const all = { iss: issuer, aud: audience, exp: 1, ...claims } as Claims
  return { verifier: { verify: (): VerifyResult => ({ ok: true, claims: all, header: { alg: 'ES256' } }) } }
}

function principalFrom(claims: Partial<Claims>): Principal | undefined {
  const decision = ask({ authorization: 'Bearer x' }, passing(claims))
  return decision.type === 'continue' ? decision.principal : undefined
}

describe('a request with a good token', () => {
  it('goes on, synchronously, with who it is from and the claims', () => {
    const decision = ask({ authorization: `Bearer ${token}` }, { realm: 'api', resourceMetadata: metadata })
    expect(decision).toMatchObject({ type: 'continue', facts: { claims: { sub: 'user-1' } } })
    expect(decision.type === 'continue' && decision.principal).toEqual({
      subject: 'user-1',
      kind: 'user',
      tenant: 'acme',
      roles: ['owner'],
      scopes: ['a', 'b'],
      clientId: 'web',
      amr: ['pwd'],
      acr: 'aal1',
      authTime: 100,
      challenge: { scheme: 'Bearer', params: { realm: 'api', resource_metadata: metadata } },
    })
  })

  it.each(['bearer', 'BEARER', 'bEaReR', 'Bearer  '])('may spell the scheme %j (RFC 9110 §11.1)', (scheme) => {
    expect(ask({ authorization: `${scheme} ${token}` }).type).toBe('continue')
  })

  it('waits where the verifier or the principal has to', async () => {
    const later = bearer({
      verifier: { verify: async (text) => verifier.verify(text) },
      principal: async () => ({ subject: 'x', kind: 'user', roles: [] }),
    })
    const decision = await later(request({ authorization: `Bearer ${token}` }))
    expect(decision.type === 'continue' && decision.principal?.subject).toBe('x')
    const refused = await later(request({ authorization: `Bearer ${token}x` }))
    expect(answer(refused).status).toBe(401)
  })

  it('says nothing of its own about the principal: the decision does', () => {
    const req = request({ authorization: `Bearer ${token}` })
    bearer({ verifier })(req)
    expect(principalOf(req)).toBeUndefined()
  })
})

describe('a request without a token', () => {
  it.each([
    {},
    { authorization: 'Basic dTpw' },
    { authorization: 'DPoP abc' },
    { authorization: '' },
    { authorization: 'Bearerx y' },
  ])('%j is challenged without a word about an error (RFC 6750 §3.1), and is no event', (headers) => {
    const heard = vi.fn()
    const stop = rejectedEvent.subscribe(heard)
    expect(answer(ask(headers))).toMatchObject({ status: 401, challenge: 'Bearer', code: 'tokens.credentials_missing' })
    stop()
    expect(heard).not.toHaveBeenCalled()
  })

  it('is told where to get one (RFC 9728 §5.1)', () => {
    expect(answer(ask({}, { resourceMetadata: metadata, realm: 'api' })).challenge).toBe(
      `Bearer realm="api", resource_metadata="${metadata}"`,
    )
  })

  it('a token in the query is not looked at', () => {
    const decision = now(bearer({ verifier })(request({}, `/?access_token=${token}`)))
    expect(answer(decision)).toMatchObject({ status: 401, challenge: 'Bearer' })
  })
})

describe('a request with a malformed header', () => {
  it.each([
    ['two headers', [`Bearer ${token}`, `Bearer ${token}`]],
    ['one header, as a list', [`Bearer ${token}`]],
    ['two tokens in one header', `Bearer ${token}, Bearer ${token}`],
    ['two tokens side by side', `Bearer ${token} ${token}`],
    ['nothing after the scheme', 'Bearer'],
    ['white space after the scheme', 'Bearer   '],
    ['a tab', `Bearer\t${token}`],
    ['white space at the end', `Bearer ${token} `],
    ['a quoted token', `Bearer "${token}"`],
  ])('%s: 400 invalid_request, or no bearer credentials at all', (name, authorization) => {
    const { status, challenge, body } = answer(ask({ authorization }))
    expect(name === 'a tab' ? [401, 'Bearer'] : [400, true]).toEqual([
      status,
      name === 'a tab' ? challenge : challenge?.startsWith('Bearer error="invalid_request"'),
    ])
    expect(body + challenge).not.toContain(token)
  })
})

describe('a token that is refused', () => {
  it('gets the same words whatever was wrong; the reason is for the log alone', async () => {
    const bad = {
      'tokens.malformed': 'x',
      'tokens.signature_invalid': `${token.slice(0, token.lastIndexOf('.'))}.${Buffer.alloc(64).toString('base64url')}`,
      'tokens.audience_mismatch': (await tokens.accessToken({ ...person, audience: 'https://other.example' })).token,
      'tokens.expired': (await createTokenIssuer({ issuer, signer: () => signer, clock: manualClock(0) }).accessToken(person))
        .token,
      'tokens.type_mismatch': (await tokens.sign({ typ: 'JWT', claims: { sub: 'user-1', aud: audience } })).token,
    }
    const answers = Object.entries(bad).map(([code, text]) => {
      const given = answer(ask({ authorization: `Bearer ${text}` }))
      expect(given.code).toBe(code)
      return { ...given, code: undefined }
    })
    expect(new Set(answers.map((one) => JSON.stringify(one))).size).toBe(1)
    expect(answers[0]).toMatchObject({
      status: 401,
      challenge: 'Bearer error="invalid_token", error_description="The access token is expired, revoked or not valid here"',
    })
  })

  it("is an event with the reason's code, and never with the token", () => {
    const heard: unknown[] = []
    const stop = rejectedEvent.subscribe((event) => heard.push(event))
    ask({ authorization: `Bearer ${token}x` })
    ask({ authorization: `Bearer ${token} ${token}` })
    stop()
    expect(heard).toMatchObject([
      { type: 'tokens.rejected', ip: '192.0.2.1', data: { code: 'tokens.malformed' } },
      { type: 'tokens.rejected', data: { code: 'tokens.credentials_malformed' } },
    ])
    expect(JSON.stringify(heard)).not.toContain(token.slice(0, 20))
  })

  it('because it is bound to a key, and a bearer token proves nothing (RFC 9449 §7.2, RFC 8705 §3)', () => {
    for (const cnf of [{ jkt: 'x' }, { 'x5t#S256': 'x' }, null]) {
      expect(answer(ask({ authorization: 'Bearer x' }, passing({ sub: 'u', cnf })))).toMatchObject({
        status: 401,
        code: 'tokens.proof_missing',
      })
    }
  })

  it('because nobody is behind it', async () => {
    const authorization = `Bearer ${token}`
    expect(answer(ask({ authorization }, { principal: () => undefined })).code).toBe('tokens.principal_unknown')
    const later = await bearer({ verifier, principal: async () => undefined })(request({ authorization }))
    expect(answer(later)).toMatchObject({ status: 401, code: 'tokens.principal_unknown' })
    expect(principalFrom({})).toBeUndefined()
  })

  it("breakage is no refusal: when the keys can't be had, the error goes on to the adapter", async () => {
    const broken = bearer({ verifier: { verify: () => Promise.reject(new TypeError('down')) } })
    await expect(broken(request({ authorization: 'Bearer x' }))).rejects.toThrow('down')
  })
})

describe('the principal that claims describe', () => {
  it('is a client where it is its own subject', () => {
    expect(principalFrom({ sub: 'job', client_id: 'job' })?.kind).toBe('client')
    expect(principalFrom({ sub: 'user-1', client_id: 'web' })?.kind).toBe('user')
    expect(principalFrom({ sub: 'user-1' })?.kind).toBe('user')
  })

  it.each([
    [{ scope: undefined }, { scopes: [] }],
    [{ scope: ['a'] }, { scopes: [] }],
    [{ scope: ' a  b ' }, { scopes: ['a', 'b'] }],
    [{ roles: 'owner' }, { roles: [] }],
    [{ roles: ['owner', 1] }, { roles: [] }],
    [{ tenant: { toString: 1 } }, {}],
    [{ amr: 'pwd', acr: 2, auth_time: '1' }, {}],
  ])('takes a claim of the wrong type for less, never for more: %j', (claims, expected) => {
    expect(principalFrom({ sub: 'u', ...claims } as Partial<Claims>)).toEqual({
      subject: 'u',
      kind: 'user',
      roles: [],
      scopes: [],
      challenge: { scheme: 'Bearer', params: {} },
      ...expected,
    })
  })

  it('keeps a challenge that the caller chose', () => {
    const challenge = { scheme: 'Bearer', params: { realm: 'mine' } }
    const decision = ask(
      { authorization: `Bearer ${token}` },
      { principal: () => ({ subject: 'u', kind: 'user', roles: [], challenge }) },
    )
    expect(decision.type === 'continue' && decision.principal?.challenge).toBe(challenge)
  })
})

describe('options', () => {
  it('are checked when the guard is made', () => {
    expect(() => bearer({ verifier: undefined as never })).toThrow(expect.objectContaining({ code: 'tokens.options_invalid' }))
    expect(() => bearer({ verifier, realm: 'a"b' })).toThrow(expect.objectContaining({ code: 'core.header_invalid' }))
  })
})
