import { createMemoryStore, PortcullisError, type RequestView, type Store } from '@portcullis/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { createHotp, createOneTimeCodes, createRecoveryCodes, createTotp, type Totp } from '../src/index.ts'
import { authenticator, eventsOf, type HandClock, listeningGuard, sealer, timeAt } from './fixture.ts'

const start = 1_800_000_000_000

let clock: HandClock
let store: Store

beforeEach(() => {
  clock = timeAt(start)
  store = createMemoryStore({ clock })
})

async function withApp(totp: Totp, account = 'ada') {
  const secret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'
  const app = authenticator((await totp.enrol(account, { label: account, secret, confirmed: true })).uri)
  const wrong = app.codeAt(clock.time) === '000000' || app.codeAt(clock.time + 30_000) === '000000' ? '000001' : '000000'
  return { app, wrong }
}

describe('no limit on second-factor guesses once a session exists (better-auth): without a guard of its own a factor', () => {
  it('lets ten guesses through and no more, of 1,000 sent at once', async () => {
    const totp = createTotp({ store, sealer, issuer: 'Ledger', clock })
    const { wrong } = await withApp(totp)
    const results = await Promise.all(Array.from({ length: 1000 }, () => totp.verify('ada', wrong)))
    const codes = results.map((result) => (result.ok ? 'ok' : result.reason.code))
    expect(codes.filter((code) => code === 'mfa.code_wrong')).toHaveLength(10)
    expect(codes.filter((code) => code === 'mfa.too_many_attempts')).toHaveLength(990)
  })

  it('refuses the right code too while the budget is used up, says for how long, and lets one in after that', async () => {
    const totp = createTotp({ store, sealer, issuer: 'Ledger', clock })
    const { app, wrong } = await withApp(totp)
    for (let i = 0; i < 10; i++) await totp.verify('ada', wrong)
    const refused = await totp.verify('ada', app.codeAt(clock.time))
    expect(refused).toMatchObject({ ok: false, reason: { code: 'mfa.too_many_attempts' }, retryAfter: 90 })
    clock.time += 89_000
    expect(await totp.verify('ada', app.codeAt(clock.time))).toMatchObject({ retryAfter: 1 })
    clock.time += 1000
    expect(await totp.verify('ada', app.codeAt(clock.time))).toMatchObject({ ok: true })
  })

  it('at no moment lets twice as many through, as a fixed window does at its edge', async () => {
    const totp = createTotp({ store, sealer, issuer: 'Ledger', clock })
    const { wrong } = await withApp(totp)
    clock.time += 899_000
    let reached = 0
    const guess = async (): Promise<void> => {
      const result = await totp.verify('ada', wrong)
      if (!result.ok && result.reason.code === 'mfa.code_wrong') reached += 1
    }
    for (let i = 0; i < 12; i++) await guess()
    clock.time += 2000
    for (let i = 0; i < 12; i++) await guess()
    expect(reached).toBe(10)
  })

  it('counts confirmations with verifications, each account for itself, and all processes together', async () => {
    const one = createTotp({ store, sealer, issuer: 'Ledger', clock })
    const two = createTotp({ store, sealer, issuer: 'Ledger', clock })
    const { wrong } = await withApp(one)
    const { app } = await withApp(one, 'bob')
    await one.enrol('ada', { label: 'ada' })
    for (let i = 0; i < 5; i++) {
      await one.verify('ada', wrong)
      await two.confirm('ada', wrong)
    }
    expect(await two.verify('ada', wrong)).toMatchObject({ reason: { code: 'mfa.too_many_attempts' } })
    expect(await two.verify('bob', app.codeAt(clock.time))).toMatchObject({ ok: true })
  })

  it('takes nothing from somebody who is right', async () => {
    const totp = createTotp({ store, sealer, issuer: 'Ledger', clock })
    const { app } = await withApp(totp)
    for (let i = 0; i < 25; i++) {
      expect(await totp.verify('ada', app.codeAt(clock.time))).toMatchObject({ ok: true })
      clock.time += 30_000
    }
  })

  it('holds for HOTP and its resynchronisation', async () => {
    const hotp = createHotp({ store, sealer, issuer: 'Ledger', clock })
    const reached = (await Promise.all(Array.from({ length: 50 }, () => hotp.resynchronize('ada', ['000000', '000000'])))).filter(
      (result) => !result.ok && result.reason.code !== 'mfa.too_many_attempts',
    )
    expect(reached).toHaveLength(10)
  })
})

describe('a guard', () => {
  const request = { client: { ip: '192.0.2.7', secure: true, host: '' } } as RequestView

  it('is asked before the secret is, with account and address, and hears how it went', async () => {
    const guard = listeningGuard()
    const totp = createTotp({ store, sealer, issuer: 'Ledger', clock, guard })
    const { app, wrong } = await withApp(totp)
    await totp.verify('ada', wrong, { request })
    await totp.verify('ada', app.codeAt(clock.time), { request })
    expect(guard.heard).toEqual(['ada from 192.0.2.7', 'failure', 'ada from 192.0.2.7', 'success'])
    guard.allowed = false
    clock.time += 30_000
    const good = app.codeAt(clock.time)
    const events = await eventsOf(async () => {
      expect(await totp.verify('ada', good, { request })).toMatchObject({ ok: false, retryAfter: 7 })
    })
    expect(events.map(({ type, ip, data }) => ({ type, ip, ...data }))).toEqual([
      { type: 'mfa.refused', ip: '192.0.2.7', account: 'ada', factor: 'totp', code: 'mfa.too_many_attempts' },
    ])
    guard.allowed = true
    expect(await totp.verify('ada', good, { request })).toMatchObject({ ok: true })
  })

  it('stands before every factor', async () => {
    const guard = listeningGuard()
    guard.allowed = false
    const refusal = { ok: false, reason: { code: 'mfa.too_many_attempts' }, retryAfter: 7 }
    const hotp = createHotp({ store, sealer, issuer: 'Ledger', clock, guard })
    expect(await hotp.verify('ada', '000000')).toMatchObject(refusal)
    expect(await hotp.confirm('ada', '000000')).toMatchObject(refusal)
    expect(await hotp.resynchronize('ada', ['000000', '000000'])).toMatchObject(refusal)
    const recovery = createRecoveryCodes({ store, clock, guard })
    const [first = ''] = await recovery.generate('ada')
    expect(await recovery.verify('ada', first)).toMatchObject(refusal)
    const codes = createOneTimeCodes({ store, clock, guard, secret: new Uint8Array(32) })
    const issued = await codes.issue({ account: 'ada', purpose: 'sign-in', channel: 'email' })
    if (!issued.ok) throw new TypeError('no code')
    expect(await codes.verify({ account: 'ada', purpose: 'sign-in', ...issued })).toMatchObject(refusal)
    guard.allowed = true
    expect(await recovery.verify('ada', first)).toMatchObject({ ok: true })
    expect(await codes.verify({ account: 'ada', purpose: 'sign-in', ...issued })).toMatchObject({ ok: true })
  })

  it('hears which known device it is from, at every factor', async () => {
    const guard = listeningGuard()
    guard.allowed = false
    const context = { request, device: { id: 'laptop', account: 'ada' } }
    const options = { store, sealer, issuer: 'Ledger', clock, guard }
    const [totp, hotp] = [createTotp(options), createHotp(options)]
    await totp.verify('ada', '000000', context)
    await totp.confirm('ada', '000000', context)
    await hotp.verify('ada', '000000', context)
    await hotp.confirm('ada', '000000', context)
    await hotp.resynchronize('ada', ['000000', '000000'], context)
    await createRecoveryCodes({ store, clock, guard }).verify('ada', 'x', context)
    const codes = createOneTimeCodes({ store, clock, guard, secret: new Uint8Array(32) })
    await codes.verify({ account: 'ada', purpose: 'sign-in', request: 'x', code: '00000000' }, context)
    expect(guard.heard).toEqual(Array.from({ length: 7 }, () => 'ada from 192.0.2.7 by laptop of ada'))
  })

  it('that cannot be reached lets nobody through; one that is lost after the check turns nobody away', async () => {
    const down = new PortcullisError('test.down', 'down', { status: 503 })
    const lost = createTotp({ store, sealer, issuer: 'Ledger', clock, guard: { attempt: () => Promise.reject(down) } })
    const { app } = await withApp(lost)
    await expect(lost.verify('ada', app.codeAt(clock.time))).rejects.toBe(down)
    const settle = (): Promise<void> => Promise.reject(down)
    const late = createTotp({
      store,
      sealer,
      issuer: 'Ledger',
      clock,
      guard: { attempt: async () => ({ allowed: true, settle }) },
    })
    expect(await late.verify('ada', app.codeAt(clock.time))).toMatchObject({ ok: true })
  })
})
