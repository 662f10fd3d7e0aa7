import { randomBytes } from 'node:crypto'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { type Claims, decodeUnsafe, principalFromClaims, type VerifyResult } from '../src/index.ts'
import { b64, codeOf } from './support.ts'

const header = { alg: 'ES256', kid: 'k1' }
const claims = { sub: 'user-1', exp: 1 }
const token = `${b64(header)}.${b64(claims)}.AAAA`

describe('decodeUnsafe', () => {
  it('reads header and claims, and verifies nothing', () => {
    expect(decodeUnsafe(token)).toEqual({ ok: true, unverified: { header, claims } })
    expect(decodeUnsafe(`${b64({ alg: 'none' })}.${b64(claims)}.`)).toMatchObject({ ok: true })
  })

  it('has nothing where a verifier has its claims, neither for the compiler nor at run time', () => {
    const decoded = decodeUnsafe(token)
    expect(decoded).not.toHaveProperty('claims')
    if (!decoded.ok) throw new TypeError('refused')
    expectTypeOf(decoded.unverified.claims).not.toExtend<Claims>()
    expectTypeOf(decoded).not.toExtend<VerifyResult>()
    // @ts-expect-error: nobody has verified these.
    principalFromClaims(decoded.unverified.claims)
  })

  it.each([
    ['', 'tokens.malformed'],
    ['a.b', 'tokens.malformed'],
    ['a.b.c.d.e', 'tokens.malformed'],
    [`${b64(header)}=.${b64(claims)}.AAAA`, 'tokens.malformed'],
    [`${b64(header)}.${b64(claims)}. AAAA`, 'tokens.malformed'],
    [`${b64('{"alg":"a","alg":"b"}')}.${b64(claims)}.AAAA`, 'tokens.malformed'],
    [`${b64({})}.${b64(claims)}.AAAA`, 'tokens.header_invalid'],
    [`${b64({ ...header, crit: ['b64'] })}.${b64(claims)}.AAAA`, 'tokens.critical_unknown'],
    [`${b64(header)}.${b64('{"sub":1,"sub":2}')}.AAAA`, 'tokens.claims_malformed'],
    [`${b64(header)}.${b64('[]')}.AAAA`, 'tokens.claims_malformed'],
    ['x'.repeat(8193), 'tokens.too_long'],
  ])('refuses %s as %s', (text, code) => {
    expect(codeOf(decodeUnsafe(text))).toBe(code)
  })

  it.each([undefined, null, 1, {}, [token], Buffer.from(token)])('does not throw for %j', (garbage) => {
    expect(codeOf(decodeUnsafe(garbage as never))).toBe('tokens.malformed')
  })

  it('does not throw for garbage of any length', () => {
    for (let length = 0; length < 300; length++) {
      const garbage = [randomBytes(length), randomBytes(length), randomBytes(length)].map(b64).join('.')
      expect(decodeUnsafe(garbage).ok).toBe(false)
      expect(decodeUnsafe(randomBytes(length).toString('latin1')).ok).toBe(false)
    }
  })

  it('looks at no more than it is told', () => {
    expect(codeOf(decodeUnsafe(token, token.length))).toBe('accepted')
    expect(codeOf(decodeUnsafe(token, token.length - 1))).toBe('tokens.too_long')
  })
})
