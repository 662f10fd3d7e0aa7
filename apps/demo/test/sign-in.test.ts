import { randomBytes } from 'node:crypto'
import { createMemoryStore, createSealer, type RequestView, systemClock } from '@portcullis/core'
import { createPasswords, type Passwords } from '@portcullis/password'
import { createBruteForceGuard, createDeviceCookies, createMemoryRateLimitStore, presets } from '@portcullis/rate-limit'
import { beforeEach, describe, expect, it } from 'vitest'
import { createAccounts } from '../src/accounts.ts'
import { createFactors } from '../src/factors.ts'
import { createSignIn } from '../src/sign-in.ts'

const clock = systemClock
const password = 'a password that nobody guesses'
const real = createPasswords()

let checked: number
let signIn: ReturnType<typeof createSignIn>

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
  await accounts.seed({
    id: 'usr_1',
    email: 'ada@acme.test',
    name: 'Ada',
    tenant: 'acme',
    role: 'owner',
    passwordHash,
    disabled: false,
  })
  const passwords: Passwords = {
    ...real,
    verify: (given, stored) => {
      checked++
      return real.verify(given, stored)
    },
  }
  const guesses = createMemoryRateLimitStore({ clock })
  const sealer = createSealer({ current: 'k1', keys: { k1: randomBytes(32) } })
  signIn = createSignIn({
    accounts,
    passwords,
    factors: createFactors({
      publicUrl: 'http://localhost:3000',
      store,
      sealer,
      guesses: createBruteForceGuard({ ...presets.secondFactor, store: guesses, clock }),
      clock,
    }),
    passwordGuesses: createBruteForceGuard({ ...presets.signIn, store: guesses, clock }),
    devices: createDeviceCookies({ secret: randomBytes(32), clock }),
    clock,
  })
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
