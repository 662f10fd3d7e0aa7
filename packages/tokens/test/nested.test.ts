import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import {
  bearer,
  createJweDecrypter,
  createKeySet,
  createNestedVerifier,
  createTokenIssuer,
  createVerifier,
  type EncryptionKey,
  encryptJwe,
  encryptJwt,
  importDecryptionKey,
  importEncryptionKey,
  importSigner,
  importVerificationKey,
  type JweDecrypter,
  type NestedReasonCode,
  type NestedVerifierOptions,
  type Verifier,
  type VerifyReasonCode,
} from '../src/index.ts'
import { b64, claimsOf, codeOf, manualClock, request, START, testKey } from './support.ts'

const issuer = 'https://issuer.example'
const audience = 'https://api.example'
const clock = manualClock()
const claims = {
  iss: issuer,
  aud: audience,
  sub: 'user-1',
  client_id: 'web',
  iat: START / 1000,
  exp: START / 1000 + 300,
  jti: 'j1',
}

let signed: string
let verifier: Verifier
let decrypter: JweDecrypter
let reader: EncryptionKey
let readerJwk: JWK

beforeAll(async () => {
  const { publicJwk, privateJwk } = await testKey('ES256', 'issuer-1')
  const signer = await importSigner(privateJwk)
  const tokens = createTokenIssuer({ issuer, signer: () => signer, clock })
  signed = (await tokens.accessToken({ subject: 'user-1', audience, clientId: 'web', scopes: ['read'] })).token
  verifier = createVerifier({ issuer, audience, keys: createKeySet([await importVerificationKey(publicJwk)]), clock })

  const pair = await generateKeyPair('RSA-OAEP-256', { extractable: true })
  readerJwk = { ...(await exportJWK(pair.publicKey)), kid: 'api-1', alg: 'RSA-OAEP-256', use: 'enc' }
  reader = await importEncryptionKey(readerJwk)
  const privateReader = { ...(await exportJWK(pair.privateKey)), kid: 'api-1', alg: 'RSA-OAEP-256', use: 'enc' }
  decrypter = createJweDecrypter({ keys: [await importDecryptionKey(privateReader)] })
})

function nested(change: Partial<NestedVerifierOptions> = {}): Verifier<VerifyReasonCode | NestedReasonCode> {
  return createNestedVerifier({ decrypter, verifier, ...change })
}

async function verdict(token: string, change: Partial<NestedVerifierOptions> = {}): Promise<string> {
  return codeOf(await nested(change).verify(token))
}

function encrypt(content: string, header: Record<string, unknown> = { cty: 'JWT' }): Promise<string> {
  return encryptJwe(Buffer.from(content), reader, header)
}

describe('a token that is signed and then encrypted (RFC 7519 §11.2)', () => {
  it('is accepted with the claims that were signed', async () => {
    const result = await nested().verify(await encryptJwt(signed, reader))
    expect(result.ok && result.claims).toEqual(claimsOf(await verifier.verify(signed)))
    expect(result.ok && result.header).toMatchObject({ alg: 'ES256', typ: 'at+jwt' })
  })

  it('shows nothing of its claims', async () => {
    const token = await encryptJwt(signed, reader)
    const header = JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString())
    expect(header).toEqual({ alg: 'RSA-OAEP-256', enc: 'A256GCM', kid: 'api-1', cty: 'JWT' })
  })

  it('is held to every rule of its verifier', async () => {
    const other = createVerifier({
      issuer,
      audience: 'https://other.example',
      keys: { kind: 'asymmetric', find: () => undefined },
    })
    expect(await verdict(await encryptJwt(signed, reader), { verifier: other })).toBe('tokens.key_unknown')
    const [header, payload, signature] = signed.split('.')
    const broken = `${header}.${payload}.${signature!.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'))}`
    expect(await verdict(await encrypt(broken))).toBe('tokens.signature_invalid')
    clock.advance(400)
    expect(await verdict(await encryptJwt(signed, reader))).toBe('tokens.expired')
    clock.advance(-400)
  })

  it('passes the guard for bearer tokens', async () => {
    const guard = bearer({ verifier: nested() })
    const token = await encryptJwt(signed, reader)
    expect(await guard(request({ authorization: `Bearer ${token}` }))).toMatchObject({
      type: 'continue',
      principal: { subject: 'user-1' },
    })
    expect(await guard(request({ authorization: `Bearer ${signed}` }))).toMatchObject({ type: 'reply', reply: { status: 401 } })
  })
})

describe('what is encrypted proves nothing by itself: anybody can encrypt to a public key', () => {
  it.each([
    [
      'an unsigned token (pac4j-jwt CVE-2026-29000)',
      () => `${b64({ alg: 'none', typ: 'at+jwt' })}.${b64(claims)}.`,
      'tokens.algorithm_refused',
    ],
    [
      'an unsigned token with a signature',
      () => `${b64({ alg: 'none', typ: 'at+jwt' })}.${b64(claims)}.AAAA`,
      'tokens.algorithm_refused',
    ],
    ['bare claims', () => JSON.stringify({ sub: 'user-1' }), 'tokens.jwe_content_refused'],
    ['bare claims with two dots in them', () => JSON.stringify(claims), 'tokens.malformed'],
    ['nothing', () => '', 'tokens.jwe_content_refused'],
    ['an opaque token', () => 'key_123', 'tokens.jwe_content_refused'],
    ['three segments of anything', () => 'a.b.c', 'tokens.malformed'],
    ['a token in characters that only look like ASCII', () => signed.replace('e', '\u0165'), 'tokens.malformed'],
    ['a token with a byte order mark', () => `\uFEFF${signed}`, 'tokens.malformed'],
    ['a token with a line break', () => `${signed}\n`, 'tokens.malformed'],
  ])('%s is refused', async (_, content, code) => {
    expect(await verdict(await encrypt(content()))).toBe(code)
  })

  it('a token with a bit above ASCII in each of its bytes is refused, and not read without them', async () => {
    const bytes = Buffer.from(signed).map((byte) => byte | 0x80)
    expect(await verdict(await encryptJwe(bytes, reader, { cty: 'JWT' }))).toBe('tokens.jwe_content_refused')
    const one = Buffer.from(signed)
    one[5] = one[5]! | 0x80
    expect(await verdict(await encryptJwe(one, reader, { cty: 'JWT' }))).toBe('tokens.malformed')
  })

  it('a JWE in a JWE is refused, however it is configured: one layer', async () => {
    const twice = await encrypt(await encryptJwt(signed, reader))
    expect(await verdict(twice)).toBe('tokens.jwe_content_refused')
    expect(await verdict(twice, { verifier: nested() as never })).toBe('tokens.jwe_content_refused')
    await expect(encryptJwt(await encryptJwt(signed, reader), reader)).rejects.toMatchObject({ code: 'tokens.options_invalid' })
  })
})

describe('cty (RFC 7519 §5.2)', () => {
  it.each([
    ['JWT', 'accepted'],
    ['jwt', 'accepted'],
    ['application/jwt', 'accepted'],
    ['at+jwt', 'tokens.jwe_content_refused'],
    ['JWTs', 'tokens.jwe_content_refused'],
    ['', 'tokens.jwe_content_refused'],
    [undefined, 'tokens.jwe_content_refused'],
  ])('%j is %s', async (cty, code) => {
    expect(await verdict(await encrypt(signed, { cty }))).toBe(code)
  })
})

describe('a token that is only signed', () => {
  it('is refused, and its verifier is not asked', async () => {
    const asked = vi.fn(verifier.verify)
    expect(await verdict(signed, { verifier: { ...verifier, verify: asked } })).toBe('tokens.not_encrypted')
    expect(asked).not.toHaveBeenCalled()
  })

  it('is verified where encryption is not required', async () => {
    expect(await verdict(signed, { requireEncryption: false })).toBe('accepted')
    expect(await verdict(await encryptJwt(signed, reader), { requireEncryption: false })).toBe('accepted')
    expect(await verdict(`${signed}A`, { requireEncryption: false })).not.toBe('accepted')
  })

  it.each([0, 'false', null])('requireEncryption: %j is a mistake', (requireEncryption) => {
    expect(() => nested({ requireEncryption: requireEncryption as never })).toThrow('requireEncryption')
  })

  it('needs a decrypter and a verifier', () => {
    expect(() => nested({ decrypter: undefined as never })).toThrow('decrypter')
    expect(() => nested({ verifier: undefined as never })).toThrow('verifier')
  })
})

describe('claims in the header of a JWE (RFC 7519 §5.3)', () => {
  it.each([
    [{ iss: issuer, sub: 'user-1', aud: audience }, 'accepted'],
    [{ iss: 'https://other.example' }, 'tokens.jwe_claims_differ'],
    [{ sub: 'user-2' }, 'tokens.jwe_claims_differ'],
    [{ sub: null }, 'tokens.jwe_claims_differ'],
    [{ aud: [audience] }, 'tokens.jwe_claims_differ'],
    [{ aud: [audience, 'https://other.example'] }, 'tokens.jwe_claims_differ'],
    [{ exp: 0 }, 'accepted'],
  ])('%j is %s: they are those of the token, or it is refused', async (replicated, code) => {
    expect(await verdict(await encrypt(signed, { cty: 'JWT', ...replicated }))).toBe(code)
  })
})

describe('choosing among verifiers', () => {
  it('goes by the form, the key, and the issuer where the header says one', async () => {
    const one = nested()
    expect(one.issuer).toBe(issuer)
    expect(one.accepts(await encryptJwt(signed, reader))).toBe(true)
    expect(one.accepts(await encrypt(signed, { cty: 'JWT', iss: issuer }))).toBe(true)
    expect(one.accepts(await encrypt(signed, { cty: 'JWT', iss: 'https://other.example' }))).toBe(false)
    expect(one.accepts(await encrypt(signed, {}))).toBe(false)
    expect(one.accepts(await encryptJwt(signed, await importEncryptionKey({ ...readerJwk, kid: 'api-2' })))).toBe(false)
    expect(one.accepts(signed)).toBe(false)
    expect(nested({ requireEncryption: false }).accepts(signed)).toBe(true)
    expect(one.accepts('anything')).toBe(false)
  })

  it.each([undefined, null, 1, {}, [], ''])('and %j is refused without throwing', async (token) => {
    expect(nested().accepts(token as never)).toBe(false)
    expect(await verdict(token as never)).toBe('tokens.jwe_malformed')
  })
})
