import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  createJweDecrypter,
  createKeySet,
  createNestedVerifier,
  createVerifier,
  importDecryptionKey,
  importHmacKey,
  importSigner,
  importVerificationKey,
  type JweDecrypterOptions,
  type JweKeyOptions,
  signJws,
  TokenError,
  type VerificationKey,
  verifyJws,
} from '../src/index.ts'
import { codeOf, manualClock } from './support.ts'

interface Signature {
  readonly protected?: string
  readonly signature: string
}

/** A file of the cookbook: RFC 7520 and its kin, as data. */
interface Recipe {
  readonly input: {
    readonly payload?: string
    readonly plaintext?: string
    readonly key?: JWK | readonly JWK[]
    readonly pwd?: string
    readonly alg?: string | readonly string[]
  }
  readonly output: {
    readonly compact?: string
    readonly json?: { readonly payload?: string; readonly signatures?: readonly Signature[] } & Partial<FlatJwe>
    readonly json_flat?: FlatJwe
  }
}
interface FlatJwe {
  readonly protected: string
  readonly encrypted_key?: string
  readonly iv: string
  readonly ciphertext: string
  readonly tag: string
}

const folder = process.env['PORTCULLIS_VECTORS']
const present = folder !== undefined && existsSync(join(folder, 'jose-cookbook'))

function read<T = Recipe>(file: string): T {
  return JSON.parse(readFileSync(join(folder ?? '', 'jose-cookbook', file), 'utf8')) as T
}

/** What a piece of work comes to: `accepted`, or the code that it is refused with. Anything else is a bug. */
async function outcome(work: () => Promise<string>): Promise<string> {
  try {
    return await work()
  } catch (error) {
    expect(error).toBeInstanceOf(TokenError)
    return (error as TokenError).code
  }
}

// --- JWS ------------------------------------------------------------------------------------------------------------------------

async function verificationKey(jwk: JWK, alg: string): Promise<VerificationKey> {
  if (jwk.kty === 'oct') return importHmacKey(jwk, { alg: alg as 'HS256' })
  const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...publicHalf } = jwk
  return importVerificationKey({ ...publicHalf, alg })
}

async function verifyWith(jwk: JWK, alg: string, compact: string, payload: string): Promise<string> {
  return outcome(async () => {
    const result = await verifyJws(compact, createKeySet([await verificationKey(jwk, alg)]))
    if (result.ok) expect(Buffer.from(result.payload).toString()).toBe(payload)
    return codeOf(result)
  })
}

/** Each signature of a file as a compact JWS: that of the file, or one put together of the same bytes. */
function compactForms({ input, output }: Recipe): readonly string[] {
  // A detached payload goes back to where it was (RFC 7515, appendix F); the form without it is tried beside it.
  const payload = output.json?.payload ?? Buffer.from(input.payload ?? '').toString('base64url')
  const rewritten = (output.json?.signatures ?? []).map((one) => `${one.protected ?? ''}.${payload}.${one.signature}`)
  return [...new Set([...(output.compact === undefined ? [] : [output.compact]), ...rewritten])]
}

/** For each file, what becomes of each compact form of it. */
const JWS: Readonly<Record<string, readonly string[]>> = {
  'jws/4_1.rsa_v15_signature.json': ['accepted'],
  'jws/4_2.rsa-pss_signature.json': ['accepted'],
  'jws/4_3.ecdsa_signature.json': ['accepted'],
  'jws/4_4.hmac-sha2_integrity_protection.json': ['accepted'],
  // Without its payload the signature is over nothing; with it, it is good.
  'jws/4_5.signature_with_detached_content.json': ['tokens.signature_invalid', 'accepted'],
  // The kid stands outside of what is protected, and is not needed.
  'jws/4_6.protecting_specific_header_fields.json': ['accepted'],
  // Nothing says, under protection, which algorithm it is. Only JSON can be written so.
  'jws/4_7.protecting_content_only.json': ['tokens.malformed'],
  'jws/4_8.multiple_signatures.json': ['accepted', 'tokens.malformed', 'accepted'],
  'curve25519/jws.json': ['accepted'],
  // RFC 7797: a payload that is not encoded. One file has no crit, the other has.
  'rfc7797/4.2.hmac-sha2_b64_false.json': ['tokens.malformed'],
  'rfc7797/hmac-sha2_b64_false.json': ['tokens.critical_unknown'],
}

// --- JWE ------------------------------------------------------------------------------------------------------------------------

/** The compact form: that of the file, or one of the same bytes, where no other can be written. */
function compactJwe({ output }: Recipe): string {
  if (output.compact !== undefined) return output.compact
  const { protected: header = '', encrypted_key: key = '', iv, ciphertext, tag } = output.json_flat ?? (output.json as FlatJwe)
  return [header, key, iv, ciphertext, tag].join('.')
}

async function decrypt(recipe: Recipe, options: Partial<JweDecrypterOptions> = {}): Promise<string> {
  const { key, pwd, alg, plaintext } = recipe.input
  const given = Array.isArray(key) ? key[2] : (key as JWK | undefined)
  const jwk = given ?? { kty: 'oct', k: Buffer.from(pwd ?? '').toString('base64url') }
  return outcome(async () => {
    const named = (Array.isArray(alg) ? alg[2] : alg) as JweKeyOptions['alg']
    const keys = [await importDecryptionKey(jwk, named === undefined ? {} : { alg: named })]
    const result = await createJweDecrypter({ keys, ...options }).decrypt(compactJwe(recipe))
    if (result.ok) expect(Buffer.from(result.plaintext).toString()).toBe(plaintext)
    return codeOf(result)
  })
}

/** For each file, what becomes of it by the defaults, and under options that name what it needs. */
const JWE: Readonly<Record<string, readonly [string, Partial<JweDecrypterOptions>?, string?]>> = {
  // RSA1_5 is no algorithm of ours, whatever is named.
  'jwe/5_1.key_encryption_using_rsa_v15_and_aes-hmac-sha2.json': ['tokens.key_unsupported'],
  // RSA-OAEP is over SHA-1, and has to be named.
  'jwe/5_2.key_encryption_using_rsa-oaep_with_aes-gcm.json': ['tokens.options_invalid', { algorithms: ['RSA-OAEP'] }, 'accepted'],
  // So has PBES2, and its rounds count: 8192 here.
  'jwe/5_3.key_wrap_using_pbes2-aes-keywrap_with-aes-cbc-hmac-sha2.json': [
    'tokens.options_invalid',
    { algorithms: ['PBES2-HS512+A256KW'], maxPbes2Count: 8192 },
    'accepted',
  ],
  'jwe/5_4.key_agreement_with_key_wrapping_using_ecdh-es_and_aes-keywrap_with_aes-gcm.json': ['accepted'],
  'jwe/5_5.key_agreement_using_ecdh-es_with_aes-cbc-hmac-sha2.json': ['accepted'],
  'jwe/5_6.direct_encryption_using_aes-gcm.json': ['accepted'],
  'jwe/5_7.key_wrap_using_aes-gcm_keywrap_with_aes-cbc-hmac-sha2.json': ['accepted'],
  'jwe/5_8.key_wrap_using_aes-keywrap_with_aes-gcm.json': ['accepted'],
  'jwe/5_9.compressed_content.json': ['tokens.jwe_compression_refused', { maxInflated: 10_000 }, 'accepted'],
  // Only JSON can be written so. Data that is authenticated beside the header has no place in the compact form.
  'jwe/5_10.including_additional_authentication_data.json': ['tokens.jwe_decryption_failed'],
  // The algorithm is not under protection, or nothing is.
  'jwe/5_11.protecting_specific_header_fields.json': ['tokens.jwe_header_invalid'],
  'jwe/5_12.protecting_content_only.json': ['tokens.jwe_malformed'],
  'jwe/5_13.encrypting_to_multiple_recipients.json': ['tokens.jwe_header_invalid'],
  'curve25519/ecdh-es.json': ['accepted'],
}

// --- JWK ------------------------------------------------------------------------------------------------------------------------

/** For each key: what it is as a key that verifies, signs, authenticates by HMAC, and decrypts. */
const JWKS: Readonly<Record<string, readonly [verifies: string, signs: string, hmac: string, decrypts: string]>> = {
  'jwk/3_1.ec_public_key.json': ['accepted', 'tokens.key_public', 'tokens.key_malformed', 'tokens.key_use'],
  'jwk/3_2.ec_private_key.json': ['tokens.key_private', 'accepted', 'tokens.key_malformed', 'tokens.key_use'],
  'jwk/3_3.rsa_public_key.json': ['accepted', 'tokens.key_public', 'tokens.key_malformed', 'tokens.key_use'],
  'jwk/3_4.rsa_private_key.json': ['tokens.key_private', 'accepted', 'tokens.key_malformed', 'tokens.key_use'],
  'jwk/3_5.symmetric_key_mac_computation.json': [
    'tokens.key_symmetric',
    'tokens.key_symmetric',
    'accepted',
    'tokens.key_unsupported',
  ],
  'jwk/3_6.symmetric_key_encryption.json': ['tokens.key_symmetric', 'tokens.key_symmetric', 'tokens.key_use', 'accepted'],
}

async function roles(jwk: JWK): Promise<readonly string[]> {
  const agreement = jwk.kty === 'RSA' ? 'RSA-OAEP-256' : 'ECDH-ES'
  const tries: readonly (() => unknown)[] = [
    () => importVerificationKey(jwk),
    () => importSigner(jwk),
    () => importHmacKey(jwk),
    () => importDecryptionKey(jwk, jwk.kty === 'oct' ? {} : { alg: agreement }),
  ]
  return Promise.all(
    tries.map((work) =>
      outcome(async () => {
        await work()
        return 'accepted'
      }),
    ),
  )
}

describe('the vectors', () => {
  it.runIf(process.env['CI'] !== undefined)('are there in CI: set PORTCULLIS_VECTORS', () => {
    expect(present).toBe(true)
  })
})

describe.skipIf(!present)('the JOSE cookbook (RFC 7520, RFC 7797, RFC 8037; PORTCULLIS_VECTORS)', () => {
  const nesting = '6.nesting_signatures_and_encryption.json'

  it('has the files that are named here, and no others', () => {
    const root = join(folder ?? '', 'jose-cookbook')
    const found = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.json'))
    expect(found.sort()).toEqual([...Object.keys(JWS), ...Object.keys(JWE), ...Object.keys(JWKS), nesting].sort())
  })

  it.each(Object.entries(JWS))('%s: %j', async (file, expected) => {
    const recipe = read(file)
    const { key, alg, payload } = recipe.input
    const several = Array.isArray(key) ? key : undefined
    const outcomes = compactForms(recipe).map((compact, at) => {
      const named = Array.isArray(alg) ? alg[at] : alg
      return verifyWith(several === undefined ? (key as JWK) : several[at], named, compact, payload!)
    })
    expect(await Promise.all(outcomes)).toEqual(expected)
  })

  it.each(['jws/4_1.rsa_v15_signature.json', 'curve25519/jws.json'])('%s: our signer makes the same signature', async (file) => {
    const { input, output } = read(file)
    const [header, payload, signature] = output.compact!.split('.')
    const signer = await importSigner({ kid: 'k1', ...(input.key as JWK), alg: input.alg as string })
    const made = await signer.sign(Buffer.from(`${header}.${payload}`))
    expect(Buffer.from(made).toString('base64url')).toBe(signature)
    // Where the header is one that we write, it is the same JWS.
    if ((input.key as JWK).kid !== undefined) expect(await signJws(input.payload!, signer)).toBe(output.compact)
  })

  it.each(Object.entries(JWE))('%s: %j', async (file, [byDefault, options, otherwise]) => {
    expect(await decrypt(read(file))).toBe(byDefault)
    if (options !== undefined) expect(await decrypt(read(file), options)).toBe(otherwise)
  })

  it('jwe/5_3: one round more than is allowed is refused before it is done', async () => {
    const file = 'jwe/5_3.key_wrap_using_pbes2-aes-keywrap_with-aes-cbc-hmac-sha2.json'
    const options: Partial<JweDecrypterOptions> = { algorithms: ['PBES2-HS512+A256KW'], maxPbes2Count: 8191 }
    expect(await decrypt(read(file), options)).toBe('tokens.jwe_work_refused')
  })

  it.each(Object.entries(JWKS))('%s: verifies, signs, HMAC, decrypts: %j', async (file, expected) => {
    expect(await roles(read<JWK>(file))).toEqual(expected)
  })

  it(`${nesting}: decrypts, and what is inside verifies; as a token it is refused, since it is for nobody`, async () => {
    const { sign, encrypt } = read<{ readonly sign: Recipe; readonly encrypt: Recipe }>(nesting)
    const keys = createKeySet([await verificationKey(sign.input.key as JWK, 'PS256')])
    const key = await importDecryptionKey(encrypt.input.key as JWK)
    const decrypter = createJweDecrypter({ keys: [key], algorithms: ['RSA-OAEP'] })
    const decrypted = await decrypter.decrypt(encrypt.output.compact!)
    expect(decrypted.ok && decrypted.header.cty).toBe('JWT')
    const inner = Buffer.from(decrypted.ok ? decrypted.plaintext : []).toString()
    expect(inner).toBe(sign.output.compact)
    const verified = await verifyJws(inner, keys)
    expect(verified.ok && Buffer.from(verified.payload).toString()).toBe(sign.input.payload)

    const clock = manualClock(1_300_819_380_000 - 60_000)
    const verifier = createVerifier({ issuer: 'hobbiton.example', audience: 'shire', keys, typ: 'JWT', clock })
    const result = await createNestedVerifier({ decrypter, verifier }).verify(encrypt.output.compact!)
    expect(codeOf(result)).toBe('tokens.audience_mismatch')
  })
})

describe('RFC 8037, appendix A', () => {
  const publicJwk: JWK = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }
  const privateJwk: JWK = { ...publicJwk, d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A' }
  const input = 'eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc'
  const signature = 'hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg'

  it('A.1: the private key is one to sign with', async () => {
    expect((await importSigner({ ...privateJwk, kid: 'k1' })).alg).toBe('EdDSA')
  })

  it('A.2: the public key is one to verify with, and the private one is not', async () => {
    expect((await importVerificationKey(publicJwk)).alg).toBe('EdDSA')
    await expect(importVerificationKey(privateJwk)).rejects.toMatchObject({ code: 'tokens.key_private' })
  })

  it('A.3: the thumbprint, which is what a key ring names its keys by (RFC 7638)', async () => {
    expect(await calculateJwkThumbprint(privateJwk)).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k')
  })

  it('A.4: the signature is made', async () => {
    const signer = await importSigner({ ...privateJwk, kid: 'k1' })
    expect(Buffer.from(await signer.sign(Buffer.from(input))).toString('base64url')).toBe(signature)
  })

  it('A.5: the signature is verified, and no other is', async () => {
    expect(await verifyWith(publicJwk, 'EdDSA', `${input}.${signature}`, 'Example of Ed25519 signing')).toBe('accepted')
    expect(await verifyWith(publicJwk, 'EdDSA', `${input}.${signature.replace('h', 'i')}`, '')).toBe('tokens.signature_invalid')
  })

  it.each(['Ed448', 'X448', 'X25519'])('%s is no curve that we verify with', async (crv) => {
    await expect(importVerificationKey({ ...publicJwk, crv })).rejects.toMatchObject({ code: 'tokens.key_unsupported' })
  })
})
