import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { fromDer, toDer } from '../src/ecdsa-signature.ts'

describe.each([
  ['P-256', 32, 'sha256'],
  ['P-384', 48, 'sha384'],
  ['P-521', 66, 'sha512'],
])('a signature on %s', (namedCurve, half, hash) => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve })

  it('is the same in both forms, whatever it begins with: 300 of them', () => {
    for (let n = 0; n < 300; n++) {
      const data = randomBytes(20)
      const der = sign(hash, data, privateKey)
      const jws = fromDer(der, half)
      expect(jws.length).toBe(2 * half)
      expect(verify(hash, data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, jws)).toBe(true)
      expect(Buffer.from(toDer(jws))).toEqual(der)
    }
  })

  it.each([
    ['zero', Buffer.alloc(2 * half)],
    ['a small number with a leading one', Buffer.concat([Buffer.alloc(half - 1), Buffer.of(0x80), Buffer.alloc(half, 0x7f)])],
    ['all ones', Buffer.alloc(2 * half, 0xff)],
  ])('is translated there and back when R or S is %s, and is not a good one', (_, jws) => {
    const der = toDer(jws)
    expect(Buffer.from(fromDer(der, half))).toEqual(jws)
    expect(verify(hash, Buffer.from('x'), publicKey, der)).toBe(false)
  })
})
