import { createMemoryStore, createSealer, SealerError, type Store } from '@portcullis/core'
import { HOTP, Secret } from 'otpauth'
import { beforeEach, describe, expect, it } from 'vitest'
import { createHotp, type Hotp, type HotpOptions } from '../src/index.ts'
import { base32, eventsOf, everybody, type HandClock, sealer, timeAt } from './fixture.ts'
import { haveVectors, readVectors } from './vectors.ts'

const start = 1_800_000_000_000
const secret = base32(Buffer.from('12345678901234567890'))

let clock: HandClock
let store: Store
let hotp: Hotp

beforeEach(() => {
  clock = timeAt(start)
  store = createMemoryStore({ clock })
  hotp = make()
})

function make(options: Partial<HotpOptions> = {}): Hotp {
  return createHotp({ store, sealer, issuer: 'Ledger', clock, guard: everybody, ...options })
}

const code = (counter: number, digits = 6): string =>
  HOTP.generate({ secret: Secret.fromBase32(secret), algorithm: 'SHA1', digits, counter })

/** A token whose codes up to `counter` are used up. */
async function enrolled(of: Hotp = hotp, counter = 0): Promise<void> {
  await of.enrol('ada', { label: 'ada', secret, counter })
  expect(await of.confirm('ada', code(counter))).toMatchObject({ ok: true, counter })
}

const refusal = (reason: string): object => ({ ok: false, reason: { code: reason } })

describe('HOTP', () => {
  it.skipIf(!haveVectors)('accepts the ten codes of RFC 4226 appendix D, each once (PORTCULLIS_VECTORS)', async () => {
    const { codes_counter_0_9: codes } = readVectors<{ rfc4226_hotp_sha1: { codes_counter_0_9: string[] } }>(
      'rfc4226-6238-9106.json',
    ).rfc4226_hotp_sha1
    await hotp.enrol('ada', { label: 'ada', secret })
    expect(await hotp.confirm('ada', codes[0]!)).toMatchObject({ ok: true, counter: 0 })
    for (const [counter, text] of codes.slice(1).entries()) {
      const proof = { method: 'hotp', at: start / 1000 }
      expect(await hotp.verify('ada', text)).toEqual({ ok: true, counter: counter + 1, proof })
      expect(await hotp.verify('ada', text)).toMatchObject(refusal('mfa.code_wrong'))
    }
  })

  it('gives an authenticator app what it needs, and counts from the first code on', async () => {
    const enrolment = await hotp.enrol('ada', { label: 'ada@acme.test' })
    expect(enrolment.uri).toMatch(/^otpauth:\/\/hotp\/Ledger:ada%40acme\.test\?issuer=Ledger&secret=[A-Z2-7]{32}&.*counter=0$/)
    expect(enrolment.qrSvg).toMatch(/^<svg /)
    expect(await hotp.enrolled('ada')).toBe(false)
    const first = HOTP.generate({ secret: Secret.fromBase32(enrolment.secret), counter: 0 })
    expect(await hotp.verify('ada', first)).toMatchObject(refusal('mfa.not_enrolled'))
    expect(await hotp.confirm('ada', first)).toMatchObject({ ok: true })
    expect(await hotp.enrolled('ada')).toBe(true)
  })

  it('an enrolment that nobody confirms is gone, and leaves the active token in peace', async () => {
    await hotp.enrol('bob', { label: 'bob', secret })
    await enrolled()
    await hotp.enrol('ada', { label: 'ada', secret, counter: 500 })
    expect(await hotp.verify('ada', code(500))).toMatchObject(refusal('mfa.code_wrong'))
    clock.time += 600_000
    expect(await hotp.confirm('ada', code(500))).toMatchObject(refusal('mfa.not_enrolled'))
    expect(await hotp.verify('ada', code(1))).toMatchObject({ ok: true })
    expect(await store.collection({ name: 'mfa.hotp' }).get('bob')).toBeUndefined()
  })

  it('looks ahead as far as it says (RFC 4226 §7.4), and never back', async () => {
    await enrolled()
    expect(await hotp.verify('ada', code(6))).toMatchObject(refusal('mfa.code_wrong'))
    expect(await hotp.verify('ada', code(5))).toMatchObject({ ok: true, counter: 5 })
    expect(await hotp.verify('ada', code(3))).toMatchObject(refusal('mfa.code_wrong'))
  })

  it('resynchronises with two codes in a row, and with nothing less', async () => {
    await enrolled()
    expect(await hotp.verify('ada', code(60))).toMatchObject(refusal('mfa.code_wrong'))
    expect(await hotp.resynchronize('ada', [code(60), code(62)])).toMatchObject(refusal('mfa.code_wrong'))
    expect(await hotp.resynchronize('ada', [code(60), code(60)])).toMatchObject(refusal('mfa.code_wrong'))
    const one = [code(60)] as unknown as [string, string]
    expect(await hotp.resynchronize('ada', one)).toMatchObject(refusal('mfa.code_malformed'))
    expect(await hotp.resynchronize('ada', [code(60), code(61)])).toMatchObject({ ok: true, counter: 61 })
    expect(await hotp.verify('ada', code(61))).toMatchObject(refusal('mfa.code_wrong'))
    expect(await hotp.verify('ada', code(62))).toMatchObject({ ok: true })
    expect(await hotp.resynchronize('ada', [code(300), code(301)])).toMatchObject(refusal('mfa.code_wrong'))
  })

  it('200 parallel uses of one code: one winner', async () => {
    await enrolled()
    const results = await Promise.all(Array.from({ length: 200 }, () => hotp.verify('ada', code(1))))
    expect(results.filter(({ ok }) => ok)).toHaveLength(1)
  })

  it.each(['', '12345', '1234567', '12345a', '１２３４５６'])('refuses %j for its form', async (text) => {
    await enrolled()
    expect(await hotp.verify('ada', text)).toMatchObject(refusal('mfa.code_malformed'))
  })

  it('keeps secrets sealed for their account, and under the current key', async () => {
    await enrolled()
    const rows = store.collection<{ active: { secret: string } }>({ name: 'mfa.hotp' })
    const kept = (await rows.get('ada'))!.value
    expect(JSON.stringify(kept)).not.toContain(secret)
    await rows.create('mallory', kept)
    await expect(hotp.verify('mallory', code(1))).rejects.toThrow(SealerError)
    const keys = { k1: new Uint8Array(32).fill(1), k2: new Uint8Array(32).fill(2) }
    const rotated = make({ sealer: createSealer({ current: 'k2', keys }) })
    expect(await rotated.verify('ada', code(1))).toMatchObject({ ok: true })
    expect((await rows.get('ada'))!.value.active.secret).toMatch(/^v1\.k2\./)
  })

  it('takes 80 bits only where it is told to, kept ones too', async () => {
    const short = base32(new Uint8Array(10).fill(7))
    await expect(hotp.enrol('ada', { label: 'ada', secret: short })).rejects.toMatchObject({ code: 'mfa.secret_too_short' })
    const lenient = make({ allowShortSecrets: true })
    await lenient.enrol('ada', { label: 'ada', secret: short })
    const first = HOTP.generate({ secret: Secret.fromBase32(short), counter: 0 })
    expect(await hotp.confirm('ada', first)).toMatchObject(refusal('mfa.secret_too_short'))
    expect(await lenient.confirm('ada', first)).toMatchObject({ ok: true })
  })

  it('tells of every change and every answer', async () => {
    const events = await eventsOf(async () => {
      await enrolled()
      await hotp.verify('ada', code(0))
      await hotp.verify('ada', code(1))
      await hotp.remove('ada')
      await hotp.remove('ada')
    })
    expect(events.map(({ type, data }) => ({ type, ...data }))).toEqual([
      { type: 'mfa.enrolled', account: 'ada', factor: 'hotp', replaced: false },
      { type: 'mfa.refused', account: 'ada', factor: 'hotp', code: 'mfa.code_wrong' },
      { type: 'mfa.verified', account: 'ada', factor: 'hotp' },
      { type: 'mfa.removed', account: 'ada', factor: 'hotp' },
    ])
  })

  it.each<[string, Partial<HotpOptions>]>([
    ['a window of a hundred', { lookAhead: 100 }],
    ['a narrower window for two codes', { lookAhead: 20, resyncAhead: 10 }],
    ['nine digits', { digits: 9 }],
    ['an issuer with a colon', { issuer: 'a:b' }],
    ['an endless enrolment', { enrolmentLifetime: Number.POSITIVE_INFINITY }],
  ])('refuses %s', (_, options) => {
    expect(() => make(options)).toThrow(expect.objectContaining({ code: 'mfa.options_invalid' }))
  })
})
