import { createMemoryStore, createSealer, SealerError, type Store } from '@portcullis/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { createTotp, MfaError, type Totp, type TotpOptions } from '../src/index.ts'
import { type TotpRecord, totpRecords } from '../src/totp-record.ts'
import { authenticator, base32, eventsOf, everybody, type HandClock, sealer, timeAt } from './fixture.ts'

const start = 1_800_000_000_000 // a multiple of 30 s
const step = start / 30_000
const proof = { method: 'totp', at: start / 1000 }
const adasSecret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'

let clock: HandClock
let store: Store

beforeEach(() => {
  clock = timeAt(start)
  store = createMemoryStore({ clock })
})

function make(options: Partial<TotpOptions> = {}): Totp {
  return createTotp({ store, sealer, issuer: 'Ledger', clock, ...options })
}

/** An account whose authenticator is set up and confirmed, one minute ago. */
async function enrolled(totp: Totp, account = 'ada'): Promise<{ codeAt(time: number): string }> {
  const app = authenticator((await totp.enrol(account, { label: `${account}@acme.test` })).uri)
  clock.time -= 60_000
  expect(await totp.confirm(account, app.codeAt(clock.time))).toMatchObject({ ok: true })
  clock.time += 60_000
  return app
}

const refusal = (code: string): object => ({ ok: false, reason: { code } })

describe('enrolment', () => {
  it('gives a URI, a secret of 160 bits and a QR code of the URI', async () => {
    const { uri, secret, qrSvg } = await make().enrol('ada', { label: 'ada@acme.test' })
    expect(secret).toMatch(/^[A-Z2-7]{32}$/)
    expect(uri).toBe(`otpauth://totp/Ledger:ada%40acme.test?issuer=Ledger&secret=${secret}&algorithm=SHA1&digits=6&period=30`)
    expect(qrSvg).toMatch(/^<svg [^<>]*><rect [^<>]*\/><path [^<>]*\/><\/svg>$/)
  })

  it('makes secrets as long as the hash, and never the same twice', async () => {
    const totp = make({ algorithm: 'SHA512' })
    const secrets = await Promise.all(['a', 'b'].map(async (account) => (await totp.enrol(account, { label: account })).secret))
    expect(secrets.map((secret) => secret.length)).toEqual([103, 103])
    expect(secrets[0]).not.toBe(secrets[1])
  })

  it('counts from the first code on, and uses that code up', async () => {
    const totp = make()
    const app = authenticator((await totp.enrol('ada', { label: 'ada' })).uri)
    const code = app.codeAt(clock.time)
    expect(await totp.enrolled('ada')).toBe(false)
    expect(await totp.verify('ada', code)).toMatchObject(refusal('mfa.not_enrolled'))
    expect(await totp.confirm('ada', code)).toEqual({ ok: true, step, proof })
    expect(await totp.enrolled('ada')).toBe(true)
    expect(await totp.verify('ada', code)).toMatchObject(refusal('mfa.code_used'))
  })

  it('does not count after a wrong code, and can still be confirmed', async () => {
    const totp = make()
    const app = authenticator((await totp.enrol('ada', { label: 'ada' })).uri)
    expect(await totp.confirm('ada', app.codeAt(clock.time + 3_600_000))).toMatchObject(refusal('mfa.code_wrong'))
    expect(await totp.enrolled('ada')).toBe(false)
    expect(await totp.confirm('ada', app.codeAt(clock.time))).toMatchObject({ ok: true })
  })

  it('must be confirmed within its lifetime', async () => {
    const totp = make()
    const app = authenticator((await totp.enrol('ada', { label: 'ada' })).uri)
    clock.time += 600_000
    expect(await totp.confirm('ada', app.codeAt(clock.time))).toMatchObject(refusal('mfa.not_enrolled'))
    expect(await totpRecords(store).get('ada')).toBeUndefined()
  })

  it('anew must be confirmed within its lifetime too, where an active factor keeps the record', async () => {
    const totp = make()
    await enrolled(totp)
    const second = authenticator((await totp.enrol('ada', { label: 'ada' })).uri)
    clock.time += 600_000
    expect(await totp.confirm('ada', second.codeAt(clock.time))).toMatchObject(refusal('mfa.not_enrolled'))
  })

  it('anew does not replace the active factor until it is confirmed', async () => {
    const totp = make()
    const first = await enrolled(totp)
    const second = authenticator((await totp.enrol('ada', { label: 'ada' })).uri)
    expect(await totp.verify('ada', second.codeAt(clock.time))).toMatchObject(refusal('mfa.code_wrong'))
    expect(await totp.verify('ada', first.codeAt(clock.time))).toMatchObject({ ok: true })
    expect(await totp.confirm('ada', second.codeAt(clock.time))).toMatchObject({ ok: true })
    clock.time += 30_000
    expect(await totp.verify('ada', first.codeAt(clock.time))).toMatchObject(refusal('mfa.code_wrong'))
    expect(await totp.verify('ada', second.codeAt(clock.time))).toMatchObject({ ok: true })
  })

  it('of a secret that is in use elsewhere can be active at once', async () => {
    const totp = make()
    const { uri } = await totp.enrol('ada', { label: 'ada', secret: adasSecret, confirmed: true })
    expect(await totp.verify('ada', authenticator(uri).codeAt(clock.time))).toMatchObject({ ok: true })
  })

  it('reads a secret as people write it', async () => {
    const { secret } = await make().enrol('ada', { label: 'ada', secret: 'jbsw y3dp ehpk 3pxp-jbsw y3dp ehpk 3pxp====' })
    expect(secret).toBe(adasSecret)
  })

  it('takes a secret below 128 bits only when told to, and none below 80', async () => {
    const totp = make()
    const lenient = make({ allowShortSecrets: true })
    const legacy = { label: 'ada', secret: base32(new Uint8Array(10).fill(7)) }
    await expect(totp.enrol('ada', legacy)).rejects.toMatchObject({ code: 'mfa.secret_too_short' })
    await expect(lenient.enrol('ada', legacy)).resolves.toMatchObject({ secret: legacy.secret })
    const tiny = { label: 'ada', secret: base32(new Uint8Array(9)) }
    await expect(lenient.enrol('ada', tiny)).rejects.toMatchObject({ code: 'mfa.secret_too_short' })
    const just = { label: 'ada', secret: base32(new Uint8Array(16).fill(7)) }
    await expect(totp.enrol('ada', just)).resolves.toMatchObject({ secret: just.secret })
  })

  it('a short secret that is kept from before is refused too, once they are not taken any more', async () => {
    const lenient = make({ allowShortSecrets: true })
    const secret = base32(new Uint8Array(10).fill(7))
    const app = authenticator((await lenient.enrol('ada', { label: 'ada', secret, confirmed: true })).uri)
    expect(await make().verify('ada', app.codeAt(clock.time))).toMatchObject(refusal('mfa.secret_too_short'))
    expect(await lenient.verify('ada', app.codeAt(clock.time))).toMatchObject({ ok: true })
  })

  it.each(['', '01890189018901890189018901890189', `${adasSecret}!`])(
    'refuses the secret %j, and does not repeat it',
    async (secret) => {
      const error = await make()
        .enrol('ada', { label: 'ada', secret })
        .catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'mfa.secret_malformed' })
      if (secret) expect(String(error)).not.toContain(secret)
    },
  )

  it.each(['', 'a:b', 'a\nb', ' a', 'x'.repeat(257)])('refuses the label %j', async (label) => {
    await expect(make().enrol('ada', { label })).rejects.toMatchObject({ code: 'mfa.label_invalid', status: 422 })
  })

  it('is never confirmed without a secret that the person could have', async () => {
    await expect(make().enrol('ada', { label: 'ada', confirmed: true })).rejects.toThrow(MfaError)
  })

  it('puts markup in a label into the URI percent-encoded, and into the picture not at all', async () => {
    const { uri, qrSvg } = await make().enrol('ada', { label: '"><script>alert(1)</script>' })
    expect(uri).not.toMatch(/[<>"]/)
    expect(qrSvg).not.toContain('script')
  })
})

describe('verify', () => {
  it.each([
    [-60_000, false],
    [-30_000, true],
    [0, true],
    [30_000, true],
    [60_000, false],
  ])('takes a code of %i ms from now: %s', async (drift, ok) => {
    const totp = make()
    const app = await enrolled(totp)
    clock.time += 3_600_000
    expect((await totp.verify('ada', app.codeAt(clock.time + drift))).ok).toBe(ok)
  })

  it('takes no drift where the window is 0', async () => {
    const totp = make({ window: 0 })
    const app = await enrolled(totp)
    expect(await totp.verify('ada', app.codeAt(clock.time + 30_000))).toMatchObject(refusal('mfa.code_wrong'))
    expect(await totp.verify('ada', app.codeAt(clock.time))).toEqual({ ok: true, step, proof })
  })

  it('one TOTP code works twice (better-auth #10387; otplib, otpauth): the second use is refused', async () => {
    const totp = make()
    const code = (await enrolled(totp)).codeAt(clock.time)
    expect(await totp.verify('ada', code)).toEqual({ ok: true, step, proof })
    expect(await totp.verify('ada', code)).toMatchObject(refusal('mfa.code_used'))
    clock.time += 30_000
    expect(await totp.verify('ada', code)).toMatchObject(refusal('mfa.code_used'))
  })

  it('an earlier code after a later one: refused, though it was never used', async () => {
    const totp = make()
    const app = await enrolled(totp)
    expect(await totp.verify('ada', app.codeAt(clock.time))).toMatchObject({ ok: true })
    expect(await totp.verify('ada', app.codeAt(clock.time - 30_000))).toMatchObject(refusal('mfa.code_used'))
    expect(await totp.verify('ada', app.codeAt(clock.time + 30_000))).toMatchObject({ ok: true })
  })

  it('200 parallel uses of one code: one winner', async () => {
    const totp = make({ guard: everybody })
    const code = (await enrolled(totp)).codeAt(clock.time)
    const results = await Promise.all(Array.from({ length: 200 }, () => totp.verify('ada', code)))
    expect(results.filter((result) => result.ok)).toHaveLength(1)
    expect(results.filter((result) => !result.ok && result.reason.code === 'mfa.code_used')).toHaveLength(199)
  })

  it('200 parallel uses of one code in two processes on one store: one winner', async () => {
    const [one, two] = [make({ guard: everybody }), make({ guard: everybody })]
    const code = (await enrolled(one)).codeAt(clock.time)
    const results = await Promise.all(Array.from({ length: 200 }, (_, i) => (i % 2 ? one : two).verify('ada', code)))
    expect(results.filter((result) => result.ok)).toHaveLength(1)
  })

  it('200 parallel confirmations with one code: one winner', async () => {
    const totp = make({ guard: everybody })
    const app = authenticator((await totp.enrol('ada', { label: 'ada' })).uri)
    const code = app.codeAt(clock.time)
    const results = await Promise.all(Array.from({ length: 200 }, () => totp.confirm('ada', code)))
    expect(results.filter((result) => result.ok)).toHaveLength(1)
  })

  it('a lost race does not lose an enrolment that was begun meanwhile', async () => {
    const totp = make()
    const app = await enrolled(totp)
    const [result, enrolment] = await Promise.all([
      totp.verify('ada', app.codeAt(clock.time)),
      totp.enrol('ada', { label: 'ada' }),
    ])
    expect(result.ok).toBe(true)
    expect(await totp.verify('ada', app.codeAt(clock.time))).toMatchObject(refusal('mfa.code_used'))
    expect(await totp.confirm('ada', authenticator(enrolment.uri).codeAt(clock.time))).toMatchObject({ ok: true })
  })

  it.each(['', '12345', '1234567', '12345a', ' 12345', '１２３４５６', '-12345', '1e1000', 123456 as unknown as string])(
    'refuses %j for its form',
    async (code) => {
      const totp = make()
      await enrolled(totp)
      expect(await totp.verify('ada', code)).toMatchObject(refusal('mfa.code_malformed'))
    },
  )

  it('gives up with a code on a store whose replace never succeeds', async () => {
    const totp = make()
    const app = await enrolled(totp)
    const stuck: Store = {
      collection: (declaration) =>
        Object.assign(store.collection<never>(declaration), { replace: () => Promise.resolve(false) }) as never,
    }
    const blocked = make({ store: stuck }).verify('ada', app.codeAt(clock.time))
    await expect(blocked).rejects.toMatchObject({ code: 'mfa.store_contended', status: 503 })
  })

  it('keeps to the parameters an authenticator was told, when those for new ones change', async () => {
    const app = await enrolled(make({ algorithm: 'SHA256', digits: 8, period: 60 }))
    clock.time += 60_000
    expect(await make().verify('ada', app.codeAt(clock.time))).toMatchObject({ ok: true })
  })
})

describe('at rest', () => {
  const record = async (account: string): Promise<TotpRecord> => (await totpRecords(store).get(account))!.value

  it('a stolen database: holds no secret, in no spelling', async () => {
    const totp = make()
    await totp.enrol('ada', { label: 'ada', secret: adasSecret, confirmed: true })
    await totp.enrol('ada', { label: 'ada', secret: adasSecret })
    const text = JSON.stringify(await record('ada'))
    const bytes = Buffer.from('48656c6c6f21deadbeef48656c6c6f21deadbeef', 'hex')
    for (const encoding of ['base64', 'base64url', 'hex', 'latin1'] as const) expect(text).not.toContain(bytes.toString(encoding))
    expect(text).not.toContain(adasSecret)
    expect((await record('ada')).active?.secret).toMatch(/^v1\.k1\./)
  })

  it("an attacker's record copied over a victim's: the secret does not open", async () => {
    const totp = make()
    const app = await enrolled(totp, 'mallory')
    await totpRecords(store).create('ada', await record('mallory'))
    await expect(totp.verify('ada', app.codeAt(clock.time))).rejects.toThrow(SealerError)
  })

  it('a successful code seals the secret under the new key; a wrong one changes nothing', async () => {
    const app = await enrolled(make())
    const keys = { k1: new Uint8Array(32).fill(1), k2: new Uint8Array(32).fill(2) }
    const rotated = make({ sealer: createSealer({ current: 'k2', keys }) })
    await rotated.verify('ada', app.codeAt(clock.time + 3_600_000))
    expect((await record('ada')).active?.secret).toMatch(/^v1\.k1\./)
    expect(await rotated.verify('ada', app.codeAt(clock.time))).toMatchObject({ ok: true })
    expect((await record('ada')).active?.secret).toMatch(/^v1\.k2\./)
    const onlyNew = make({ sealer: createSealer({ current: 'k2', keys: { k2: keys.k2 } }) })
    clock.time += 30_000
    expect(await onlyNew.verify('ada', app.codeAt(clock.time))).toMatchObject({ ok: true })
  })

  it('a key that is missing fails closed', async () => {
    const app = await enrolled(make())
    const other = make({ sealer: createSealer({ current: 'k9', keys: { k9: new Uint8Array(32) } }) })
    await expect(other.verify('ada', app.codeAt(clock.time))).rejects.toMatchObject({ code: 'core.sealing_key_unknown' })
  })
})

describe('remove', () => {
  it('takes the factor away, and a pending enrolment with it', async () => {
    const totp = make()
    const app = await enrolled(totp)
    await totp.enrol('ada', { label: 'ada' })
    expect(await totp.remove('ada')).toBe(true)
    expect(await totp.enrolled('ada')).toBe(false)
    expect(await totp.verify('ada', app.codeAt(clock.time))).toMatchObject(refusal('mfa.not_enrolled'))
    expect(await totp.remove('ada')).toBe(false)
  })
})

describe('events', () => {
  it('tell of every change and every answer, with the account, the reason and the time, and without secrets', async () => {
    const totp = make()
    let secret = ''
    const codes: string[] = []
    const events = await eventsOf(async () => {
      const enrolment = await totp.enrol('ada', { label: 'ada' })
      secret = enrolment.secret
      const app = authenticator(enrolment.uri)
      codes.push(app.codeAt(clock.time), app.codeAt(clock.time + 30_000))
      await totp.confirm('ada', codes[0]!)
      await totp.verify('ada', codes[0]!)
      await totp.verify('ada', codes[1]!)
      await totp.remove('ada')
      await totp.remove('ada')
    })
    expect(events.map(({ type, time, data }) => ({ type, time, ...data }))).toEqual([
      { type: 'mfa.enrolled', time: start, account: 'ada', factor: 'totp', replaced: false },
      { type: 'mfa.refused', time: start, account: 'ada', factor: 'totp', code: 'mfa.code_used' },
      { type: 'mfa.verified', time: start, account: 'ada', factor: 'totp' },
      { type: 'mfa.removed', time: start, account: 'ada', factor: 'totp' },
    ])
    for (const hidden of [secret, ...codes]) expect(JSON.stringify(events)).not.toContain(hidden)
  })
})

describe('createTotp', () => {
  it.each<[string, Partial<TotpOptions>]>([
    ['five digits', { digits: 5 }],
    ['nine digits', { digits: 9 }],
    ['a period of a day', { period: 86_400 }],
    ['a fraction of a period', { period: 29.5 }],
    ['a window of an hour', { window: 120 }],
    ['MD5', { algorithm: 'MD5' as 'SHA1' }],
    ['no issuer', { issuer: '' }],
    ['a colon in the issuer', { issuer: 'Ledger: prod' }],
    ['an endless enrolment', { enrolmentLifetime: Number.POSITIVE_INFINITY }],
  ])('refuses %s', (_, options) => {
    expect(() => make(options)).toThrow(expect.objectContaining({ code: 'mfa.options_invalid' }))
  })
})
