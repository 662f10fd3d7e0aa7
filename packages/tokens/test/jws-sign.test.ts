import { compactVerify, importJWK } from 'jose'
import { describe, expect, it, vi } from 'vitest'
import { createKeySet, importSigner, importVerificationKey, type Signer, signJws, TokenError, verifyJws } from '../src/index.ts'
import { now, testKey } from './support.ts'

const { publicJwk, privateJwk } = await testKey('ES256', 'k1')
const signer = await importSigner(privateJwk)
const keys = createKeySet([await importVerificationKey(publicJwk)])

function headerOf(compact: string): unknown {
  return JSON.parse(Buffer.from(compact.split('.')[0]!, 'base64url').toString())
}

describe('signing any payload', () => {
  it.each([
    ['a text', 'Zahl: ½', Buffer.from('Zahl: ½')],
    ['bytes', Uint8Array.of(0, 255, 10), Buffer.of(0, 255, 10)],
    ['a window onto other bytes', Buffer.from('xxpayloadxx').subarray(2, 9), Buffer.from('payload')],
    ['nothing', '', Buffer.alloc(0)],
  ])('%s: our verifier and jose read what was signed', async (_, payload, expected) => {
    const compact = await signJws(payload, signer)
    const result = now(verifyJws(compact, keys))
    expect(result.ok && Buffer.from(result.payload)).toEqual(expected)
    const read = await compactVerify(compact, await importJWK(publicJwk))
    expect(Buffer.from(read.payload)).toEqual(expected)
  })

  it.each(['ES384', 'ES512', 'RS256', 'PS512', 'EdDSA'] as const)('%s', async (alg) => {
    const other = await testKey(alg)
    const compact = await signJws('payload', await importSigner(other.privateJwk))
    expect((await verifyJws(compact, createKeySet([await importVerificationKey(other.publicJwk)]))).ok).toBe(true)
    expect((await compactVerify(compact, await importJWK(other.publicJwk))).protectedHeader).toEqual({ alg, kid: 'k1' })
  })

  it('has the header that the signer and the caller say, the same each time', async () => {
    for (let time = 0; time < 2; time++) {
      expect(headerOf(await signJws('p', signer))).toEqual({ alg: 'ES256', kid: 'k1' })
      expect(headerOf(await signJws('p', signer, { header: { typ: 'receipt' } }))).toEqual({
        alg: 'ES256',
        kid: 'k1',
        typ: 'receipt',
      })
      const header = { typ: 'receipt', cty: 'json', 'x5t#S256': 'abc', depth: { a: [1] } }
      expect(headerOf(await signJws('p', signer, { header }))).toEqual({ alg: 'ES256', kid: 'k1', ...header })
    }
  })

  it('does not mix up two signers of one process', async () => {
    const other = await importSigner({ ...(await testKey('EdDSA')).privateJwk, kid: 'k2' })
    const both = await Promise.all([signer, other, signer].map((one) => signJws('p', one, { header: { typ: 'receipt' } })))
    expect(both.map(headerOf)).toMatchObject([{ kid: 'k1' }, { kid: 'k2', alg: 'EdDSA' }, { kid: 'k1' }])
  })

  it('keeps no header for each kind that a caller makes up', async () => {
    const encode = vi.spyOn(JSON, 'stringify')
    for (let kind = 0; kind < 100; kind++) await signJws('p', signer, { header: { typ: `kind-${kind}` } })
    encode.mockClear()
    await signJws('p', signer, { header: { typ: 'kind-99' } })
    expect(encode).toHaveBeenCalledTimes(1)
    encode.mockRestore()
  })

  it.each(['alg', 'kid', 'crit', 'b64', 'jku', 'jwk', 'x5u', 'x5c'])('lets no caller set %s', async (name) => {
    for (const header of [{ [name]: 'x' }, { typ: 'receipt', [name]: 'x' }, { [name]: undefined }]) {
      const error = await signJws('p', signer, { header }).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(TokenError)
      expect(error).toMatchObject({ code: 'tokens.header_reserved' })
    }
  })

  it.each([{ typ: 1 }, { typ: null }, { cty: {} }])('refuses %j', async (header) => {
    await expect(signJws('p', signer, { header: header as never })).rejects.toMatchObject({ code: 'tokens.options_invalid' })
  })

  it('takes a signer that answers later, as a key management service does, and lets its failure through', async () => {
    const remote: Signer = { kid: 'k1', alg: 'ES256', sign: async (data) => signer.sign(data) }
    expect((await verifyJws(await signJws('p', remote), keys)).ok).toBe(true)
    const broken: Signer = { ...remote, sign: () => Promise.reject(new TypeError('down')) }
    await expect(signJws('p', broken)).rejects.toThrow('down')
  })
})
