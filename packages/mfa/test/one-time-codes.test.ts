import { createHash } from 'node:crypto'
import { createMemoryStore, type Store } from '@portcullis/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { createOneTimeCodes, type OneTimeCodes, type OneTimeCodesOptions } from '../src/one-time-codes.ts'
import { eventsOf, type HandClock, timeAt } from './fixture.ts'

const start = 1_800_000_000_000
const ada = { account: 'ada', purpose: 'sign-in' }

let clock: HandClock
let store: Store
let codes: OneTimeCodes

beforeEach(() => {
  clock = timeAt(start)
  store = createMemoryStore({ clock })
  codes = make()
})

function make(options: Partial<OneTimeCodesOptions> = {}): OneTimeCodes {
  return createOneTimeCodes({ store, secret: new Uint8Array(32).fill(7), clock, ...options })
}

async function issue(subject = ada, of = codes): Promise<{ code: string; request: string; expiresAt: number }> {
  const issued = await of.issue({ ...subject, channel: 'sms' })
  if (!issued.ok) throw new TypeError(issued.reason.code)
  return issued
}

const other = (code: string): string => code.slice(0, -1) + ((Number(code.at(-1)) + 1) % 10)
const refusal = (code: string): object => ({ ok: false, reason: { code } })

describe('a code out of band', () => {
  it('is made of 8 digits, 26 bits, with a request of 192 bits, for ten minutes (ASVS 6.5.3, 6.5.4, 6.5.5)', async () => {
    const { code, request, expiresAt } = await issue()
    expect(code).toMatch(/^[0-9]{8}$/)
    expect(Buffer.from(request, 'base64url')).toHaveLength(24)
    expect(expiresAt).toBe(start + 600_000)
    const many = await Promise.all(Array.from({ length: 500 }, (_, i) => issue({ account: `a${i}`, purpose: 'x' })))
    expect(new Set(many.map((one) => one.code)).size).toBeGreaterThan(490)
    expect(many.some((one) => one.code.startsWith('0'))).toBe(true)
  })

  it('works once, and proves the channel (ASVS 6.5.1)', async () => {
    const given = { ...ada, ...(await issue()) }
    const proof = { method: 'one_time_code', at: start / 1000, channel: 'sms' }
    expect(await codes.verify(given)).toEqual({ ok: true, proof })
    expect(await codes.verify(given)).toMatchObject(refusal('mfa.code_unknown'))
  })

  it('is read with the spaces and hyphens that a message has', async () => {
    const issued = await issue()
    const code = ` ${issued.code.slice(0, 4)}-${issued.code.slice(4)} `
    expect(await codes.verify({ ...ada, ...issued, code })).toMatchObject({ ok: true })
  })

  it('is of no use in the browser that did not ask for it (ASVS 6.6.2), nor does that browser use it up', async () => {
    const issued = await issue()
    const elsewhere = await issue({ account: 'mallory', purpose: 'sign-in' })
    for (const request of ['', 'A'.repeat(32), elsewhere.request, undefined as unknown as string]) {
      for (let i = 0; i < 10; i++) {
        expect(await codes.verify({ ...ada, code: issued.code, request })).toMatchObject(refusal('mfa.code_unknown'))
      }
    }
    expect(await codes.verify({ ...ada, ...issued })).toMatchObject({ ok: true })
  })

  it('is of no use for another purpose, nor for another account', async () => {
    const issued = await issue()
    await issue({ account: 'ada', purpose: 'change-email' })
    await issue({ account: 'bob', purpose: 'sign-in' })
    expect(await codes.verify({ account: 'ada', purpose: 'change-email', ...issued })).toMatchObject(refusal('mfa.code_unknown'))
    expect(await codes.verify({ account: 'bob', purpose: 'sign-in', ...issued })).toMatchObject(refusal('mfa.code_unknown'))
    const joined = { account: 'ada","sign', purpose: 'in' }
    expect(await codes.verify({ ...joined, ...issued })).toMatchObject(refusal('mfa.code_unknown'))
  })

  it('is void when the next one is made: one is live for an account and a purpose', async () => {
    const first = await issue()
    const second = await issue()
    expect(await codes.verify({ ...ada, ...first })).toMatchObject(refusal('mfa.code_unknown'))
    expect(await codes.verify({ ...ada, code: first.code, request: second.request })).toMatchObject(refusal('mfa.code_wrong'))
    expect(await codes.verify({ ...ada, ...second })).toMatchObject({ ok: true })
  })

  it('ends in time', async () => {
    const issued = await issue()
    clock.time += 599_999
    expect(await codes.verify({ ...ada, ...issued, code: other(issued.code) })).toMatchObject(refusal('mfa.code_wrong'))
    clock.time += 1
    expect(await codes.verify({ ...ada, ...issued })).toMatchObject(refusal('mfa.code_unknown'))
  })

  it('may be guessed at five times (ASVS 6.6.3), one after the other or 1,000 at once', async () => {
    const issued = await issue()
    const wrong = { ...ada, ...issued, code: other(issued.code) }
    for (let i = 0; i < 5; i++) expect(await codes.verify(wrong)).toMatchObject(refusal('mfa.code_wrong'))
    expect(await codes.verify({ ...ada, ...issued })).toMatchObject(refusal('mfa.code_unknown'))
    const next = await issue()
    const guesses = Array.from({ length: 1000 }, () => codes.verify({ ...ada, ...next, code: other(next.code) }))
    const looked = (await Promise.all(guesses)).filter((result) => !result.ok && result.reason.code === 'mfa.code_wrong')
    expect(looked).toHaveLength(5)
  })

  it('is sent five times an hour, then again when the first is an hour old', async () => {
    for (let i = 0; i < 5; i++) {
      await issue()
      clock.time += 60_000
    }
    expect(await codes.issue({ ...ada, channel: 'sms' })).toMatchObject({ ...refusal('mfa.too_many_sends'), retryAfter: 3300 })
    await issue({ account: 'ada', purpose: 'change-email' })
    clock.time += 3_300_000
    await issue()
    expect(await codes.issue({ ...ada, channel: 'sms' })).toMatchObject(refusal('mfa.too_many_sends'))
  })

  it('does not give another five guesses by being asked for at once', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => codes.issue({ ...ada, channel: 'sms' })))
    expect(all.filter(({ ok }) => ok)).toHaveLength(5)
  })

  it.each(['', '1234567', '123456789', '1234567a', '１２３４５６７８', null as unknown as string])(
    'refuses %j for its form, and takes no attempt for it',
    async (code) => {
      const issued = await issue()
      for (let i = 0; i < 6; i++) {
        expect(await codes.verify({ ...ada, ...issued, code })).toMatchObject(refusal('mfa.code_malformed'))
      }
      expect(await codes.verify({ ...ada, ...issued })).toMatchObject({ ok: true })
    },
  )

  it('a stolen database tells neither code nor request: all 10^8 hashes without the key would be tried in seconds', async () => {
    const { code, request } = await issue()
    const rows = store.collection<{ live: { code: string; request: string } }>({ name: 'mfa.one_time_codes' })
    const id = createHash('sha256')
      .update(JSON.stringify(['ada', 'sign-in']))
      .digest('base64url')
    const text = JSON.stringify((await rows.get(id))!.value)
    for (const hidden of [code, request]) expect(text).not.toContain(hidden)
    for (const guess of [code, JSON.stringify([id, request, code])]) {
      expect(text).not.toContain(createHash('sha256').update(guess).digest('base64url'))
    }
    const otherKey = make({ secret: new Uint8Array(32).fill(8) })
    expect(await otherKey.verify({ ...ada, code, request })).toMatchObject(refusal('mfa.code_wrong'))
  })

  it('leaves nothing behind after an hour', async () => {
    await issue()
    clock.time += 3_600_000
    const id = createHash('sha256')
      .update(JSON.stringify(['ada', 'sign-in']))
      .digest('base64url')
    expect(await store.collection({ name: 'mfa.one_time_codes' }).get(id)).toBeUndefined()
  })

  it('tells of every code that is made and every answer, without either', async () => {
    let issued = { code: '', request: '' }
    const events = await eventsOf(async () => {
      issued = await issue()
      await codes.verify({ ...ada, ...issued, code: other(issued.code) })
      await codes.verify({ ...ada, ...issued })
    })
    expect(events.map(({ type, data }) => ({ type, ...data }))).toEqual([
      { type: 'mfa.one_time_code_made', account: 'ada', purpose: 'sign-in', channel: 'sms' },
      { type: 'mfa.refused', account: 'ada', factor: 'one_time_code', code: 'mfa.code_wrong' },
      { type: 'mfa.verified', account: 'ada', factor: 'one_time_code' },
    ])
    for (const hidden of [issued.code, issued.request]) expect(JSON.stringify(events)).not.toContain(hidden)
  })

  it.each<[string, Partial<OneTimeCodesOptions>]>([
    ['a short key', { secret: new Uint8Array(31) }],
    ['a key that is a text', { secret: 'x'.repeat(32) as unknown as Uint8Array }],
    ['six digits, which are less than 20 bits', { digits: 6 }],
    ['a code for an hour', { lifetime: 3600 }],
    ['endless attempts', { attempts: Number.POSITIVE_INFINITY }],
    ['a hundred sends', { sendsPerHour: 100 }],
  ])('refuses %s', (_, options) => {
    expect(() => make(options)).toThrow(expect.objectContaining({ code: 'mfa.options_invalid' }))
  })
})
