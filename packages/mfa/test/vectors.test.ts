import { createMemoryStore } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import { createTotp, type OtpAlgorithm } from '../src/index.ts'
import { hotp } from '../src/otp.ts'
import { parseSecret, toSecret } from '../src/secret.ts'
import { base32, sealer, timeAt } from './fixture.ts'
import { haveVectors, readVectors } from './vectors.ts'

interface Vectors {
  rfc4226_hotp_sha1: { key_ascii: string; codes_counter_0_9: string[] }
  rfc6238_totp_8digits: { times: number[] } & Record<OtpAlgorithm, { key: string; codes: string[] }>
}

describe.skipIf(!haveVectors)('RFC 4226 and RFC 6238 vectors (PORTCULLIS_VECTORS)', () => {
  const vectors = haveVectors ? readVectors<Vectors>('rfc4226-6238-9106.json') : undefined

  it('makes the ten codes of RFC 4226 appendix D', () => {
    const { key_ascii, codes_counter_0_9 } = vectors!.rfc4226_hotp_sha1
    const secret = toSecret(Buffer.from(key_ascii))
    expect(codes_counter_0_9.map((_, counter) => hotp(secret, counter, { algorithm: 'SHA1', digits: 6 }))).toEqual(
      codes_counter_0_9,
    )
  })

  it.each<OtpAlgorithm>(['SHA1', 'SHA256', 'SHA512'])(
    'accepts each code of RFC 6238 appendix B at its time: %s',
    async (algorithm) => {
      const { times, [algorithm]: of } = vectors!.rfc6238_totp_8digits
      const secret = base32(Buffer.from(of.key))
      expect(parseSecret(secret, false)).toEqual(new Uint8Array(Buffer.from(of.key)))
      for (const [i, seconds] of times.entries()) {
        const clock = timeAt(seconds * 1000)
        const store = createMemoryStore({ clock })
        const totp = createTotp({ store, sealer, issuer: 'Test', algorithm, digits: 8, window: 0, clock })
        await totp.enrol('ada', { label: 'ada', secret, confirmed: true })
        expect(await totp.verify('ada', of.codes[i]!)).toMatchObject({ ok: true, step: Math.floor(seconds / 30) })
      }
    },
  )
})
