import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { exportJWK, type JWK } from 'jose'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import {
  createKeySet,
  createVerifier,
  importVerificationKey,
  type KeySource,
  type VerificationKey,
  type Verifier,
  type VerifierOptions,
} from '../src/index.ts'
import { refused } from '../src/refused.ts'
import { claimsOf, codeOf, es256, forge, manualClock, now, START } from './support.ts'

const issuer = 'https://issuer.example'
const audience = 'https://api.example'
const seconds = START / 1000
const claims = { iss: issuer, aud: audience, sub: 'user-1', client_id: 'web', iat: seconds, exp: seconds + 300, jti: 'j1' }

let privateKey: KeyObject
let publicJwk: JWK

beforeAll(async () => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  privateKey = pair.privateKey
  publicJwk = { ...(await exportJWK(pair.publicKey)), kid: 'k1' }
})

function token(change: object = {}, header: object = {}): string {
  return forge({ alg: 'ES256', typ: 'at+jwt', kid: 'k1', ...header }, { ...claims, ...change }, es256(privateKey))
}

/** A verifier, and how often its key has checked a signature. */
async function counting(options: Partial<VerifierOptions> = {}): Promise<{ verifier: Verifier; checks: () => number }> {
  const key = await importVerificationKey(publicJwk)
  const verify = vi.fn((data: Uint8Array, signature: Uint8Array) => key.verify(data, signature))
  const keys = createKeySet([{ ...key, verify }])
  const verifier = createVerifier({ issuer, audience, keys, clock: manualClock(), ...options })
  return { verifier, checks: () => verify.mock.calls.length }
}

function verdict(verifier: Verifier, text: string): string {
  return codeOf(now(verifier.verify(text)))
}

describe('a verifier', () => {
  it('checks the signature of one token once', async () => {
    const { verifier, checks } = await counting()
    const text = token()
    for (let n = 0; n < 5; n++) expect(verdict(verifier, text)).toBe('accepted')
    expect(checks()).toBe(1)
  })

  it('checks it each time with cache: false', async () => {
    const { verifier, checks } = await counting({ cache: false })
    const text = token()
    for (let n = 0; n < 5; n++) expect(verdict(verifier, text)).toBe('accepted')
    expect(checks()).toBe(5)
  })

  it('remembers nothing that it refused', async () => {
    const { verifier, checks } = await counting()
    const forged = forge({ alg: 'ES256', typ: 'at+jwt', kid: 'k1' }, claims, () => Buffer.alloc(64, 1))
    for (let n = 0; n < 3; n++) expect(verdict(verifier, forged)).toBe('tokens.signature_invalid')
    expect(checks()).toBe(3)
    const elsewhere = token({ aud: 'https://other.example' })
    for (let n = 0; n < 3; n++) expect(verdict(verifier, elsewhere)).toBe('tokens.audience_mismatch')
  })

  it.each([
    ['exp, with iat', {}, 305, 'tokens.expired'],
    ['exp, without iat (fast-jwt 6.3.2 accepted it)', { iat: undefined }, 305, 'tokens.expired'],
    ['nbf, when the clock is set back', { nbf: seconds }, -6, 'tokens.not_active'],
    ['iat, when the clock is set back', {}, -6, 'tokens.issued_in_future'],
  ])('asks the time of a remembered token again: %s', async (_, change, later, code) => {
    const clock = manualClock()
    const { verifier, checks } = await counting({ clock, typ: null })
    const text = forge({ alg: 'ES256', kid: 'k1' }, { ...claims, ...change }, es256(privateKey))
    expect(verdict(verifier, text)).toBe('accepted')
    clock.advance(later)
    expect(verdict(verifier, text)).toBe(code)
    expect(checks()).toBe(1)
  })

  it('asks about revocation each time', async () => {
    let revoked = false
    const check = vi.fn(() => (revoked ? refused('tokens.revoked', 'revoked') : undefined))
    const { verifier, checks } = await counting({ revocations: { check } })
    const text = token()
    expect(verdict(verifier, text)).toBe('accepted')
    revoked = true
    expect(verdict(verifier, text)).toBe('tokens.revoked')
    revoked = false
    expect(verdict(verifier, text)).toBe('accepted')
    expect([checks(), check.mock.calls.length]).toEqual([1, 3])
  })

  it('remembers a token by all of it: two with one signature, or one header, are two (fast-jwt CVE-2026-35039)', async () => {
    const { verifier } = await counting()
    const [good, other] = [token(), token({ sub: 'user-2', jti: 'j2' })]
    expect(claimsOf(now(verifier.verify(good)))['sub']).toBe('user-1')
    expect(claimsOf(now(verifier.verify(other)))['sub']).toBe('user-2')
    const [header, payload] = other.split('.')
    const signature = good.split('.')[2]
    expect(verdict(verifier, `${header}.${payload}.${signature}`)).toBe('tokens.signature_invalid')
    expect(verdict(verifier, `${good}A`)).not.toBe('accepted')
    expect(verdict(verifier, good.slice(0, -1))).not.toBe('accepted')
  })

  it('does not take what another verifier has found good (lua-resty-openidc 1.9.0)', async () => {
    const key = await importVerificationKey(publicJwk)
    const keys = createKeySet([key])
    const clock = manualClock()
    const lax = createVerifier({ issuer, audience: [audience, 'https://other.example'], keys, clock })
    const strict = createVerifier({ issuer, audience, keys, clock, requiredClaims: ['tenant'] })
    const elsewhere = token({ aud: 'https://other.example' })
    const homeless = token()
    expect([verdict(lax, elsewhere), verdict(lax, homeless)]).toEqual(['accepted', 'accepted'])
    expect([verdict(strict, elsewhere), verdict(strict, homeless)]).toEqual(['tokens.audience_mismatch', 'tokens.claim_missing'])
  })

  it('forgets its tokens with their key', async () => {
    const key = await importVerificationKey(publicJwk)
    let current: VerificationKey | undefined = key
    const keys: KeySource = { kind: 'asymmetric', find: () => current }
    const verifier = createVerifier({ issuer, audience, keys, clock: manualClock() })
    const text = token()
    expect(verdict(verifier, text)).toBe('accepted')
    current = undefined
    expect(verdict(verifier, text)).toBe('tokens.key_unknown')
    // Another key under the same name did not sign it.
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
    current = await importVerificationKey({ ...(await exportJWK(stranger)), kid: 'k1' })
    expect(verdict(verifier, text)).toBe('tokens.signature_invalid')
    current = key
    expect(verdict(verifier, text)).toBe('accepted')
  })

  it('asks a source that has to fetch before it takes a remembered token', async () => {
    const key = await importVerificationKey(publicJwk)
    let answer: VerificationKey | undefined | Promise<VerificationKey | undefined> = key
    const verifier = createVerifier({
      issuer,
      audience,
      keys: { kind: 'asymmetric', find: () => answer },
      clock: manualClock(),
    })
    const text = token()
    expect(verdict(verifier, text)).toBe('accepted')
    answer = Promise.resolve(key)
    expect(codeOf(await verifier.verify(text))).toBe('accepted')
    answer = Promise.resolve(undefined)
    expect(codeOf(await verifier.verify(text))).toBe('tokens.key_unknown')
    answer = Promise.reject(new Error('the issuer is away'))
    await expect(verifier.verify(text)).rejects.toThrow('away')
  })

  it('gives claims that nobody can change for the next caller', async () => {
    const { verifier } = await counting()
    const text = token({ roles: ['viewer'], address: { city: 'Ulm' } })
    const first = claimsOf(now(verifier.verify(text))) as any
    expect(() => {
      first.sub = 'user-2'
    }).toThrow(TypeError)
    expect(() => first.roles.push('owner')).toThrow(TypeError)
    expect(() => {
      first.address.city = 'Bonn'
    }).toThrow(TypeError)
    expect(claimsOf(now(verifier.verify(text)))).toMatchObject({ sub: 'user-1', roles: ['viewer'], address: { city: 'Ulm' } })
  })
})

describe('what a verifier remembers', () => {
  it('is bounded in tokens, and what was used lately stays', async () => {
    const { verifier, checks } = await counting({ cache: { maxEntries: 10 } })
    const used = token()
    expect(verdict(verifier, used)).toBe('accepted')
    const others = Array.from({ length: 40 }, (_, n) => token({ jti: `other-${n}` }))
    for (const other of others) {
      expect(verdict(verifier, other)).toBe('accepted')
      expect(verdict(verifier, used)).toBe('accepted')
    }
    expect(checks()).toBe(41)
    // Of 40 others, no more than the bound can be left.
    for (const other of others.toReversed()) verdict(verifier, other)
    expect(checks() - 41).toBeGreaterThanOrEqual(30)
  })

  it('is bounded in bytes', async () => {
    const { verifier, checks } = await counting({ cache: { maxEntries: 1000, maxBytes: 16_000 } })
    const texts = Array.from({ length: 40 }, (_, n) => token({ jti: `${n}`, note: 'x'.repeat(1000) }))
    for (const text of texts) verdict(verifier, text)
    for (const text of texts.toReversed()) verdict(verifier, text)
    expect(checks()).toBeGreaterThanOrEqual(40 + 34)
    // A token that is larger than its half of the room is verified, and not kept.
    const large = token({ note: 'x'.repeat(5600) })
    const before = checks()
    expect([verdict(verifier, large), verdict(verifier, large)]).toEqual(['accepted', 'accepted'])
    expect(checks() - before).toBe(2)
  })

  it('is not pushed out by tokens that are refused', async () => {
    const { verifier, checks } = await counting({ cache: { maxEntries: 4 } })
    const text = token()
    expect(verdict(verifier, text)).toBe('accepted')
    for (let n = 0; n < 100; n++)
      verdict(
        verifier,
        forge({ alg: 'ES256', typ: 'at+jwt', kid: 'k1' }, claims, () => Buffer.alloc(64, n + 1)),
      )
    const before = checks()
    expect(verdict(verifier, text)).toBe('accepted')
    expect(checks()).toBe(before)
  })

  it.each([{ maxEntries: 0 }, { maxEntries: Number.NaN }, { maxBytes: -1 }, { maxBytes: Number.POSITIVE_INFINITY }])(
    '%j is no bound',
    async (cache) => {
      await expect(counting({ cache })).rejects.toThrow(expect.objectContaining({ code: 'tokens.options_invalid' }))
    },
  )
})
