import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { compactDecrypt, importJWK, type JWK } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { createJweDecrypter, encryptJwe, importDecryptionKey, importEncryptionKey, type JweEncryption } from '../src/index.ts'
import { as, encryptionPair, oct, refusal } from './jwe-support.ts'
import { b64, type TestKey } from './support.ts'

const text = Buffer.from('You can trust us to stick with you through thick and thin')
const secret = randomBytes(32)
const direct: JWK = { kty: 'oct', k: b64(secret), alg: 'A256GCM', kid: 'd1' }

let rsa: TestKey
let p256: TestKey
let p384: TestKey
let x25519: TestKey

beforeAll(async () => {
  rsa = await encryptionPair('RSA-OAEP-256')
  p256 = await encryptionPair('ECDH-ES+A256KW')
  p384 = await encryptionPair('ECDH-ES', { crv: 'P-384' })
  x25519 = await encryptionPair('ECDH-ES+A256KW', { crv: 'X25519' })
})

describe('what is encrypted for a reader', () => {
  const cases: readonly (readonly [string, () => JWK, () => JWK, JweEncryption])[] = [
    ['RSA-OAEP-256', () => rsa.publicJwk, () => rsa.privateJwk, 'A256GCM'],
    ['RSA-OAEP-384', () => as(rsa.publicJwk, 'RSA-OAEP-384'), () => as(rsa.privateJwk, 'RSA-OAEP-384'), 'A128GCM'],
    ['RSA-OAEP-512', () => as(rsa.publicJwk, 'RSA-OAEP-512'), () => as(rsa.privateJwk, 'RSA-OAEP-512'), 'A192GCM'],
    ['ECDH-ES on P-384', () => p384.publicJwk, () => p384.privateJwk, 'A128CBC-HS256'],
    ['ECDH-ES+A256KW on P-256', () => p256.publicJwk, () => p256.privateJwk, 'A256CBC-HS512'],
    ['ECDH-ES+A256KW on X25519', () => x25519.publicJwk, () => x25519.privateJwk, 'A192CBC-HS384'],
    ['A128KW', () => oct(16, 'A128KW'), () => oct(16, 'A128KW'), 'A256GCM'],
    ['A192KW', () => oct(24, 'A192KW'), () => oct(24, 'A192KW'), 'A256GCM'],
    ['A256KW', () => oct(32, 'A256KW'), () => oct(32, 'A256KW'), 'A256GCM'],
    ['A128GCMKW', () => oct(16, 'A128GCMKW'), () => oct(16, 'A128GCMKW'), 'A256GCM'],
    ['A192GCMKW', () => oct(24, 'A192GCMKW'), () => oct(24, 'A192GCMKW'), 'A256GCM'],
    ['A256GCMKW', () => oct(32, 'A256GCMKW'), () => oct(32, 'A256GCMKW'), 'A256GCM'],
    ['dir', () => oct(64, 'A256CBC-HS512'), () => oct(64, 'A256CBC-HS512'), 'A256CBC-HS512'],
  ]
  it.each(cases)('%s is read by him, and by jose', async (_, encrypting, decrypting, enc) => {
    const key = await importEncryptionKey(encrypting(), { enc })
    const compact = await encryptJwe(text, key, { cty: 'text/plain' })
    const decrypter = createJweDecrypter({ keys: [await importDecryptionKey(decrypting())] })
    const result = await decrypter.decrypt(compact)
    expect(result.ok && Buffer.from(result.plaintext)).toEqual(text)
    expect(result.ok && result.header).toMatchObject({ alg: key.alg, enc, kid: 'k1', cty: 'text/plain' })
    const { alg: _alg, ...withoutAlg } = decrypting()
    const read = await compactDecrypt(compact, await importJWK(withoutAlg, key.alg))
    expect(Buffer.from(read.plaintext)).toEqual(text)
  })

  it('has content encrypted with A256GCM when nothing else is said, and is never compressed', async () => {
    const key = await importEncryptionKey(rsa.publicJwk)
    const compact = await encryptJwe(Buffer.alloc(4000), key)
    expect(JSON.parse(Buffer.from(compact.split('.')[0]!, 'base64url').toString())).toEqual({
      alg: 'RSA-OAEP-256',
      enc: 'A256GCM',
      kid: 'k1',
    })
    expect(compact.split('.')[3]!.length).toBeGreaterThan(5000)
  })

  it.each(['alg', 'enc', 'kid', 'zip', 'crit', 'jwk', 'jku', 'x5c', 'x5u', 'epk', 'apu', 'apv', 'p2c', 'p2s', 'iv', 'tag'])(
    'lets no caller set %s',
    async (name) => {
      const key = await importEncryptionKey(p256.publicJwk)
      expect(await refusal(() => encryptJwe(text, key, { [name]: 'DEF' }))).toBe('tokens.header_reserved')
    },
  )

  it('has another content key and another iv each time', async () => {
    const key = await importEncryptionKey(oct(32, 'A256KW'))
    const all = await Promise.all(Array.from({ length: 50 }, () => encryptJwe(text, key)))
    expect(new Set(all.map((one) => one.split('.')[1])).size).toBe(50)
    expect(new Set(all.map((one) => one.split('.')[2])).size).toBe(50)
  })
})

describe('a key that decrypts is refused when it is loaded, by name', () => {
  const cases: readonly (readonly [string, () => JWK, string])[] = [
    ['use: sig', () => ({ ...rsa.privateJwk, use: 'sig' }), 'tokens.key_use'],
    ['key_ops without decrypt', () => ({ ...rsa.privateJwk, key_ops: ['encrypt'] }), 'tokens.key_operations'],
    ['key_ops for signing', () => ({ ...p256.privateJwk, key_ops: ['sign'] }), 'tokens.key_operations'],
    [
      'key_ops of a wrapping key without unwrapKey',
      () => ({ ...oct(32, 'A256KW'), key_ops: ['wrapKey'] }),
      'tokens.key_operations',
    ],
    ['a public key', () => rsa.publicJwk, 'tokens.key_public'],
    ['a public EC key', () => p256.publicJwk, 'tokens.key_public'],
    ['RSA1_5 (RFC 8725 §3.2)', () => as(rsa.privateJwk, 'RSA1_5'), 'tokens.key_unsupported'],
    ['a signature algorithm', () => as(rsa.privateJwk, 'RS256'), 'tokens.key_unsupported'],
    ['no algorithm', () => as(rsa.privateJwk, undefined), 'tokens.key_unsupported'],
    ['dir without an enc', () => oct(32, 'dir'), 'tokens.key_unsupported'],
    ['an RSA algorithm on an EC key', () => as(p256.privateJwk, 'RSA-OAEP-256'), 'tokens.key_algorithm_mismatch'],
    ['a wrapping algorithm on an RSA key', () => as(rsa.privateJwk, 'A256KW'), 'tokens.key_algorithm_mismatch'],
    ['an RSA algorithm on a secret', () => oct(32, 'RSA-OAEP-256'), 'tokens.key_algorithm_mismatch'],
    [
      'X448',
      () => ({ kty: 'OKP', crv: 'X448', x: b64(Buffer.alloc(56)), d: b64(Buffer.alloc(56)), alg: 'ECDH-ES' }),
      'tokens.key_unsupported',
    ],
    ['secp256k1', () => ({ ...p256.privateJwk, crv: 'secp256k1' }), 'tokens.key_unsupported'],
    ['Ed25519 for an agreement', () => ({ ...x25519.privateJwk, crv: 'Ed25519' }), 'tokens.key_unsupported'],
    ['RSA with exponent 1', () => ({ ...rsa.privateJwk, e: 'AQ' }), 'tokens.key_exponent'],
    [
      'RSA with 1024 bits',
      () => ({ ...rsa.privateJwk, n: b64(Buffer.from(rsa.privateJwk.n!, 'base64url').fill(1, 127).subarray(0, 128)) }),
      'tokens.key_size',
    ],
    ['a wrapping secret that is too short', () => oct(16, 'A256KW'), 'tokens.key_size'],
    ['a wrapping secret that is too long', () => oct(64, 'A256KW'), 'tokens.key_size'],
    ['an empty secret', () => oct(0, 'A256KW'), 'tokens.key_size'],
    ['a direct secret of another enc', () => oct(32, 'A256CBC-HS512'), 'tokens.key_size'],
    ['a password of 15 bytes', () => oct(15, 'PBES2-HS256+A128KW'), 'tokens.key_size'],
    ['a secret in other base64', () => ({ ...oct(32, 'A256KW'), k: `${oct(32).k}=` }), 'tokens.key_malformed'],
    ['a point that is not on its curve', () => ({ ...p256.privateJwk, y: p256.privateJwk.x! }), 'tokens.key_off_curve'],
    ['a short coordinate', () => ({ ...p256.privateJwk, x: b64(Buffer.alloc(31)) }), 'tokens.key_malformed'],
    ['an empty kid', () => ({ ...rsa.privateJwk, kid: '' }), 'tokens.key_malformed'],
    ['nothing', () => null as never, 'tokens.key_malformed'],
  ]
  it.each(cases)('%s', async (_, jwk, code) => {
    expect(await refusal(() => importDecryptionKey(jwk()))).toBe(code)
  })

  it('halves that do not belong together', async () => {
    for (const [key, crv] of [
      [p256, 'P-256'],
      [x25519, 'X25519'],
    ] as const) {
      const other = await encryptionPair('ECDH-ES+A256KW', { crv })
      expect(await refusal(() => importDecryptionKey({ ...key.privateJwk, d: other.privateJwk.d! }))).not.toBe('accepted')
    }
    const { n: _, ...privateHalf } = (await encryptionPair('RSA-OAEP-256')).privateJwk
    expect(await refusal(() => importDecryptionKey({ ...privateHalf, n: rsa.publicJwk.n! }))).toBe('tokens.key_malformed')
  })

  it('takes its alg from the caller where it has none, and never another than its own', async () => {
    expect((await importDecryptionKey(as(rsa.privateJwk, undefined), { alg: 'RSA-OAEP-512' })).alg).toBe('RSA-OAEP-512')
    expect(await refusal(() => importDecryptionKey(rsa.privateJwk, { alg: 'RSA-OAEP-512' }))).toBe(
      'tokens.key_algorithm_mismatch',
    )
    expect(await refusal(() => importDecryptionKey(direct, { alg: 'A256KW' }))).toBe('tokens.key_algorithm_mismatch')
    expect(await refusal(() => importDecryptionKey(direct, { enc: 'A256CBC-HS512' }))).toBe('tokens.key_algorithm_mismatch')
    expect(await refusal(() => importDecryptionKey(oct(32), { alg: 'dir', enc: 'none' as never }))).toBe('tokens.options_invalid')
    expect(await importDecryptionKey(oct(32), { alg: 'dir', enc: 'A128CBC-HS256' })).toMatchObject({
      alg: 'dir',
      enc: 'A128CBC-HS256',
    })
  })

  it('cannot be printed', async () => {
    for (const jwk of [direct, rsa.privateJwk]) {
      const printed =
        inspect(await importDecryptionKey(jwk), { depth: 9, showHidden: true }) + inspect(await importEncryptionKey(direct))
      expect(printed).not.toContain(jwk.k ?? jwk.d)
      expect(printed).not.toContain(secret.toString('hex').slice(0, 16))
    }
  })
})

describe('a key that encrypts is refused when it is loaded, by name', () => {
  const cases: readonly (readonly [string, () => JWK, string])[] = [
    ['a private key', () => rsa.privateJwk, 'tokens.key_private'],
    ['use: sig', () => ({ ...rsa.publicJwk, use: 'sig' }), 'tokens.key_use'],
    ['key_ops without encrypt', () => ({ ...rsa.publicJwk, key_ops: ['verify'] }), 'tokens.key_operations'],
    ['an empty key_ops on an RSA key', () => ({ ...rsa.publicJwk, key_ops: [] }), 'tokens.key_operations'],
    ['a password', () => oct(32, 'PBES2-HS512+A256KW'), 'tokens.key_unsupported'],
    ['an X25519 point of small order', () => ({ ...x25519.publicJwk, x: b64(Buffer.alloc(32)) }), 'tokens.key_weak'],
    ['a point that is not on its curve', () => ({ ...p256.publicJwk, y: p256.publicJwk.x! }), 'tokens.key_off_curve'],
  ]
  it.each(cases)('%s', async (_, jwk, code) => {
    expect(await refusal(() => importEncryptionKey(jwk()))).toBe(code)
  })

  it('but a public key for an agreement may have an empty key_ops, as WebCrypto exports it', async () => {
    expect((await importEncryptionKey({ ...p256.publicJwk, key_ops: [] })).alg).toBe('ECDH-ES+A256KW')
    expect(await refusal(() => importEncryptionKey({ ...p256.publicJwk, key_ops: ['sign'] }))).toBe('tokens.key_operations')
  })
})
