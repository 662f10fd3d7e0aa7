import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { exportJWK } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  createKeySet,
  createTokenIssuer,
  createVerifier,
  importSigner,
  importVerificationKey,
  type KeySource,
  type VerifierOptions,
} from '../src/index.ts'
import { claimsOf, codeOf, es256, forge, manualClock, now, START, testKey } from './support.ts'

const issuer = 'https://issuer.example'
const audience = 'https://api.example'
const seconds = START / 1000
const claims = { iss: issuer, aud: audience, sub: 'user-1', client_id: 'web', iat: seconds, exp: seconds + 300, jti: 'j1' }

let privateKey: KeyObject
let keys: KeySource

beforeAll(async () => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  privateKey = pair.privateKey
  keys = createKeySet([await importVerificationKey({ ...(await exportJWK(pair.publicKey)), kid: 'k1' })])
})

function token(change: object = {}, typ: string | undefined = 'at+jwt'): string {
  return forge({ alg: 'ES256', typ, kid: 'k1' }, { ...claims, ...change }, es256(privateKey))
}

function verdict(text: string, options: Partial<VerifierOptions> = {}, at = 0): string {
  const clock = manualClock(START + at * 1000)
  return codeOf(now(createVerifier({ issuer, audience, keys, clock, ...options }).verify(text)))
}

describe('issuer and audience', () => {
  it.each([
    [{ iss: 'https://issuer.example/' }, 'tokens.issuer_mismatch'],
    [{ iss: 'https://ISSUER.example' }, 'tokens.issuer_mismatch'],
    [{ iss: undefined }, 'tokens.issuer_mismatch'],
    [{ iss: [issuer] }, 'tokens.issuer_mismatch'],
    [{ aud: 'https://api.example.evil' }, 'tokens.audience_mismatch'],
    [{ aud: undefined }, 'tokens.audience_mismatch'],
    [{ aud: [] }, 'tokens.audience_mismatch'],
    [{ aud: ['https://other.example'] }, 'tokens.audience_mismatch'],
    [{ aud: [audience, 1] }, 'tokens.audience_mismatch'],
    [{ aud: { 0: audience } }, 'tokens.audience_mismatch'],
    [{ aud: ['https://other.example', audience] }, 'accepted'],
  ])('%j is %s (v5.0.0-9.2.3)', (change, code) => {
    expect(verdict(token(change))).toBe(code)
  })

  it('accepts one of several audiences', () => {
    const several = { audience: ['https://a.example', audience] }
    expect(verdict(token(), several)).toBe('accepted')
    expect(verdict(token({ aud: 'https://b.example' }), several)).toBe('tokens.audience_mismatch')
  })

  it('takes no pattern for an audience (fast-jwt CVE-2026-35041)', () => {
    expect(() => createVerifier({ issuer, audience: /(a+)+$/ as never, keys })).toThrow('audience')
    expect(() => createVerifier({ issuer, audience: [], keys })).toThrow('audience')
    expect(() => createVerifier({ issuer, audience: [''], keys })).toThrow('audience')
    expect(() => createVerifier({ issuer: '', audience, keys })).toThrow('issuer')
    expect(() => createVerifier({ issuer: undefined as never, audience, keys })).toThrow('issuer')
  })

  it('a second verifier on the same keys checks by its own rules (lua-resty-openidc 1.9.0: a cache of verified tokens)', () => {
    const text = token()
    expect(verdict(text)).toBe('accepted')
    expect(verdict(text, { audience: 'https://other.example' })).toBe('tokens.audience_mismatch')
    expect(verdict(text, { issuer: 'https://other.example' })).toBe('tokens.issuer_mismatch')
    expect(verdict(text, { requiredClaims: ['tenant'] })).toBe('tokens.claim_missing')
  })
})

describe('time (v5.0.0-9.2.1)', () => {
  it.each([
    ['a second before exp', {}, 299, 0, 'accepted'],
    ['at exp', {}, 300, 0, 'tokens.expired'],
    ['after exp, within the tolerance', {}, 304, 5, 'accepted'],
    ['after exp, at the end of the tolerance', {}, 305, 5, 'tokens.expired'],
    ['before nbf', { nbf: seconds + 10 }, 9, 0, 'tokens.not_active'],
    ['at nbf', { nbf: seconds + 10 }, 10, 0, 'accepted'],
    ['before nbf, within the tolerance', { nbf: seconds + 10 }, 5, 5, 'accepted'],
    ['iat in the future', { iat: seconds + 10 }, 4, 5, 'tokens.issued_in_future'],
    ['iat in the future, within the tolerance', { iat: seconds + 10 }, 5, 5, 'accepted'],
  ])('%s', (_, change, at, clockTolerance, code) => {
    expect(verdict(token(change), { clockTolerance }, at)).toBe(code)
  })

  it('allows 5 seconds when nothing is said', () => {
    expect(verdict(token(), {}, 304)).toBe('accepted')
    expect(verdict(token(), {}, 305)).toBe('tokens.expired')
  })

  it.each([
    [{ exp: undefined }, 'tokens.claim_missing'],
    [{ exp: null }, 'tokens.claims_malformed'],
    [{ exp: String(seconds + 300) }, 'tokens.claims_malformed'],
    [{ exp: -1 }, 'tokens.claims_malformed'],
    [{ exp: 1e300 }, 'tokens.claims_malformed'],
    [{ exp: true }, 'tokens.claims_malformed'],
    [{ iat: '0' }, 'tokens.claims_malformed'],
    [{ nbf: [] }, 'tokens.claims_malformed'],
    [{ nbf: null }, 'tokens.claims_malformed'],
  ])('%j is %s', (change, code) => {
    expect(verdict(token(change))).toBe(code)
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -1, 301])('a tolerance of %d is a mistake', (clockTolerance) => {
    expect(() => createVerifier({ issuer, audience, keys, clockTolerance })).toThrow('clockTolerance')
  })
})

describe('the kind of token (v5.0.0-9.2.2, RFC 8725 §3.11)', () => {
  it.each([
    ['at+jwt', 'accepted'],
    ['application/at+jwt', 'accepted'],
    ['AT+JWT', 'accepted'],
    ['Application/At+Jwt', 'accepted'],
    ['JWT', 'tokens.type_mismatch'],
    ['logout+jwt', 'tokens.type_mismatch'],
    ['application/application/at+jwt', 'tokens.type_mismatch'],
    ['', 'tokens.type_mismatch'],
  ])('%j is %s', (typ, code) => {
    expect(verdict(token({}, typ))).toBe(code)
  })

  it('a token without typ is no access token', () => {
    expect(verdict(forge({ alg: 'ES256', kid: 'k1' }, claims, es256(privateKey)))).toBe('tokens.type_mismatch')
  })

  it('is not looked at where typ is null, and another where another is asked for', () => {
    expect(verdict(token({}, 'JWT'), { typ: null })).toBe('accepted')
    expect(verdict(token({}, 'JWT'), { typ: 'JWT' })).toBe('accepted')
    expect(verdict(token({}, 'at+jwt'), { typ: 'JWT' })).toBe('tokens.type_mismatch')
  })
})

describe('claims that must be there', () => {
  it.each(['sub', 'client_id', 'iat', 'jti'])('%s, for an access token (RFC 9068 §2.2)', (name) => {
    expect(verdict(token({ [name]: undefined }))).toBe('tokens.claim_missing')
    expect(verdict(token({ [name]: '' }))).toBe('tokens.claims_malformed')
    expect(verdict(token({ [name]: undefined }), { typ: null })).toBe('accepted')
  })

  it('others, where they are asked for; what an object inherits does not count', () => {
    expect(verdict(token({ tenant: 'acme' }), { requiredClaims: ['tenant'] })).toBe('accepted')
    expect(verdict(token({ tenant: null }), { requiredClaims: ['tenant'] })).toBe('tokens.claim_missing')
    expect(verdict(token(), { requiredClaims: ['constructor'] })).toBe('tokens.claim_missing')
  })
})

describe('a token issuer', async () => {
  const { publicJwk, privateJwk } = await testKey('ES256', 'issuer-1')
  const signer = await importSigner(privateJwk)
  const own = createKeySet([await importVerificationKey(publicJwk)])
  const clock = manualClock()
  const tokens = createTokenIssuer({ issuer, signer: () => signer, clock })
  const verifier = createVerifier({ issuer, audience, keys: own, clock })
  const request = { subject: 'user-1', audience, clientId: 'web', scopes: ['invoice:read', 'openid'] }

  it('makes access tokens by RFC 9068 that its verifier takes', async () => {
    const issued = await tokens.accessToken({
      ...request,
      authTime: seconds - 60,
      acr: 'aal2',
      amr: ['pwd', 'otp'],
      tenant: 'acme',
      roles: ['owner'],
      claims: { region: 'eu' },
    })
    expect(issued).toMatchObject({ expiresIn: 300, expiresAt: START + 300_000 })
    const result = now(verifier.verify(issued.token))
    expect(result.ok && result.header).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: 'issuer-1' })
    expect(claimsOf(result)).toEqual({
      iss: issuer,
      sub: 'user-1',
      aud: audience,
      client_id: 'web',
      iat: seconds,
      exp: seconds + 300,
      jti: issued.jti,
      scope: 'invoice:read openid',
      auth_time: seconds - 60,
      acr: 'aal2',
      amr: ['pwd', 'otp'],
      tenant: 'acme',
      roles: ['owner'],
      region: 'eu',
    })
  })

  it('gives every token 128 random bits of its own', async () => {
    const ids = await Promise.all(Array.from({ length: 200 }, async () => (await tokens.accessToken(request)).jti))
    expect(new Set(ids).size).toBe(200)
    for (const id of ids) expect(Buffer.from(id, 'base64url')).toHaveLength(16)
  })

  it.each([
    'iss',
    'sub',
    'aud',
    'exp',
    'nbf',
    'iat',
    'jti',
    'client_id',
    'scope',
    'auth_time',
    'acr',
    'amr',
    'roles',
    'tenant',
    'cnf',
  ])('lets no caller set %s through claims', async (name) => {
    await expect(tokens.accessToken({ ...request, claims: { [name]: 'x' } })).rejects.toMatchObject({
      code: 'tokens.claim_reserved',
    })
  })

  it.each([
    { audience: [] },
    { audience: '' },
    { audience: [audience, ''] },
    { subject: '' },
    { clientId: '' },
    { scopes: ['a b'] },
    { scopes: ['"'] },
  ])('refuses %j', async (change) => {
    await expect(tokens.accessToken({ ...request, ...change })).rejects.toMatchObject({ code: 'tokens.claim_invalid' })
  })

  it('signs other kinds, which are no access tokens', async () => {
    const idToken = await tokens.sign({ typ: 'JWT', claims: { sub: 'user-1', aud: 'web', nonce: 'n' }, lifetime: 60 })
    expect(codeOf(now(verifier.verify(idToken.token)))).toBe('tokens.type_mismatch')
    const relyingParty = createVerifier({ issuer, audience: 'web', typ: 'JWT', keys: own, clock })
    expect(claimsOf(now(relyingParty.verify(idToken.token)))).toMatchObject({ nonce: 'n', exp: seconds + 60 })
    for (const typ of ['at+jwt', 'AT+JWT', 'application/at+jwt']) {
      await expect(tokens.sign({ typ, claims: {} })).rejects.toMatchObject({ code: 'tokens.claim_invalid' })
    }
    await expect(tokens.sign({ typ: 'JWT', claims: { iss: 'x' } })).rejects.toMatchObject({ code: 'tokens.claim_reserved' })
  })

  it('refuses a lifetime beyond that of its keys', async () => {
    const ring = { maxTokenLifetime: 600, signer: async () => signer }
    const bounded = createTokenIssuer({ issuer, signer: ring, clock })
    await expect(bounded.accessToken({ ...request, lifetime: 601 })).rejects.toMatchObject({ code: 'tokens.lifetime_too_long' })
    expect((await bounded.accessToken({ ...request, lifetime: 600 })).expiresIn).toBe(600)
    expect(() => createTokenIssuer({ issuer, signer: ring, lifetime: 601 })).toThrow('600 seconds')
    await expect(bounded.accessToken({ ...request, lifetime: Number.NaN })).rejects.toMatchObject({
      code: 'tokens.options_invalid',
    })
  })

  it('takes a signer that answers later, as a key management service does', async () => {
    const remote = { kid: signer.kid, alg: signer.alg, sign: async (data: Uint8Array) => signer.sign(data) }
    const issued = await createTokenIssuer({ issuer, signer: async () => remote, clock }).accessToken(request)
    expect(codeOf(now(verifier.verify(issued.token)))).toBe('accepted')
  })
})

describe('an access token that is issued', () => {
  it('names the resource server that it is for, and is good there alone (v5.0.0-9.2.4)', async () => {
    const key = await testKey()
    const signer = await importSigner(key.privateJwk)
    const clock = manualClock()
    const tokens = createTokenIssuer({ issuer, signer: () => signer, clock })
    const request = { subject: 'user-1', clientId: 'web', scopes: [] }
    for (const nobody of ['', [], ['']]) {
      await expect(tokens.accessToken({ ...request, audience: nobody })).rejects.toMatchObject({ code: 'tokens.claim_invalid' })
    }
    const { token: forOne } = await tokens.accessToken({ ...request, audience })
    const at = async (name: string): Promise<string> => {
      const keys = createKeySet([await importVerificationKey(key.publicJwk)])
      return codeOf(await createVerifier({ issuer, audience: name, keys, clock }).verify(forOne))
    }
    expect(await at(audience)).toBe('accepted')
    expect(await at('https://other.example')).toBe('tokens.audience_mismatch')
  })
})
