import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import {
  createKeySet,
  createTokenIssuer,
  createVerifier,
  importHmacKey,
  importSigner,
  importVerificationKey,
  type KeySource,
  type Signer,
  type Verifier,
  type VerifierOptions,
} from '../src/index.ts'
import { b64, claimsOf, codeOf, forge, hmac, manualClock, now, START, testKey } from './support.ts'

/*
 * Holes that were published in somebody's library, or found in one. Each has a test that names it. Where that test stands beside
 * others of its kind, the list below says in which file, and holds it to its name; what stands nowhere else is tested here.
 */

const issuer = 'https://issuer.example'
const audience = 'https://api.example'
const seconds = START / 1000
const claims = { iss: issuer, aud: audience, sub: 'user-1', client_id: 'web', iat: seconds, exp: seconds + 300, jti: 'j1' }

let signer: Signer
let keys: KeySource

beforeAll(async () => {
  const { publicJwk, privateJwk } = await testKey('ES256', 'k1')
  signer = await importSigner(privateJwk)
  keys = createKeySet([await importVerificationKey(publicJwk)])
})

function verifier(options: Partial<VerifierOptions> = {}): Verifier {
  return createVerifier({ issuer, audience, keys, clock: manualClock(), ...options })
}

function token(payload: object = claims, header: object = {}): string {
  return forge({ alg: 'ES256', typ: 'at+jwt', kid: 'k1', ...header }, payload, (input) => signer.sign(input) as Uint8Array)
}

describe('every attack that is known to us has a test that names it', () => {
  const folder = new URL('.', import.meta.url)
  const sources = new Map(
    readdirSync(folder)
      .filter((file) => file.endsWith('.test.ts'))
      .map((file) => [file, readFileSync(new URL(file, folder), 'utf8')]),
  )

  it.each([
    ['jsonwebtoken CVE-2022-23540: none by default', 'jws.test.ts', 'CVE-2022-23540'],
    ['jsonwebtoken CVE-2022-23541: HS/RS confusion through a key look-up', 'jws.test.ts', 'CVE-2022-23541'],
    ['fast-jwt CVE-2023-48223: a public PEM as secret', 'jws.test.ts', 'CVE-2023-48223'],
    ['fast-jwt CVE-2026-34950: a PEM after white space', 'jws.test.ts', 'CVE-2026-34950'],
    ['fast-jwt GHSA-ww5h-9m49-7xx4: a PEM after junk', 'jws.test.ts', 'GHSA-ww5h-9m49-7xx4'],
    ['fast-jwt GHSA-g3jj-5cmm-3hxx: a raw JWK as secret', 'jws.test.ts', 'GHSA-g3jj-5cmm-3hxx'],
    ['fast-jwt GHSA-gmvf-9v4p-v8jc: an empty secret', 'keys.test.ts', 'GHSA-gmvf-9v4p-v8jc'],
    ['fast-jwt GHSA-8wpc-h4q6-8fxv: a falsy key', 'keys.test.ts', 'GHSA-8wpc-h4q6-8fxv'],
    ['fast-jwt CVE-2026-35042: an unknown crit', 'jws.test.ts', 'CVE-2026-35042'],
    ['fast-jwt CVE-2026-35041: a RegExp audience that runs away', 'verifier.test.ts', 'CVE-2026-35041'],
    ['fast-jwt CVE-2026-35039: two tokens with one cache key', 'attacks.test.ts', 'CVE-2026-35039'],
    ['fast-jwt 6.3.2: a cached token without iat', 'attacks.test.ts', 'fast-jwt 6.3.2'],
    ['lua-resty-openidc 1.9.0: a cache hit skips a stricter check', 'verifier.test.ts', 'lua-resty-openidc 1.9.0'],
    ['get-jwks before 11.0.2: a JWKS cache poisoned across issuers', 'remote-jwks.test.ts', 'get-jwks before 11.0.2'],
    ['jwkset GHSA-675f-rq2r-jw82: a key that was taken out is still trusted', 'remote-jwks.test.ts', 'GHSA-675f-rq2r-jw82'],
    ['jwks-rsa #49: a flood of unknown kids', 'remote-jwks.test.ts', 'jwks-rsa #49'],
    ['jws GHSA-869p-cjfg-cm3x: the secret is chosen by the token', 'attacks.test.ts', 'GHSA-869p-cjfg-cm3x'],
    ['jose CVE-2024-28176: a JWE that inflates', 'jwe.test.ts', 'compressed content (jose CVE-2024-28176)'],
    ['jose CVE-2024-28176 and its kin: a huge p2c', 'jwe.test.ts', 'cost no round beyond the most (jose CVE-2024-28176'],
    [
      'jose, jsonwebtoken: one token, many spellings',
      'jws.test.ts',
      '%s is refused (jose and jsonwebtoken accept some of these)',
    ],
    [
      'jose, jsonwebtoken: keys with a wrong use or key_ops, exponent 1',
      'keys.test.ts',
      '(jose and jsonwebtoken take some of these)',
    ],
    ["Hono's JWT helper: the token in the error", 'jws.test.ts', "Hono's JWT helper"],
    ['pac4j-jwt CVE-2026-29000: an unsigned token in a JWE', 'nested.test.ts', 'CVE-2026-29000'],
    ['node-jose CVE-2017-16007: an ephemeral key off its curve', 'jwe.test.ts', 'CVE-2017-16007'],
    ['v5.0.0-9.1.1: the signature first', 'attacks.test.ts', "'v5.0.0-9.1.1 "],
    ['v5.0.0-9.1.2: algorithms by an allow-list', 'jws.test.ts', 'v5.0.0-9.1.2'],
    ['v5.0.0-9.1.3: no key out of a token', 'jws.test.ts', 'v5.0.0-9.1.3'],
    ['v5.0.0-9.2.1: within its time', 'verifier.test.ts', 'v5.0.0-9.2.1'],
    ['v5.0.0-9.2.2: of the right kind', 'verifier.test.ts', 'v5.0.0-9.2.2'],
    ['v5.0.0-9.2.3: for this audience', 'verifier.test.ts', 'v5.0.0-9.2.3'],
    ['v5.0.0-9.2.4: an audience of its own for each service', 'attacks.test.ts', "'v5.0.0-9.2.4 "],
  ])('%s (%s)', (_, file, name) => {
    const titles = (sources.get(file) ?? '').split('\n').filter((line) => /\b(it|describe)\b|\)\(|^ +\[?['"]/.test(line))
    const named = titles.filter((line) => line.includes(name) && !line.includes(`'${file}'`))
    expect(named).not.toEqual([])
  })
})

describe('what is remembered of a token', () => {
  it('is not its verdict: after exp it is refused, also without iat (fast-jwt 6.3.2)', () => {
    const clock = manualClock()
    const { iat: _, ...withoutIat } = claims
    const loose = verifier({ typ: null, clock, clockTolerance: 0 })
    const text = token(withoutIat)
    for (let time = 0; time < 3; time++) expect(codeOf(now(loose.verify(text)))).toBe('accepted')
    clock.advance(300)
    for (let time = 0; time < 3; time++) expect(codeOf(now(loose.verify(text)))).toBe('tokens.expired')
    clock.advance(-300)
    expect(codeOf(now(loose.verify(text)))).toBe('accepted')
  })

  it('is nothing of another token: two that share a part have each their own verdict and claims (fast-jwt CVE-2026-35039)', () => {
    const one = verifier()
    const [first, second] = [token(), token({ ...claims, sub: 'user-2' })]
    const [header, payload, signature] = first.split('.')
    const [, otherPayload, otherSignature] = second.split('.')
    for (let time = 0; time < 3; time++) {
      expect(claimsOf(now(one.verify(first)))['sub']).toBe('user-1')
      expect(claimsOf(now(one.verify(second)))['sub']).toBe('user-2')
      expect(codeOf(now(one.verify(`${header}.${payload}.${otherSignature}`)))).toBe('tokens.signature_invalid')
      expect(codeOf(now(one.verify(`${header}.${otherPayload}.${signature}`)))).toBe('tokens.signature_invalid')
      expect(codeOf(now(one.verify(`${header}.${payload}.${b64(Buffer.alloc(64))}`)))).toBe('tokens.signature_invalid')
    }
  })

  it('is nothing that a caller can change: the next one reads the claims as they were signed', () => {
    const one = verifier()
    const text = token({ ...claims, roles: ['reader'] })
    const mine = claimsOf(now(one.verify(text)))
    try {
      mine['sub'] = 'admin'
      ;(mine['roles'] as string[]).push('admin')
    } catch {
      // Frozen is as good.
    }
    expect(claimsOf(now(one.verify(text)))).toMatchObject({ sub: 'user-1', roles: ['reader'] })
  })

  it('is not its key: one that is gone is gone for a token that was accepted before (jwkset GHSA-675f-rq2r-jw82)', () => {
    let present = true
    const leaving: KeySource = { kind: 'asymmetric', find: (hint) => (present ? keys.find(hint) : undefined) as undefined }
    const one = verifier({ keys: leaving })
    const text = token()
    expect(codeOf(now(one.verify(text)))).toBe('accepted')
    present = false
    expect(codeOf(now(one.verify(text)))).toBe('tokens.key_unknown')
  })
})

describe('what a token says about its own key', () => {
  it('chooses among the keys that are there, and makes none (jws GHSA-869p-cjfg-cm3x: the secret is chosen by the token)', () => {
    const find = vi.fn(keys.find)
    const one = verifier({ keys: { kind: 'asymmetric', find } })
    expect(codeOf(now(one.verify(token({ ...claims, secret: 'mine' }))))).toBe('accepted')
    // Whoever looks keys up sees nothing of the claims.
    expect(JSON.stringify(find.mock.calls)).not.toMatch(/mine|user-1/)
    const secret = Buffer.alloc(32, 7)
    const secrets = verifier({ keys: createKeySet([importHmacKey(secret, { alg: 'HS256', kid: 'k1' })]) })
    const header = { alg: 'HS256', typ: 'at+jwt' }
    expect(codeOf(now(secrets.verify(forge({ ...header, kid: 'k1' }, claims, hmac(secret)))))).toBe('accepted')
    for (const kid of ['', 'mine', '/dev/null', '../../k1', "k1' UNION SELECT 'mine", '__proto__', 'constructor']) {
      for (const mine of ['', 'mine', kid]) {
        const forged = forge({ ...header, kid }, { ...claims, secret: mine }, hmac(mine))
        expect(codeOf(now(secrets.verify(forged)))).toBe('tokens.key_unknown')
      }
    }
  })

  it('is not fetched: a token that names a URL causes no request (v5.0.0-9.1.3)', async () => {
    let requests = 0
    const server = createServer((_, answer) => {
      requests += 1
      answer.end('{"keys":[]}')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const url = `http://127.0.0.1:${port}/jwks.json`
    for (const extra of [{ jku: url }, { x5u: url }, { kid: url }, { jku: url, kid: 'k2' }])
      await verifier().verify(token(claims, extra))
    await new Promise((resolve) => server.close(resolve))
    expect(requests).toBe(0)
  })
})

describe('v5.0.0-5.0, chapter 9', () => {
  it('v5.0.0-9.1.1 the signature is checked before what the claims say, and before anybody else is asked about them', () => {
    const check = vi.fn(() => undefined)
    const one = verifier({ revocations: { check } })
    for (const change of [
      {},
      { exp: 1 },
      { iss: 'https://other.example' },
      { aud: 'other' },
      { nbf: seconds + 999 },
      { sub: 1 },
    ]) {
      const [header, , signature] = token().split('.')
      const forged = `${header}.${b64({ ...claims, ...change, x: 1 })}.${signature}`
      expect(codeOf(now(one.verify(forged)))).toBe('tokens.signature_invalid')
    }
    expect(check).not.toHaveBeenCalled()
    expect(codeOf(now(one.verify(token())))).toBe('accepted')
    expect(check).toHaveBeenCalledTimes(1)
  })

  it('v5.0.0-9.2.4 one key signs for many: each token names its audience, and is good there and nowhere else', async () => {
    const tokens = createTokenIssuer({ issuer, signer: () => signer, clock: manualClock() })
    const request = { subject: 'user-1', clientId: 'web', scopes: [] }
    const services = ['https://api.example', 'https://billing.example', 'https://mail.example']
    for (const mine of services) {
      const { token: text } = await tokens.accessToken({ ...request, audience: mine })
      for (const other of services) {
        const expected = other === mine ? 'accepted' : 'tokens.audience_mismatch'
        expect(codeOf(now(verifier({ audience: other }).verify(text)))).toBe(expected)
      }
    }
    await expect(tokens.accessToken({ ...request, audience: [] })).rejects.toMatchObject({ code: 'tokens.claim_invalid' })
  })
})
