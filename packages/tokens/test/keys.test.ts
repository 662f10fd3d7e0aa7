import { createHash, createPublicKey, verify } from 'node:crypto'
import type { JWK } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { createKeySet, importHmacKey, importSigner, importVerificationKey, TokenError } from '../src/index.ts'
import { b64, type TestKey, testKey } from './support.ts'

let ec: TestKey
let rsa: TestKey
let ed: TestKey

beforeAll(async () => {
  ec = await testKey('ES256')
  rsa = await testKey('RS256')
  ed = await testKey('EdDSA')
})

async function refusal(work: () => unknown): Promise<string> {
  try {
    await work()
  } catch (error) {
    expect(error).toBeInstanceOf(TokenError)
    return (error as TokenError).code
  }
  return 'accepted'
}

function modulus(bits: number): string {
  const bytes = Buffer.from(rsa.publicJwk.n!, 'base64url')
  return b64(Buffer.concat([bytes.subarray(0, bits / 8 - 1), Buffer.from([0x01])]))
}

describe('a verification key is refused when it is loaded, by name (jose and jsonwebtoken take some of these)', () => {
  const cases: readonly (readonly [string, () => JWK, string])[] = [
    ['use: enc', () => ({ ...ec.publicJwk, use: 'enc' }), 'tokens.key_use'],
    ['key_ops without verify', () => ({ ...ec.publicJwk, key_ops: ['encrypt'] }), 'tokens.key_operations'],
    ['key_ops that names verify twice', () => ({ ...ec.publicJwk, key_ops: ['verify', 'verify'] }), 'tokens.key_operations'],
    ['key_ops that is no array', () => ({ ...ec.publicJwk, key_ops: 'verify' as never }), 'tokens.key_operations'],
    ['alg of another curve', () => ({ ...ec.publicJwk, alg: 'ES384' }), 'tokens.key_algorithm_mismatch'],
    ['alg of another kind', () => ({ ...ec.publicJwk, alg: 'RS256' }), 'tokens.key_algorithm_mismatch'],
    ['an HMAC alg on a public key', () => ({ ...rsa.publicJwk, alg: 'HS256' }), 'tokens.key_algorithm_mismatch'],
    ['alg: none', () => ({ ...ec.publicJwk, alg: 'none' }), 'tokens.key_unsupported'],
    ['an encryption alg', () => ({ ...rsa.publicJwk, alg: 'RSA-OAEP' }), 'tokens.key_unsupported'],
    ['an unknown curve', () => ({ ...ec.publicJwk, crv: 'secp256k1', alg: undefined as never }), 'tokens.key_unsupported'],
    [
      'a curve named like a method',
      () => ({ ...ec.publicJwk, crv: 'constructor', alg: undefined as never }),
      'tokens.key_unsupported',
    ],
    ['RSA with 1024 bits', () => ({ ...rsa.publicJwk, n: modulus(1024) }), 'tokens.key_size'],
    ['RSA with 2040 bits', () => ({ ...rsa.publicJwk, n: modulus(2040) }), 'tokens.key_size'],
    ['RSA with exponent 1', () => ({ ...rsa.publicJwk, e: 'AQ' }), 'tokens.key_exponent'],
    ['RSA with an even exponent', () => ({ ...rsa.publicJwk, e: 'AQAA' }), 'tokens.key_exponent'],
    ['RSA with a huge exponent', () => ({ ...rsa.publicJwk, e: b64(Buffer.alloc(200, 1)) }), 'tokens.key_exponent'],
    ['a private key', () => ec.privateJwk, 'tokens.key_private'],
    ['a private RSA key', () => rsa.privateJwk, 'tokens.key_private'],
    ['a secret', () => ({ kty: 'oct', k: b64(Buffer.alloc(32)), alg: 'HS256' }), 'tokens.key_symmetric'],
    ['a point that is not on the curve', () => ({ ...ec.publicJwk, y: ec.publicJwk.x! }), 'tokens.key_off_curve'],
    ['a short coordinate', () => ({ ...ec.publicJwk, x: b64(Buffer.alloc(31)) }), 'tokens.key_malformed'],
    ['a padded coordinate', () => ({ ...ec.publicJwk, x: `${ec.publicJwk.x}=` }), 'tokens.key_malformed'],
    ['a missing coordinate', () => ({ ...ec.publicJwk, y: undefined as never }), 'tokens.key_malformed'],
    ['an Ed25519 point of small order', () => ({ ...ed.publicJwk, x: b64(Buffer.alloc(32)) }), 'tokens.key_weak'],
    ['an empty kid', () => ({ ...ec.publicJwk, kid: '' }), 'tokens.key_malformed'],
    ['nothing', () => null as never, 'tokens.key_malformed'],
  ]
  it.each(cases)('%s', async (_, jwk, code) => {
    expect(await refusal(() => importVerificationKey(jwk()))).toBe(code)
  })

  it('keeps key material out of the message', async () => {
    const error = await importVerificationKey(ec.privateJwk).catch((thrown: Error) => thrown)
    expect(String(error)).not.toContain(ec.privateJwk.d)
    expect(String(error)).toContain('"k1"')
  })

  it('refuses the Ed25519 key under which one signature fits every message: Node 20 takes it, Node 24 does not', async () => {
    const identity = Buffer.concat([Buffer.from([1]), Buffer.alloc(31)])
    const forged = Buffer.concat([identity, Buffer.alloc(32)])
    const jwk: JWK = { kty: 'OKP', crv: 'Ed25519', x: b64(identity) }
    const key = createPublicKey({ key: jwk as never, format: 'jwk' })
    expect(verify(null, Buffer.from('anything'), key, forged)).toBe(process.versions.node.startsWith('20.'))
    expect(await refusal(() => importVerificationKey(jwk))).toBe('tokens.key_weak')
  })
})

describe('the key decides the algorithm', () => {
  it('by its curve where it has no alg', async () => {
    const { alg: _, ...withoutAlg } = ec.publicJwk
    expect((await importVerificationKey(withoutAlg)).alg).toBe('ES256')
    expect((await importVerificationKey({ ...ed.publicJwk, alg: undefined as never })).alg).toBe('EdDSA')
  })

  it('as RS256 for an RSA key without alg, or as it is told', async () => {
    const { alg: _, ...withoutAlg } = rsa.publicJwk
    expect((await importVerificationKey(withoutAlg)).alg).toBe('RS256')
    expect((await importVerificationKey(withoutAlg, { rsaAlgorithm: 'PS256' })).alg).toBe('PS256')
    expect((await importVerificationKey(rsa.publicJwk, { rsaAlgorithm: 'PS256' })).alg).toBe('RS256')
  })
})

describe('a secret for HMAC (fast-jwt GHSA-gmvf-9v4p-v8jc, GHSA-8wpc-h4q6-8fxv: an empty secret, a falsy key)', () => {
  it.each([
    [
      'an empty secret (fast-jwt GHSA-gmvf-9v4p-v8jc)',
      () => importHmacKey(new Uint8Array(), { alg: 'HS256' }),
      'tokens.key_size',
    ],
    ['a secret shorter than the hash', () => importHmacKey(Buffer.alloc(47), { alg: 'HS384' }), 'tokens.key_size'],
    ['an empty JWK secret', () => importHmacKey({ kty: 'oct', k: '', alg: 'HS256' }), 'tokens.key_size'],
    [
      'a falsy secret (fast-jwt GHSA-8wpc-h4q6-8fxv)',
      () => importHmacKey(undefined as never, { alg: 'HS256' }),
      'tokens.key_malformed',
    ],
    ['a secret without an algorithm', () => importHmacKey(Buffer.alloc(32)), 'tokens.key_unsupported'],
    ['a public key', () => importHmacKey(ec.publicJwk), 'tokens.key_malformed'],
    [
      'a public key, as a string',
      () => importHmacKey('-----BEGIN PUBLIC KEY-----' as never, { alg: 'HS256' }),
      'tokens.key_malformed',
    ],
  ])('is refused: %s', async (_, work, code) => {
    expect(await refusal(work)).toBe(code)
  })
})

describe('a key set', () => {
  it('refuses secrets beside public keys: the way to HS/RS confusion (jsonwebtoken CVE-2022-23541)', async () => {
    const keys = [await importVerificationKey(ec.publicJwk), importHmacKey(Buffer.alloc(32), { alg: 'HS256', kid: 'k2' })]
    expect(await refusal(() => createKeySet(keys))).toBe('tokens.key_kinds_mixed')
  })

  it('refuses two keys of one kid, and none at all', async () => {
    const key = await importVerificationKey(ec.publicJwk)
    expect(await refusal(() => createKeySet([key, key]))).toBe('tokens.key_id_duplicate')
    expect(await refusal(() => createKeySet([]))).toBe('tokens.options_invalid')
  })

  it('finds a key without kid only while there is no choice', async () => {
    const one = await importVerificationKey({ ...ec.publicJwk, kid: undefined as never })
    const other = await importVerificationKey({ ...(await testKey()).publicJwk, kid: undefined as never })
    expect(createKeySet([one]).find({ alg: 'ES256' })).toBe(one)
    expect(createKeySet([one]).find({ alg: 'ES256', kid: 'any' })).toBe(one)
    expect(createKeySet([one]).find({ alg: 'RS256' })).toBeUndefined()
    expect(createKeySet([one, other]).find({ alg: 'ES256' })).toBeUndefined()
  })
})

describe('a signer', () => {
  it.each(['ES256', 'RS256', 'EdDSA'] as const)('signs %s as its key verifies', async (alg) => {
    const { publicJwk, privateJwk } = await testKey(alg)
    const data = createHash('sha256').update('data').digest()
    const signature = await (await importSigner(privateJwk)).sign(data)
    expect((await importVerificationKey(publicJwk)).verify(data, signature)).toBe(true)
  })

  it('needs a private half, a kid, and halves that belong together', async () => {
    expect(await refusal(() => importSigner(ec.publicJwk))).toBe('tokens.key_public')
    expect(await refusal(() => importSigner({ ...ec.privateJwk, kid: undefined as never }))).toBe('tokens.key_malformed')
    expect(await refusal(() => importSigner({ ...ec.privateJwk, use: 'enc' }))).toBe('tokens.key_use')
    for (const [alg, key] of [
      ['ES256', ec],
      ['EdDSA', ed],
    ] as const) {
      const { privateJwk } = await testKey(alg)
      expect(await refusal(() => importSigner({ ...key.privateJwk, d: privateJwk.d! }))).not.toBe('accepted')
    }
  })
})
