import { type Decision, type Principal, principalOf, type RequestView } from '@portcullis/core'
import { describe, expect, it, vi } from 'vitest'
import {
  type BearerFacts,
  type BearerOptions,
  bearer,
  type Claims,
  type ClientCertificates,
  createKeySet,
  createTokenIssuer,
  createVerifier,
  type DpopReasonCode,
  type DpopResult,
  type DpopVerifier,
  importSigner,
  importVerificationKey,
  type PresentedProof,
  rejectedEvent,
  TokenError,
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

const thumbprint = 'A'.repeat(43)

/** A verifier of proofs that has seen a good one of this key. */
function proving(jkt: string): DpopVerifier {
  const verify: DpopVerifier['verify'] = async (presented) =>
    presented.jkt === jkt ? { ok: true, jkt } : refusal('tokens.proof_key_mismatch', 'invalid_dpop_proof')
  return { algorithms: ['ES256', 'EdDSA'], verify }
}

function refusal(code: DpopReasonCode, error: 'invalid_dpop_proof' | 'use_dpop_nonce'): Extract<DpopResult, { ok: false }> {
  return { ok: false, reason: { code, message: '' }, answer: { error, description: '' } }
}

function holding(certificate: string | undefined): ClientCertificates {
  return { thumbprint: () => certificate }
}

function linesOf(decision: Decision, name: string): readonly string[] {
  if (decision.type !== 'reply') throw new TypeError('the guard let the request through')
  return (decision.reply.headers ?? []).filter(([key]) => key === name).map(([, value]) => value)
}

function thrown(error: Error): never {
  throw error
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
    for (const cnf of [{ jkt: thumbprint }, { 'x5t#S256': thumbprint }]) {
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
})

describe('when nobody can tell whether a token is good', () => {
  const down = new TokenError('tokens.keys_unavailable', 'no answer', { status: 503 })
  const authorization = 'Bearer x'

  it.each<[string, BearerOptions['verifier']]>([
    ['throws', { verify: () => thrown(down) }],
    ['rejects', { verify: () => Promise.reject(down) }],
  ])('and the verifier %s that: 503 with Retry-After, and the error is the cause', async (_, broken) => {
    const decision = await bearer({ verifier: broken })(request({ authorization }))
    if (decision.type !== 'reply') throw new TypeError('it was let through')
    expect(decision.reply.status).toBe(503)
    expect(decision.reply.headers).toContainEqual(['Retry-After', '5'])
    expect(decision.reply.headers?.map(([name]) => name)).not.toContain('WWW-Authenticate')
    expect(String(decision.reply.body)).not.toContain('no answer')
    expect(decision.cause).toBe(down)
  })

  it('because proofs can not be recorded: 503 as well, whatever the verifier is', async () => {
    const dpop: DpopVerifier = {
      algorithms: ['ES256'],
      verify: () => Promise.reject(new TokenError('tokens.proofs_unavailable', 'down', { status: 503 })),
    }
    const { verifier: sync } = passing({ sub: 'u', cnf: { jkt: thumbprint } })
    for (const either of [sync, { verify: async (text: string) => sync.verify(text) }]) {
      const decision = await bearer({ verifier: either, dpop })(request({ authorization: 'DPoP x', dpop: 'y' }))
      expect(decision).toMatchObject({ type: 'reply', reply: { status: 503 }, cause: { code: 'tokens.proofs_unavailable' } })
    }
  })

  it.each([
    new TypeError('down'),
    new TokenError('tokens.options_invalid', 'a mistake'),
    Object.assign(new Error('another'), { status: 503 }),
  ])('no other error is swallowed: %s', async (error) => {
    expect(() => bearer({ verifier: { verify: () => thrown(error) } })(request({ authorization }))).toThrow(error)
    await expect(bearer({ verifier: { verify: () => Promise.reject(error) } })(request({ authorization }))).rejects.toThrow(error)
  })
})

describe('a token and the scheme it comes in (RFC 9449 §7)', () => {
  const other = Buffer.alloc(32, 1).toString('base64url')
  const both = { jkt: thumbprint, 'x5t#S256': thumbprint }

  /** What happens to a token with this `cnf` in this scheme, when the caller proves this key and shows this certificate. */
  async function meet(scheme: string, cnf: unknown, options: Partial<BearerOptions> = {}): Promise<[number, string | undefined]> {
    const claims = cnf === undefined ? { sub: 'u' } : { sub: 'u', cnf }
    const guard = bearer({ ...passing(claims), dpop: proving(thumbprint), certificates: holding(thumbprint), ...options })
    const decision = await guard(request({ authorization: `${scheme} x`, dpop: 'y' }))
    return decision.type === 'continue' ? [200, undefined] : [decision.reply.status, decision.cause?.code]
  }

  it.each<[string, string, unknown, number, string?]>([
    ['unbound', 'Bearer', undefined, 200],
    ['unbound', 'DPoP', undefined, 401, 'tokens.binding_missing'],
    ['for a key', 'DPoP', { jkt: thumbprint }, 200],
    ['for a key', 'dpop', { jkt: thumbprint }, 200],
    ['for a key, downgraded', 'Bearer', { jkt: thumbprint }, 401, 'tokens.proof_missing'],
    ['for another key', 'DPoP', { jkt: other }, 401, 'tokens.proof_key_mismatch'],
    ['for a certificate', 'Bearer', { 'x5t#S256': thumbprint }, 200],
    ['for a certificate', 'DPoP', { 'x5t#S256': thumbprint }, 401, 'tokens.binding_missing'],
    ['for another certificate', 'Bearer', { 'x5t#S256': other }, 401, 'tokens.certificate_mismatch'],
    ['for both', 'DPoP', both, 401, 'tokens.binding_unknown'],
    ['for both', 'Bearer', both, 401, 'tokens.binding_unknown'],
    ['for something unknown', 'Bearer', { jwk: {} }, 401, 'tokens.binding_unknown'],
    ['for something unknown', 'DPoP', { jwk: {} }, 401, 'tokens.binding_unknown'],
    ['for a key and something unknown', 'DPoP', { jkt: thumbprint, kid: 'x' }, 401, 'tokens.binding_unknown'],
    ['with an empty cnf', 'Bearer', {}, 401, 'tokens.binding_unknown'],
    ['with cnf null', 'Bearer', null, 401, 'tokens.binding_unknown'],
    ['with cnf null', 'DPoP', null, 401, 'tokens.binding_unknown'],
    ['with cnf text', 'Bearer', thumbprint, 401, 'tokens.binding_unknown'],
    ['with a jkt that is no thumbprint', 'DPoP', { jkt: 'x' }, 401, 'tokens.binding_unknown'],
    ['with a jkt that is a list', 'DPoP', { jkt: [thumbprint] }, 401, 'tokens.binding_unknown'],
  ])('%s under %s', async (_, scheme, cnf, status, code) => {
    expect(await meet(scheme, cnf)).toEqual([status, code])
  })

  it.each<[string, unknown, number, string?]>([
    ['Bearer', undefined, 401, 'tokens.binding_missing'],
    ['Bearer', { 'x5t#S256': thumbprint }, 200],
    ['DPoP', { jkt: thumbprint }, 200],
    ['DPoP', undefined, 401, 'tokens.binding_missing'],
  ])('with requireProof, %s and cnf %j', async (scheme, cnf, status, code) => {
    expect(await meet(scheme, cnf, { requireProof: true })).toEqual([status, code])
  })

  it('without dpop, the scheme DPoP is none of ours; without certificates, nothing stands for one', async () => {
    const { verifier: any } = passing({ sub: 'u', cnf: { jkt: thumbprint } })
    expect(answer(await bearer({ verifier: any })(request({ authorization: 'DPoP x', dpop: 'y' })))).toMatchObject({
      status: 401,
      challenge: 'Bearer',
      code: 'tokens.credentials_missing',
    })
    const bound = passing({ sub: 'u', cnf: { 'x5t#S256': thumbprint } })
    expect(answer(ask({ authorization: 'Bearer x' }, bound)).code).toBe('tokens.proof_missing')
  })

  it('the proof is held against the request, the token and its key: what a guard gives its verifier', async () => {
    const seen: PresentedProof[] = []
    const dpop: DpopVerifier = {
      algorithms: ['ES256'],
      verify: async (presented) => {
        seen.push(presented)
        return { ok: true, jkt: thumbprint }
      },
    }
    const guard = bearer({ ...passing({ sub: 'u', cnf: { jkt: thumbprint } }), dpop })
    await guard(request({ authorization: 'DPoP x.y.z', dpop: 'proof', host: 'evil.example' }, '/a?b'))
    expect(seen).toEqual([{ proof: 'proof', method: 'GET', target: '/a?b', accessToken: 'x.y.z', jkt: thumbprint }])
  })

  it('facts tell what was proven, and the principal is asked for more in the scheme that was used', async () => {
    const guard = bearer({ ...passing({ sub: 'u', cnf: { jkt: thumbprint } }), dpop: proving(thumbprint), realm: 'api' })
    expect(await guard(request({ authorization: 'DPoP x', dpop: 'y' }))).toMatchObject({
      type: 'continue',
      facts: { claims: { sub: 'u' }, confirmation: { jkt: thumbprint } },
      principal: { subject: 'u', challenge: { scheme: 'DPoP', params: { realm: 'api', algs: 'ES256 EdDSA' } } },
    })
    const bound = passing({ sub: 'u', cnf: { 'x5t#S256': thumbprint } })
    expect(ask({ authorization: 'Bearer x' }, { ...bound, certificates: holding(thumbprint) })).toMatchObject({
      facts: { confirmation: { 'x5t#S256': thumbprint } },
      principal: { challenge: { scheme: 'Bearer' } },
    })
    expect(ask({ authorization: 'Bearer x' }, passing({ sub: 'u' }))).not.toHaveProperty('facts.confirmation')
  })

  it('a plain bearer token stays synchronous beside dpop and certificates', () => {
    const options = { dpop: proving(thumbprint), certificates: holding(undefined) }
    expect(ask({ authorization: `Bearer ${token}` }, options).type).toBe('continue')
  })

  it('a nonce goes out with an answer that is not cached, good or bad; the first request of a client is no event', async () => {
    const heard = vi.fn()
    const stop = rejectedEvent.subscribe(heard)
    const results = [
      { ok: true, jkt: thumbprint, nonce: 'n1' },
      { ...refusal('tokens.proof_nonce_missing', 'use_dpop_nonce'), nonce: 'n2' },
      { ...refusal('tokens.proof_nonce_invalid', 'use_dpop_nonce'), nonce: 'n3' },
      refusal('tokens.proof_replayed', 'invalid_dpop_proof'),
    ] as DpopResult[]
    const dpop: DpopVerifier = { algorithms: ['ES256'], verify: async () => results.shift()! }
    const guard = bearer({ ...passing({ sub: 'u', cnf: { jkt: thumbprint } }), dpop })
    const [good, missing, invalid, replayed] = [await tryOnce(), await tryOnce(), await tryOnce(), await tryOnce()]
    stop()
    expect(good).toMatchObject({
      type: 'continue',
      headers: [
        ['DPoP-Nonce', 'n1'],
        ['Cache-Control', 'no-store'],
      ],
    })
    expect(linesOf(missing, 'DPoP-Nonce')).toEqual(['n2'])
    expect(linesOf(missing, 'WWW-Authenticate')).toEqual([expect.stringMatching(/^DPoP .*error="use_dpop_nonce"/)])
    expect(linesOf(invalid, 'DPoP-Nonce')).toEqual(['n3'])
    expect(linesOf(replayed, 'DPoP-Nonce')).toEqual([])
    expect(heard.mock.calls.map(([event]) => event.data.code)).toEqual(['tokens.proof_nonce_invalid', 'tokens.proof_replayed'])

    async function tryOnce(): Promise<Decision> {
      return guard(request({ authorization: 'DPoP x', dpop: 'y' }))
    }
  })
})

describe('challenges, where more than one scheme would do (RFC 9449 §7.2)', () => {
  const dpop = proving(thumbprint)
  const algs = 'algs="ES256 EdDSA"'
  const invalid = 'error="invalid_token", error_description="The access token is expired, revoked or not valid here"'

  it.each<[string, RequestView['headers'], Partial<BearerOptions>, string[]]>([
    ['no credentials: both, and no error (figure 17)', {}, {}, ['Bearer', `DPoP ${algs}`]],
    ['other credentials: both, and no error', { authorization: 'Basic dTpw' }, {}, ['Bearer', `DPoP ${algs}`]],
    [
      'a bad bearer token: the error in Bearer (figure 18)',
      { authorization: 'Bearer x' },
      {},
      [`Bearer ${invalid}`, `DPoP ${algs}`],
    ],
    [
      'a bad token under DPoP: the error there, and nothing weaker (figure 16)',
      { authorization: 'DPoP x' },
      {},
      [`DPoP ${algs}, ${invalid}`],
    ],
    ['where only DPoP would do', {}, { requireProof: true }, [`DPoP ${algs}`]],
    [
      'where DPoP or a certificate would do',
      {},
      { requireProof: true, certificates: holding(undefined) },
      ['Bearer', `DPoP ${algs}`],
    ],
    [
      'the metadata and the realm, in each',
      {},
      { realm: 'api', resourceMetadata: metadata },
      [`Bearer realm="api", resource_metadata="${metadata}"`, `DPoP realm="api", resource_metadata="${metadata}", ${algs}`],
    ],
  ])('%s', (_, headers, options, lines) => {
    const decision = ask(headers, { dpop, ...options })
    expect(linesOf(decision, 'WWW-Authenticate')).toEqual(lines)
    expect(decision).toMatchObject({ reply: { status: 401 } })
  })

  it.each([
    ['nothing after the scheme', 'DPoP'],
    ['two tokens', `DPoP ${token} ${token}`],
    ['a proof after the token', `DPoP ${token}, y`],
  ])('%s: 400 invalid_request, in the scheme that was used', (_, authorization) => {
    const decision = ask({ authorization }, { dpop })
    expect(decision).toMatchObject({ reply: { status: 400 } })
    expect(linesOf(decision, 'WWW-Authenticate')).toEqual([
      expect.stringMatching(/^DPoP algs="ES256 EdDSA", error="invalid_request"/),
    ])
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
    for (const bad of [{ dpop: {} as never }, { certificates: {} as never }, { dpop: null as never }, { requireProof: true }]) {
      expect(() => bearer({ verifier, ...bad })).toThrow(expect.objectContaining({ code: 'tokens.options_invalid' }))
    }
  })
})
