import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { exportJWK, type JWK } from 'jose'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import {
  createKeySet,
  createVerifier,
  importHmacKey,
  importVerificationKey,
  type KeySource,
  type Verifier,
  verifyJws,
} from '../src/index.ts'
import { b64, codeOf, es256, forge, hmac, manualClock, now, START } from './support.ts'

const issuer = 'https://issuer.example'
const audience = 'https://api.example'
const seconds = START / 1000
const claims = { iss: issuer, aud: audience, sub: 'user-1', client_id: 'web', iat: seconds, exp: seconds + 300, jti: 'j1' }
const header = { alg: 'ES256', typ: 'at+jwt', kid: 'k1' }

let privateKey: KeyObject
let publicJwk: JWK
let keys: KeySource
let verifier: Verifier
let good: string

beforeAll(async () => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  privateKey = pair.privateKey
  publicJwk = { ...(await exportJWK(pair.publicKey)), kid: 'k1' }
  keys = createKeySet([await importVerificationKey(publicJwk)])
  verifier = createVerifier({ issuer, audience, keys, clock: manualClock() })
  good = forge(header, claims, es256(privateKey))
})

function verdict(token: string): string {
  return codeOf(now(verifier.verify(token)))
}

describe('a good token', () => {
  it('is accepted, synchronously, the first time and from the header cache', () => {
    expect(verdict(good)).toBe('accepted')
    expect(verdict(good)).toBe('accepted')
  })
})

describe('the signature', () => {
  it('decides before any claim does (v5.0.0-9.1.1): whoever has no key learns nothing about the claims', () => {
    const forged = (change: object): string => forge(header, { ...claims, ...change }, () => Buffer.alloc(64, 1))
    for (const change of [{}, { exp: 1 }, { iss: 'x' }, { aud: 'x' }, { iat: 'x' }, { jti: undefined }]) {
      expect(verdict(forged(change))).toBe('tokens.signature_invalid')
    }
  })
})

describe("the algorithm is never the token's choice (v5.0.0-9.1.2)", () => {
  it.each(['none', 'None', 'NONE', 'nOnE'])('alg: %s is refused, with or without a signature (CVE-2022-23540)', (alg) => {
    expect(verdict(`${b64({ ...header, alg })}.${b64(claims)}.`)).toBe('tokens.algorithm_refused')
    expect(verdict(forge({ ...header, alg }, claims, es256(privateKey)))).toBe('tokens.algorithm_refused')
  })

  const confusions: readonly (readonly [string, () => string | Uint8Array])[] = [
    ['PEM', () => pem()],
    ['PEM without its last line break', () => pem().trimEnd()],
    ['PEM after white space', () => ` \n${pem()}`],
    ['PEM after junk', () => `junk\n${pem()}`],
    ['DER', () => createPublicKey(privateKey).export({ type: 'spki', format: 'der' })],
    ['JWK as JSON', () => JSON.stringify(publicJwk)],
    ['JWK member x', () => Buffer.from(publicJwk.x!, 'base64url')],
    ['nothing at all', () => ''],
  ]
  it.each(confusions)(
    'HS/RS confusion: the public key as HMAC secret, as %s (fast-jwt CVE-2023-48223, CVE-2026-34950, GHSA-ww5h-9m49-7xx4, GHSA-g3jj-5cmm-3hxx)',
    (_, secret) => {
      for (const kid of ['k1', 'k2', undefined]) {
        const token = forge({ ...header, alg: 'HS256', kid }, claims, hmac(secret()))
        expect(verdict(token)).toBe('tokens.algorithm_refused')
      }
    },
  )

  it('an algorithm that the key is not for is refused, even where it is allowed', () => {
    expect(verdict(forge({ ...header, alg: 'ES384' }, claims, es256(privateKey)))).toBe('tokens.algorithm_refused')
    expect(verdict(forge({ ...header, alg: 'RS256' }, claims, es256(privateKey)))).toBe('tokens.algorithm_refused')
  })

  it('a source that gives the wrong kind of key changes nothing (CVE-2022-23541: a look-up function)', async () => {
    const secret = importHmacKey(Buffer.from(pem()), { alg: 'HS256', kid: 'k1' })
    const confused = createVerifier({ issuer, audience, keys: { kind: 'asymmetric', find: () => secret }, clock: manualClock() })
    expect(codeOf(await confused.verify(forge({ ...header, alg: 'HS256' }, claims, hmac(pem()))))).toBe(
      'tokens.algorithm_refused',
    )
    expect(codeOf(await confused.verify(forge(header, claims, hmac(pem()))))).toBe('tokens.algorithm_refused')
  })

  it('a verifier with secrets takes HMAC alone, and one with public keys never does', async () => {
    const secret = Buffer.alloc(32, 7)
    const secrets = createKeySet([importHmacKey(secret, { alg: 'HS256', kid: 'k1' })])
    const withSecrets = createVerifier({ issuer, audience, keys: secrets, clock: manualClock() })
    expect(codeOf(await withSecrets.verify(forge({ ...header, alg: 'HS256' }, claims, hmac(secret))))).toBe('accepted')
    expect(codeOf(await withSecrets.verify(good))).toBe('tokens.algorithm_refused')
    expect(() => createVerifier({ issuer, audience, keys: secrets, algorithms: ['HS256', 'ES256'] })).toThrow('algorithms')
    expect(() => createVerifier({ issuer, audience, keys, algorithms: ['HS256'] })).toThrow('algorithms')
    expect(() => createVerifier({ issuer, audience, keys, algorithms: ['none' as never] })).toThrow('algorithms')
    expect(() => createVerifier({ issuer, audience, keys, algorithms: [] })).toThrow('algorithms')
  })

  it('nor is the secret: a kid finds a secret among those that were given, and is nothing else (jws GHSA-869p-cjfg-cm3x)', () => {
    const [one, two] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
    const secrets = createKeySet([
      importHmacKey(one, { alg: 'HS256', kid: 'one' }),
      importHmacKey(two, { alg: 'HS256', kid: 'two' }),
    ])
    const withSecrets = createVerifier({ issuer, audience, keys: secrets, clock: manualClock() })
    const check = (kid: string | undefined, secret: string | Uint8Array, extra: object = {}): string =>
      codeOf(now(withSecrets.verify(forge({ ...header, alg: 'HS256', kid, ...extra }, claims, hmac(secret)))))
    expect([check('one', one), check('two', two)]).toEqual(['accepted', 'accepted'])
    expect([check('one', two), check('two', one)]).toEqual(['tokens.signature_invalid', 'tokens.signature_invalid'])
    for (const kid of ['', '../../dev/null', '__proto__', 'constructor', undefined, "' UNION SELECT 'x"]) {
      for (const secret of ['', kid ?? 'undefined', Buffer.alloc(32)]) expect(check(kid, secret)).toBe('tokens.key_unknown')
    }
    expect(check('one', 'k', { secret: 'k', k: 'aw', jwk: { kty: 'oct', k: 'aw' } })).toBe('tokens.signature_invalid')
  })

  it('an allow-list narrows what the keys could do', async () => {
    const narrow = createVerifier({ issuer, audience, keys, algorithms: ['EdDSA'], clock: manualClock() })
    expect(codeOf(await narrow.verify(good))).toBe('tokens.algorithm_refused')
  })
})

describe('the header', () => {
  it('brings no key of its own: jwk, jku, x5u and x5c are never used (v5.0.0-9.1.3)', async () => {
    const thief = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const jwk = await exportJWK(thief.publicKey)
    const fetched = vi.spyOn(globalThis, 'fetch')
    const url = 'https://thief.example/jwks.json'
    for (const extra of [{ jwk }, { jku: url }, { x5u: url }, { x5c: ['MIIB'] }]) {
      expect(verdict(forge({ ...header, ...extra }, claims, es256(thief.privateKey)))).toBe('tokens.signature_invalid')
      expect(verdict(forge({ alg: 'ES256', typ: 'at+jwt', ...extra }, claims, es256(thief.privateKey)))).toBe(
        'tokens.signature_invalid',
      )
    }
    expect(fetched).not.toHaveBeenCalled()
  })

  it.each([
    { crit: ['exp'] },
    { crit: [] },
    { crit: ['unknown'], unknown: 1 },
    { crit: ['b64'], b64: false },
    { crit: null },
    { b64: false },
    { b64: true },
  ])('that demands an extension is refused, under a good signature: %j (fast-jwt CVE-2026-35042)', (extra) => {
    expect(verdict(forge({ ...header, ...extra }, claims, es256(privateKey)))).toBe('tokens.critical_unknown')
  })

  it.each([
    ['{"alg":"ES256","typ":"at+jwt","kid":"k1","alg":"ES256"}', 'tokens.malformed'],
    ['{"alg":"none","\\u0061lg":"ES256","typ":"at+jwt","kid":"k1"}', 'tokens.malformed'],
    ['{"alg":"ES256","typ":"at+jwt","kid":"k1","x":{"a":1,"a":2}}', 'tokens.malformed'],
    ['["ES256"]', 'tokens.malformed'],
    ['"ES256"', 'tokens.malformed'],
    ['null', 'tokens.malformed'],
    ['{}', 'tokens.header_invalid'],
    ['{"alg":["ES256"]}', 'tokens.header_invalid'],
    ['{"alg":"ES256","kid":1}', 'tokens.header_invalid'],
    ['{"alg":"ES256","typ":{}}', 'tokens.header_invalid'],
  ])('%s is refused under a good signature', (text, code) => {
    expect(verdict(forge(text, claims, es256(privateKey)))).toBe(code)
  })

  it('can not pass for an answer of the parser', () => {
    const posing = { ...header, ok: true, reason: { code: 'x' }, header, signature: '', payload: '', signingInput: '' }
    expect(verdict(`${b64(posing)}.${b64(claims)}.${b64(Buffer.alloc(64))}`)).toBe('tokens.signature_invalid')
  })

  it('that is not UTF-8 is refused', () => {
    const bytes = Buffer.concat([
      Buffer.from('{"alg":"ES256","typ":"at+jwt","kid":"k1","x":"'),
      Buffer.from([0xff]),
      Buffer.from('"}'),
    ])
    const input = `${b64(bytes)}.${b64(claims)}`
    expect(verdict(`${input}.${b64(es256(privateKey)(Buffer.from(input)))}`)).toBe('tokens.malformed')
  })

  it('is frozen once it is shared', () => {
    const result = now(verifier.verify(good))
    expect(Object.isFrozen(result.ok && result.header)).toBe(true)
  })
})

describe('one token has one spelling', () => {
  const spellings: readonly (readonly [string, (segments: readonly [string, string, string]) => string])[] = [
    ['padding after the header', ([h, p, s]) => `${h}=.${p}.${s}`],
    ['padding after the claims', ([h, p, s]) => `${h}.${p}=.${s}`],
    ['padding after the signature', ([h, p, s]) => `${h}.${p}.${s}==`],
    ['white space before', ([h, p, s]) => ` ${h}.${p}.${s}`],
    ['white space after', ([h, p, s]) => `${h}.${p}.${s} `],
    ['a line break inside', ([h, p, s]) => `${h}.${p}.${s.slice(0, 9)}\n${s.slice(9)}`],
    ['the other alphabet', ([h, p, s]) => `${h}.${p}.${s.replaceAll('-', '+').replaceAll('_', '/')}`],
    ['characters of no alphabet', ([h, p, s]) => `${h}.${p}.${s}!`],
    ['stray trailing bits', ([h, p, s]) => `${h}.${p}.${stray(s)}`],
    ['one character too many', ([h, p, s]) => `${h}.${p}.${s}AAA`],
    ['a fourth segment', ([h, p, s]) => `${h}.${p}.${s}.`],
    ['no signature', ([h, p]) => `${h}.${p}.`],
    ['no header', ([, p, s]) => `.${p}.${s}`],
    ['two segments', ([h, p]) => `${h}.${p}`],
    ['a wide character with the same low byte', ([h, p, s]) => `${h}.${p}.${widen(s)}`],
  ]
  it.each(spellings)('%s is refused (jose and jsonwebtoken accept some of these)', (_, respell) => {
    // A signature that uses the characters in which the alphabets differ.
    let token = good
    while (!/\.[^.]*[-_][^.]*$/.test(token)) token = forge(header, claims, es256(privateKey))
    const segments = token.split('.') as [string, string, string]
    expect(verdict(token)).toBe('accepted')
    expect(respell(segments)).not.toBe(token)
    expect(verdict(respell(segments))).not.toBe('accepted')
  })

  it('in the claims too: stray bits and padding under a signature that covers them', () => {
    const [h, p] = good.split('.') as [string, string]
    for (const spelled of [`${p}=`, `${p} `, p.length % 4 === 0 ? `${p}A` : stray(p)]) {
      const input = `${h}.${spelled}`
      expect(verdict(`${input}.${b64(es256(privateKey)(Buffer.from(input)))}`)).toBe('tokens.malformed')
    }
  })
})

describe('the claims', () => {
  it.each([
    JSON.stringify(claims).replace('}', `,"exp":${seconds + 999_999}}`),
    JSON.stringify(claims).replace('}', ',"\\u0065xp":1}'),
    JSON.stringify(claims).replace('}', ',"deep":[{"a":1,"b":[{"c":1,"c":1}]}]}'),
    JSON.stringify(claims).replace('}', ',"__proto__":1,"__proto__":2}'),
    JSON.stringify(claims).replace('}', ',"a":1 , "a" : 2}'),
  ])('name no member twice: %s', (text) => {
    expect(verdict(forge(header, text, es256(privateKey)))).toBe('tokens.claims_malformed')
  })

  it.each([
    JSON.stringify(claims, null, 2),
    JSON.stringify(claims).replace('}', ',"a":{"x":1},"b":{"x":1},"c":["x","x"]}'),
    JSON.stringify(claims).replace('}', ',"1":1,"0":1.0,"text":"\\"exp\\":1,\\\\"}'),
  ])('may be written in any other way: %s', (text) => {
    expect(verdict(forge(header, text, es256(privateKey)))).toBe('accepted')
  })

  it.each(['[]', '"x"', 'null', '1', '', '{', 'not json', '\uFEFF{}'])('that are %j are refused', (text) => {
    expect(verdict(forge(header, text, es256(privateKey)))).toBe('tokens.claims_malformed')
  })

  it('that are nested deeply do not break the parser', () => {
    const deep = `{"a":${'['.repeat(2900)}${']'.repeat(2900)}}`
    expect(verdict(forge(header, deep, es256(privateKey)))).toMatch(/^tokens\./)
  })
})

describe('limits', () => {
  it('the length is looked at before anything else', () => {
    const find = vi.fn(() => undefined)
    const counting = createVerifier({ issuer, audience, keys: { kind: 'asymmetric', find }, maxLength: 8192 })
    expect(codeOf(now(counting.verify('x'.repeat(8193))))).toBe('tokens.too_long')
    expect(codeOf(now(counting.verify(`${good}${'A'.repeat(8192)}`)))).toBe('tokens.too_long')
    expect(find).not.toHaveBeenCalled()
  })

  it.each([undefined, null, 1, {}, [good], Buffer.from('x')])('%j is refused and does not throw', (token) => {
    expect(verdict(token as never)).toBe('tokens.malformed')
  })

  it.each([Number.NaN, 0, -1, Number.POSITIVE_INFINITY])('%s is no length', (maxLength) => {
    expect(() => verifyJws(good, keys, { maxLength })).toThrow(expect.objectContaining({ code: 'tokens.options_invalid' }))
  })

  it('a flood of invented headers does not push the real one out of the cache', async () => {
    const parse = vi.spyOn(JSON, 'parse')
    const forgetful = createVerifier({ issuer, audience, keys, cache: false, clock: manualClock() })
    const check = (token: string): string => codeOf(now(forgetful.verify(token)))
    expect(check(good)).toBe('accepted')
    for (let i = 0; i < 1000; i++) check(forge({ ...header, i }, claims, () => Buffer.alloc(64)))
    parse.mockClear()
    expect(check(good)).toBe('accepted')
    // The claims alone.
    expect(parse).toHaveBeenCalledTimes(1)
    parse.mockRestore()
  })
})

describe('a refusal', () => {
  it("never has the token in it (Hono's JWT helper)", () => {
    const bad = [good.slice(0, -4), `${good}=`, forge(header, { ...claims, exp: 1 }, es256(privateKey)), 'secret-but-not-a-token']
    for (const token of bad) {
      const result = now(verifier.verify(token))
      const text = JSON.stringify(result)
      expect(result.ok).toBe(false)
      for (const part of token.split('.')) expect(text).not.toContain(part)
    }
  })
})

describe('verifyJws', () => {
  it('verifies any payload, below the layer of claims', () => {
    const result = now(verifyJws(forge({ alg: 'ES256' }, 'not json', es256(privateKey)), keys))
    expect(result.ok && Buffer.from(result.payload).toString()).toBe('not json')
  })

  it('waits where the source has to', async () => {
    const later: KeySource = { kind: 'asymmetric', find: async (hint) => keys.find(hint) }
    const pending = verifyJws(good, later)
    expect(pending).toBeInstanceOf(Promise)
    expect((await pending).ok).toBe(true)
  })

  it('lets through what fails in the source', async () => {
    const broken: KeySource = { kind: 'asymmetric', find: () => Promise.reject(new TypeError('down')) }
    await expect(verifyJws(good, broken)).rejects.toThrow('down')
  })
})

function pem(): string {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }) as string
}

/** Sets a bit that decoding drops. */
function stray(segment: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return segment.slice(0, -1) + alphabet[alphabet.indexOf(segment.at(-1)!) + 1]
}

function widen(segment: string): string {
  return String.fromCharCode(segment.charCodeAt(0) + 0x100) + segment.slice(1)
}
