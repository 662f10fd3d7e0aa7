import { createCipheriv, randomBytes } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import { CompactEncrypt, type JWK } from 'jose'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  createJweDecrypter,
  type DecryptionKey,
  encryptJwe,
  importDecryptionKey,
  importEncryptionKey,
  type JweAlgorithm,
  type JweDecrypterOptions,
  type JweEncryption,
  TokenError,
} from '../src/index.ts'
import { encryptionPair, oct } from './jwe-support.ts'
import { b64, codeOf, type TestKey } from './support.ts'

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

afterEach(() => {
  vi.restoreAllMocks()
})

/** A JWE as an attacker who shares the secret would put it together: every part is free, and it authenticates. */
function forgeJwe(header: string | object, content: Uint8Array = text): string {
  const protectedHeader = b64(header)
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', secret, iv).setAAD(Buffer.from(protectedHeader))
  const ciphertext = Buffer.concat([cipher.update(content), cipher.final()])
  return `${protectedHeader}..${b64(iv)}.${b64(ciphertext)}.${b64(cipher.getAuthTag())}`
}

async function verdict(compact: string, options: Partial<JweDecrypterOptions> = {}): Promise<string> {
  const keys = options.keys ?? [await importDecryptionKey(direct)]
  return codeOf(await createJweDecrypter({ ...options, keys }).decrypt(compact))
}

/** A key that counts how often it has to work. */
function counting(alg: JweAlgorithm, kid: string | undefined = 'k1', enc?: JweEncryption): DecryptionKey {
  return { kid, alg, enc, decrypt: vi.fn(async () => new Uint8Array(text)) }
}

describe('options', () => {
  it.each([
    { keys: [] },
    { keys: undefined },
    { maxLength: 0 },
    { maxLength: Number.NaN },
    { maxPbes2Count: Number.POSITIVE_INFINITY },
    { maxPbes2Count: 0 },
    { maxInflated: Number.POSITIVE_INFINITY },
    { maxInflated: -1 },
    { algorithms: [] },
    { algorithms: ['RSA1_5'] },
    { algorithms: ['none'] },
    { encryptions: [] },
    { encryptions: ['A128CBC'] },
  ])('%j are a mistake', (change) => {
    const options = { keys: [counting('A256KW')], ...change } as never
    expect(() => createJweDecrypter(options)).toThrow(TokenError)
  })

  it.each(['RSA-OAEP', 'PBES2-HS256+A128KW', 'PBES2-HS384+A192KW', 'PBES2-HS512+A256KW'] as const)(
    '%s has to be named',
    (alg) => {
      expect(() => createJweDecrypter({ keys: [counting(alg)] })).toThrow(alg)
      expect(() => createJweDecrypter({ keys: [counting(alg)], algorithms: [alg] })).not.toThrow()
    },
  )

  it('two keys of one kid are a mistake', () => {
    expect(() => createJweDecrypter({ keys: [counting('A256KW'), counting('A128KW')] })).toThrow('kid')
  })
})

describe('a JWE is refused before there is work to do', () => {
  const good = { alg: 'A256KW', enc: 'A256GCM', kid: 'k1' }
  const zip = { ...good, zip: 'DEF' }
  const password = { alg: 'PBES2-HS256+A128KW', enc: 'A256GCM', kid: 'p1', p2s: b64(Buffer.alloc(16)) }
  const cases: readonly (readonly [string, unknown, string])[] = [
    ['an algorithm that no key is for', { ...good, alg: 'A128KW' }, 'tokens.jwe_algorithm_refused'],
    ['RSA1_5 (RFC 8725 §3.2)', { ...good, alg: 'RSA1_5' }, 'tokens.jwe_algorithm_refused'],
    ['RSA-OAEP, which nobody named', { ...good, alg: 'RSA-OAEP' }, 'tokens.jwe_algorithm_refused'],
    ['alg: none', { ...good, alg: 'none' }, 'tokens.jwe_algorithm_refused'],
    [
      'an algorithm that is not allowed, of a key that is not known',
      { ...good, alg: 'RSA1_5', kid: 'other' },
      'tokens.jwe_algorithm_refused',
    ],
    ['a signature algorithm', { ...good, alg: 'HS256' }, 'tokens.jwe_algorithm_refused'],
    ['another letter case', { ...good, alg: 'a256kw' }, 'tokens.jwe_algorithm_refused'],
    ['dir with the wrapping key', { ...good, alg: 'dir' }, 'tokens.jwe_algorithm_refused'],
    ['an algorithm like a method', { ...good, alg: 'constructor' }, 'tokens.jwe_algorithm_refused'],
    ['a content encryption without authentication', { ...good, enc: 'A128CBC' }, 'tokens.jwe_encryption_refused'],
    ['no alg', { enc: 'A256GCM' }, 'tokens.jwe_header_invalid'],
    ['no enc', { alg: 'A256KW' }, 'tokens.jwe_header_invalid'],
    ['alg as array', { ...good, alg: ['A256KW'] }, 'tokens.jwe_header_invalid'],
    ['kid as number', { ...good, kid: 1 }, 'tokens.jwe_header_invalid'],
    ['cty as array', { ...good, cty: ['JWT'] }, 'tokens.jwe_header_invalid'],
    ['typ as object', { ...good, typ: {} }, 'tokens.jwe_header_invalid'],
    ['an unknown kid', { ...good, kid: 'other' }, 'tokens.jwe_key_unknown'],
    ['crit', { ...good, crit: ['exp'], exp: 1 }, 'tokens.jwe_critical_unknown'],
    ['an empty crit', { ...good, crit: [] }, 'tokens.jwe_critical_unknown'],
    ['zip', zip, 'tokens.jwe_compression_refused'],
    ['zip: null', { ...good, zip: null }, 'tokens.jwe_compression_refused'],
    ['an array', ['A256KW'], 'tokens.jwe_malformed'],
    ['a member named twice', '{"alg":"A256KW","enc":"A256GCM","kid":"k1","enc":"A128GCM"}', 'tokens.jwe_malformed'],
    [
      'a member named twice by an escape',
      '{"alg":"A256KW","enc":"A256GCM","kid":"k1","\\u0061lg":"dir"}',
      'tokens.jwe_malformed',
    ],
    ['a member named twice within epk', '{"alg":"A256KW","enc":"A256GCM","epk":{"x":1,"x":2}}', 'tokens.jwe_malformed'],
    ['p2c of 2,000,000,000 (jose CVE-2024-28176 and its kin)', { ...password, p2c: 2e9 }, 'tokens.jwe_work_refused'],
    ['p2c one above the most', { ...password, p2c: 10_001 }, 'tokens.jwe_work_refused'],
    ['p2c as text', { ...password, p2c: '1000' }, 'tokens.jwe_work_refused'],
    ['p2c of 0', { ...password, p2c: 0 }, 'tokens.jwe_work_refused'],
    ['p2c below 0', { ...password, p2c: -1 }, 'tokens.jwe_work_refused'],
    ['p2c of 1.5', { ...password, p2c: 1.5 }, 'tokens.jwe_work_refused'],
    ['p2c that is none', password, 'tokens.jwe_work_refused'],
  ]
  it.each(cases)('%s', async (_, header, code) => {
    const keys = [counting('A256KW'), counting('PBES2-HS256+A128KW', 'p1')]
    const algorithms: JweAlgorithm[] = ['A256KW', 'PBES2-HS256+A128KW']
    const compact = `${b64(header as object)}.AAAA.AAAA.AAAA.AAAA`
    expect(await verdict(compact, { keys, algorithms })).toBe(code)
    for (const key of keys) expect(key.decrypt).not.toHaveBeenCalled()
  })

  it.each([
    ['one segment', 'AAAA'],
    ['three segments', 'AAAA.AAAA.AAAA'],
    ['four segments', `${b64(good)}.AAAA.AAAA.AAAA`],
    ['six segments', `${b64(good)}.AAAA.AAAA.AAAA.AAAA.AAAA`],
    ['seven segments', `${b64(good)}.AAAA.AAAA.AAAA.AAAA.AAAA.AAAA`],
    ['no header', '.AAAA.AAAA.AAAA.AAAA'],
    ['a header that is not UTF-8', `${b64(Buffer.from([0x7b, 0xff, 0x7d]))}.AAAA.AAAA.AAAA.AAAA`],
    ['no text at all', ''],
  ])('%s', async (_, compact) => {
    const key = counting('A256KW')
    expect(await verdict(compact, { keys: [key] })).toBe('tokens.jwe_malformed')
    expect(key.decrypt).not.toHaveBeenCalled()
  })

  it.each([undefined, null, 1, {}, ['a'], Buffer.from('x')])('%j does not throw', async (compact) => {
    expect(await verdict(compact as never)).toBe('tokens.jwe_malformed')
  })

  it('its length first', async () => {
    expect(await verdict('.'.repeat(12_289))).toBe('tokens.jwe_too_long')
    const compact = forgeJwe({ alg: 'dir', enc: 'A256GCM', kid: 'd1' })
    expect(await verdict(compact, { maxLength: compact.length })).toBe('accepted')
    expect(await verdict(compact, { maxLength: compact.length - 1 })).toBe('tokens.jwe_too_long')
  })

  it('one of several keys without kid is not guessed at', async () => {
    const keys = [counting('A256KW', undefined), { ...counting('A256KW'), kid: undefined }]
    const nameless = keys.map((key) => ({ ...key, kid: undefined }))
    const compact = `${b64({ alg: 'A256KW', enc: 'A256GCM' })}.AAAA.AAAA.AAAA.AAAA`
    expect(await verdict(compact, { keys: nameless })).toBe('tokens.jwe_key_unknown')
    for (const key of nameless) expect(key.decrypt).not.toHaveBeenCalled()
    expect(await verdict(compact, { keys: nameless.slice(1) })).toBe('accepted')
  })

  it('where the key of that kid is for another algorithm, that is allowed too', async () => {
    const keys = [counting('A256KW', 'k1'), counting('A128KW', 'k2')]
    expect(await verdict(`${b64({ ...good, kid: 'k2' })}.AAAA.AAAA.AAAA.AAAA`, { keys })).toBe('tokens.jwe_algorithm_refused')
    expect(await verdict(`${b64(good)}.AAAA.AAAA.AAAA.AAAA`, { keys })).toBe('accepted')
  })

  it('a secret that is meant directly for another encryption', async () => {
    const key = counting('dir', 'k1', 'A256GCM')
    const compact = `${b64({ alg: 'dir', enc: 'A128CBC-HS256', kid: 'k1' })}..AAAA.AAAA.AAAA`
    expect(await verdict(compact, { keys: [key] })).toBe('tokens.jwe_encryption_refused')
  })

  it('an encryption that is not in a narrower list', async () => {
    const compact = forgeJwe({ alg: 'dir', enc: 'A256GCM', kid: 'd1' })
    expect(await verdict(compact, { encryptions: ['A128GCM'] })).toBe('tokens.jwe_encryption_refused')
    expect(await verdict(compact, { algorithms: ['dir'], encryptions: ['A256GCM'] })).toBe('accepted')
  })
})

describe('passwords (PBES2)', () => {
  const password: JWK = { kty: 'oct', k: b64('entrap_o–peter_long–credit_tun'), alg: 'PBES2-HS256+A128KW', kid: 'p1' }

  async function encrypted(p2c: number): Promise<string> {
    return new CompactEncrypt(text)
      .setProtectedHeader({ alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', kid: 'p1' })
      .setKeyManagementParameters({ p2c, p2s: randomBytes(16) })
      .encrypt(Buffer.from(password.k!, 'base64url'))
  }

  it('are read where an allow-list names them, and cost no round beyond the most (jose CVE-2024-28176 and its kin)', async () => {
    const keys = [await importDecryptionKey(password)]
    const algorithms: JweAlgorithm[] = ['PBES2-HS256+A128KW']
    const derive = vi.spyOn(crypto.subtle, 'deriveBits')
    expect(await verdict(await encrypted(2000), { keys, algorithms, maxPbes2Count: 2000 })).toBe('accepted')
    const tooMuch = await encrypted(2001)
    derive.mockClear()
    expect(await verdict(tooMuch, { keys, algorithms, maxPbes2Count: 2000 })).toBe('tokens.jwe_work_refused')
    expect(derive).not.toHaveBeenCalled()
  })
})

describe('compressed content (jose CVE-2024-28176)', () => {
  const zipped = { alg: 'dir', enc: 'A256GCM', kid: 'd1', zip: 'DEF' }
  const small = forgeJwe(zipped, deflateRawSync(text))

  it('is refused, unless it is allowed', async () => {
    expect(await verdict(small)).toBe('tokens.jwe_compression_refused')
    expect(await verdict(small, { maxInflated: text.length })).toBe('accepted')
    expect(await verdict(small, { maxInflated: text.length - 1 })).toBe('tokens.jwe_inflation_failed')
    expect(await verdict(forgeJwe({ ...zipped, zip: 'LZ' }), { maxInflated: 1000 })).toBe('tokens.jwe_compression_refused')
    expect(await verdict(forgeJwe(zipped, Buffer.from('not deflated')), { maxInflated: 1000 })).toBe(
      'tokens.jwe_inflation_failed',
    )
  })

  it('is never inflated much beyond the most, however much there is of it', async () => {
    const bomb = forgeJwe(zipped, deflateRawSync(Buffer.alloc(8_000_000)))
    expect(bomb.length).toBeLessThan(12_288)
    const produced = countInflated()
    expect(await verdict(bomb, { maxInflated: 100_000 })).toBe('tokens.jwe_inflation_failed')
    expect(produced()).toBeGreaterThan(0)
    expect(produced()).toBeLessThan(400_000)
  })

  it('is not inflated before it has authenticated', async () => {
    const [header, , iv, , tag] = small.split('.')
    const produced = countInflated()
    const bomb = b64(deflateRawSync(Buffer.alloc(8_000_000)))
    expect(await verdict(`${header}..${iv}.${bomb}.${tag}`, { maxInflated: 100_000 })).toBe('tokens.jwe_decryption_failed')
    expect(produced()).toBe(0)
  })

  /** Counts the bytes that come out of every DecompressionStream from now on. */
  function countInflated(): () => number {
    let bytes = 0
    const Native = globalThis.DecompressionStream
    vi.stubGlobal(
      'DecompressionStream',
      class {
        readonly readable: ReadableStream
        readonly writable: WritableStream
        constructor(format: 'deflate-raw') {
          const native = new Native(format)
          this.writable = native.writable
          const counter = new TransformStream<Uint8Array, Uint8Array>(
            {
              transform(chunk, controller) {
                bytes += chunk.byteLength
                controller.enqueue(chunk)
              },
            },
            undefined,
            { highWaterMark: 0 },
          )
          this.readable = (native.readable as ReadableStream<Uint8Array>).pipeThrough(counter)
        }
      },
    )
    return () => {
      vi.unstubAllGlobals()
      return bytes
    }
  }
})

describe('one JWE has one spelling', () => {
  const respellings: readonly (readonly [string, (segment: string) => string])[] = [
    ['padding', (segment) => `${segment}=`],
    ['white space after', (segment) => `${segment} `],
    ['a line break inside', (segment) => `${segment.slice(0, 4)}\n${segment.slice(4)}`],
    ['the other alphabet', (segment) => `${segment}+/==`],
    [
      'a wide character with the same low byte',
      (segment) => String.fromCharCode(segment.charCodeAt(0) + 0x100) + segment.slice(1),
    ],
    ['stray trailing bits', (segment) => stray(segment)],
  ]
  it.each(respellings)('%s is refused in every segment', async (_, respell) => {
    const key = await importEncryptionKey(rsa.publicJwk)
    const keys = [await importDecryptionKey(rsa.privateJwk)]
    const segments = (await encryptJwe(Buffer.alloc(100, 1), key)).split('.')
    expect(await verdict(segments.join('.'), { keys })).toBe('accepted')
    for (let place = 0; place < 5; place++) {
      const respelled = segments.map((segment, at) => (at === place ? respell(segment) : segment)).join('.')
      if (respelled !== segments.join('.')) expect(await verdict(respelled, { keys })).toBe('tokens.jwe_malformed')
    }
  })
})

describe('a JWE that somebody changed', () => {
  it('is refused for every bit, with one reason and one answer, whatever it was (no oracle)', async () => {
    for (const [encrypting, decrypting] of [
      [rsa.publicJwk, rsa.privateJwk],
      [p256.publicJwk, p256.privateJwk],
      [oct(32, 'A256KW'), oct(32, 'A256KW')],
    ] as const) {
      const decrypter = createJweDecrypter({ keys: [await importDecryptionKey(decrypting)] })
      for (const enc of ['A256GCM', 'A128CBC-HS256'] as const) {
        const compact = await encryptJwe(text, await importEncryptionKey(encrypting, { enc }))
        for (const [place, segment] of compact.split('.').entries()) {
          if (place === 0) continue
          for (let at = 0; at < segment.length; at += 7) {
            const bytes = Buffer.from(segment, 'base64url')
            const index = at % bytes.length
            bytes[index] = bytes[index]! ^ (1 << (at % 8))
            const result = await decrypter.decrypt(compact.split('.').with(place, b64(bytes)).join('.'))
            expect(codeOf(result)).toBe('tokens.jwe_decryption_failed')
            expect(!result.ok && result.answer.description).toBe('The access token is expired, revoked or not valid here')
          }
        }
      }
    }
  })

  it.each([
    ['no encrypted key', (s: string[]) => s.with(1, '')],
    ['half an encrypted key', (s: string[]) => s.with(1, s[1]!.slice(0, 40))],
    ['no iv', (s: string[]) => s.with(2, '')],
    ['a longer iv', (s: string[]) => s.with(2, `${s[2]}AAAA`)],
    ['no ciphertext', (s: string[]) => s.with(3, '')],
    ['no tag', (s: string[]) => s.with(4, '')],
    ['a tag of 4 bytes', (s: string[]) => s.with(4, b64(Buffer.from(s[4]!, 'base64url').subarray(0, 4)))],
    ['a longer tag', (s: string[]) => s.with(4, b64(Buffer.alloc(32)))],
  ])('%s', async (_, change) => {
    for (const enc of ['A256GCM', 'A128CBC-HS256'] as const) {
      const compact = await encryptJwe(text, await importEncryptionKey(oct(32, 'A256KW'), { enc }))
      const keys = [await importDecryptionKey(oct(32, 'A256KW'))]
      expect(await verdict(change(compact.split('.')).join('.'), { keys })).toBe('tokens.jwe_decryption_failed')
    }
  })

  it('an encrypted key where the secret is meant directly', async () => {
    const compact = forgeJwe({ alg: 'dir', enc: 'A256GCM', kid: 'd1' })
    expect(await verdict(compact)).toBe('accepted')
    expect(await verdict(compact.replace('..', '.AAAA.'))).toBe('tokens.jwe_decryption_failed')
  })

  const ephemeral: readonly (readonly [string, (epk: JWK) => unknown])[] = [
    ['off the curve (the invalid curve attack, CVE-2017-16007)', (epk: JWK) => ({ ...epk, y: epk.x })],
    ['at infinity', (epk: JWK) => ({ ...epk, x: b64(Buffer.alloc(32)), y: b64(Buffer.alloc(32)) })],
    ['on another curve', () => p384.publicJwk],
    ['of another kind', () => x25519.publicJwk],
    ['with a private half', () => p256.privateJwk],
    ['an RSA key', () => rsa.publicJwk],
    ['a secret', () => direct],
    ['missing', () => undefined],
    ['a text', () => 'epk'],
  ]
  it.each(ephemeral)('an ephemeral key that is %s', async (_, change) => {
    const keys = [await importDecryptionKey(p256.privateJwk)]
    const [header, ...rest] = (await encryptJwe(text, await importEncryptionKey(p256.publicJwk))).split('.')
    const parsed = JSON.parse(Buffer.from(header!, 'base64url').toString())
    const forged = [b64({ ...parsed, epk: change(parsed.epk) }), ...rest].join('.')
    expect(await verdict(forged, { keys })).toBe('tokens.jwe_decryption_failed')
  })

  it.each([
    Buffer.alloc(32),
    Buffer.concat([Buffer.from([1]), Buffer.alloc(31)]),
    Buffer.from('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800', 'hex'),
  ])('an X25519 ephemeral key of small order', async (point) => {
    const keys = [await importDecryptionKey({ ...x25519.privateJwk, alg: 'ECDH-ES' })]
    const epk = { kty: 'OKP', crv: 'X25519', x: b64(point) }
    const forged = `${b64({ alg: 'ECDH-ES', enc: 'A256GCM', kid: 'k1', epk })}..${b64(Buffer.alloc(12))}.AAAA.${b64(Buffer.alloc(16))}`
    expect(await verdict(forged, { keys })).toBe('tokens.jwe_decryption_failed')
  })

  it('never has anything of itself, or of its content, in the reason', async () => {
    const result = await createJweDecrypter({ keys: [await importDecryptionKey(direct)] }).decrypt(
      forgeJwe({ alg: 'dir', enc: 'A256GCM', kid: 'who-is-this' }).slice(0, -4),
    )
    expect(result.ok).toBe(false)
    expect(JSON.stringify(result)).not.toMatch(/who-is-this|trust us/)
  })
})

describe('recognising a JWE', () => {
  it('shows the header of one that a key here is meant for, and decrypts nothing', () => {
    const key = counting('A256KW')
    const decrypter = createJweDecrypter({ keys: [key] })
    const rest = '.AAAA.AAAA.AAAA.AAAA'
    expect(decrypter.recognise(b64({ alg: 'A256KW', enc: 'A256GCM', kid: 'k1' }) + rest)).toMatchObject({ kid: 'k1' })
    expect(decrypter.recognise(b64({ alg: 'A256KW', enc: 'A256GCM', kid: 'k2' }) + rest)).toBeUndefined()
    expect(decrypter.recognise('a.b.c')).toBeUndefined()
    expect(key.decrypt).not.toHaveBeenCalled()
  })
})

/** Sets a bit that decoding drops, where the segment has one. */
function stray(segment: string): string {
  if (segment.length % 4 === 0) return segment
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return segment.slice(0, -1) + alphabet[alphabet.indexOf(segment.at(-1)!) + 1]
}
