import { randomBytes } from 'node:crypto'
import { createMemoryStore, createSealer, type RequestView, systemClock } from '@portcullis/core'
import { createPasswords, type Passwords } from '@portcullis/password'
import { createMemoryRateLimitStore } from '@portcullis/rate-limit'
import { TOTP } from 'otpauth'
import { beforeEach, describe, expect, it } from 'vitest'
import { createAccounts } from '../src/accounts.ts'
import { createFactors, type Factors } from '../src/factors.ts'
import { createGuesses } from '../src/guesses.ts'
import { createSignIn } from '../src/sign-in.ts'

const clock = systemClock
const password = 'a password that nobody guesses'
const real = createPasswords()

let checked: number
let signIn: ReturnType<typeof createSignIn>
let factors: Factors

function request(ip: string, cookie?: string): RequestView {
  return {
    method: 'POST',
    target: '/oauth/sign-in',
    headers: { ...(cookie !== undefined && { cookie }) },
    client: { ip, secure: true, host: 'localhost' },
    socket: undefined,
    route: undefined,
    body: async () => ({ raw: new Uint8Array() }),
    signal: new AbortController().signal,
  }
}

beforeEach(async () => {
  checked = 0
  const store = createMemoryStore({ clock })
  const accounts = createAccounts({ store })
  const passwordHash = await real.hash(password)
  const person = { name: 'Ada', tenant: 'acme', role: 'owner', passwordHash, disabled: false } as const
  await accounts.seed({ ...person, id: 'usr_1', email: 'ada@acme.test' })
  await accounts.seed({ ...person, id: 'usr_2', email: 'linus@acme.test' })
  const passwords: Passwords = {
    ...real,
    verify: (given, stored) => {
      checked++
      return real.verify(given, stored)
    },
  }
  const guesses = createGuesses({ store: createMemoryRateLimitStore({ clock }), deviceKey: randomBytes(32), clock })
  const sealer = createSealer({ current: 'k1', keys: { k1: randomBytes(32) } })
  factors = createFactors({ publicUrl: 'http://localhost:3000', store, sealer, guesses: guesses.codes, clock })
  signIn = createSignIn({ accounts, passwords, factors, guesses, clock })
})

describe('guesses at a password (ASVS 6.3.1)', () => {
  it('of 1,000 wrong ones at once, ten reach argon2 (rate-limiter-flexible’s recipe let 1,000 through)', async () => {
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, i) =>
        signIn.authenticate({ username: 'ada@acme.test', password: `guess ${i}`, request: request('192.0.2.1') }),
      ),
    )
    expect(checked).toBeLessThanOrEqual(10)
    expect(answers.filter(({ type }) => type === 'limited').length).toBeGreaterThanOrEqual(990)
  })

  it('an attacker who uses up the account from everywhere does not lock its owner out of a known browser', async () => {
    const right = { username: 'Ada@Acme.Test', password }
    const first = await signIn.authenticate({ ...right, request: request('198.51.100.7') })
    const cookie = (first.type === 'ok' && first.headers?.[0]?.[1].split(';')[0]) || ''
    expect(cookie).toMatch(/^__Host-known-device=/)

    for (let i = 0; i < 150; i++) {
      await signIn.authenticate({ ...right, password: 'wrong', request: request(`203.0.113.${i}`) })
    }
    expect(await signIn.authenticate({ ...right, request: request('198.51.100.8') })).toMatchObject({ type: 'limited' })
    expect(await signIn.authenticate({ ...right, request: request('198.51.100.7', cookie) })).toMatchObject({ type: 'ok' })
    expect(
      await signIn.authenticate({ ...right, username: 'grace@acme.test', request: request('198.51.100.9', cookie) }),
    ).toMatchObject({ type: 'refused' })
  })
})

describe('guesses at a second factor (ASVS 6.6.3)', () => {
  const secret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'
  const code = (): string => new TOTP({ secret }).generate({ timestamp: clock.now() })
  const answer = (typed: string, from: RequestView) => signIn.secondFactor({ subject: 'usr_1', code: typed, request: from })
  const cookieOf = (result: Awaited<ReturnType<typeof answer>>): string =>
    (result.type === 'ok' && result.headers?.[0]?.[1].split(';')[0]) || ''

  beforeEach(async () => {
    await factors.totp.enrol('usr_1', { label: 'ada@acme.test', secret, confirmed: true })
  })

  it('of 1,000 at once from one address, five are looked at', async () => {
    const answers = await Promise.all(Array.from({ length: 1000 }, () => answer('000000x', request('203.0.113.1'))))
    expect(answers.filter(({ type }) => type === 'refused')).toHaveLength(5)
    expect(answers.filter(({ type }) => type === 'limited')).toHaveLength(995)
  })

  it('whoever knows the password and guesses from everywhere does not lock the owner out of a known browser', async () => {
    const owner = await answer(code(), request('198.51.100.7'))
    const cookie = cookieOf(owner)
    expect(cookie).toMatch(/^__Host-known-device=/)
    for (let n = 0; n < 40; n++) await answer('000000x', request(`203.0.113.${n}`))
    expect(await answer(code(), request('198.51.100.8'))).toMatchObject({ type: 'limited' })
    const [paper = ''] = await factors.recovery.generate('usr_1')
    expect(await answer(paper, request('198.51.100.7', cookie))).toMatchObject({ type: 'ok' })
  })

  it('a cookie of somebody else’s is no known browser', async () => {
    const cookie = cookieOf(await answer(code(), request('198.51.100.7')))
    await factors.totp.enrol('usr_2', { label: 'linus@acme.test', secret, confirmed: true })
    for (let n = 0; n < 40; n++) {
      await signIn.secondFactor({ subject: 'usr_2', code: '000000x', request: request(`203.0.113.${n}`) })
    }
    const typed = { subject: 'usr_2', code: code(), request: request('198.51.100.7', cookie) }
    expect(await signIn.secondFactor(typed)).toMatchObject({ type: 'limited' })
  })
})
