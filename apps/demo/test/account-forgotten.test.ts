import type { Collection, Json, Store } from '@portcullis/core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Account } from '../src/accounts.ts'
import { type AccountSite, type Answer, another, openAccountSite, password, totpSecret } from './account-site.ts'

/** The verbs that were asked for since it was emptied. */
const calls: string[] = []

/** A store that writes down what it is asked. */
function listening(store: Store): Store {
  return {
    collection<T extends Json>(declaration: Parameters<Store['collection']>[0]): Collection<T> {
      const inner = store.collection<T>(declaration)
      return new Proxy(inner, {
        get(target, verb) {
          const method = Reflect.get(target, verb) as (...given: unknown[]) => unknown
          return (...given: unknown[]) => {
            calls.push(`${declaration.name} ${String(verb)}`)
            return method.apply(target, given)
          }
        },
      })
    },
  }
}

let site: AccountSite
beforeAll(async () => {
  site = await openAccountSite({ store: listening })
})
afterAll(() => site.close())
// All come from one address, whose limit is full again after a quarter of an hour.
beforeEach(() => site.clock.advance(900_000))

const ask = (username: string): Promise<Answer> => site.browser().post('/account/forgot', { username })
const redeem = (code: string, next = another): Promise<Answer> => site.browser().post('/account/reset', { code, password: next })

/** Asks, and reads the mail. */
async function codeFor({ email }: Account): Promise<string> {
  const codes = async () => (await site.mails(email)).map(({ text }) => codeIn(text)).filter((code) => code !== '')
  const known = (await codes()).length
  await ask(email)
  await expect.poll(async () => (await codes()).length, { interval: 10, timeout: 5000 }).toBe(known + 1)
  return (await codes()).at(-1) ?? ''
}

function codeIn(text: string): string {
  return /^([\w-]{43})$/m.exec(text)?.[1] ?? ''
}

const codesOf = async (email: string): Promise<number> =>
  (await site.mails(email)).filter(({ text }) => codeIn(text) !== '').length

async function hasPassword({ id }: Account, text: string): Promise<boolean> {
  return (await site.passwords.verify(text, (await site.accounts.find(id))?.passwordHash)).ok
}

describe('a forgotten password', () => {
  it('tells nobody who has an account: the same text, status, headers and work for all (v5.0.0-6.3.8)', async () => {
    const known = await site.person()
    const secured = await site.person()
    await site.factors.totp.enrol(secured.id, { label: secured.email, secret: totpSecret, confirmed: true })
    const disabled = await site.person({ disabled: true })
    const seen = []
    for (const username of [known.email, secured.email, 'nobody@acme.test', disabled.email, known.email.toUpperCase()]) {
      calls.length = 0
      const { status, headers, body } = await ask(username)
      const work = calls.join()
      seen.push({ status, headers: [...headers].filter(([name]) => name !== 'date'), body, work })
    }
    expect(seen[0]?.status).toBe(200)
    expect(seen[0]?.work).toContain('password.account_tokens create')
    for (const [i, other] of seen.slice(1, 4).entries()) expect([i, other]).toEqual([i, seen[0]])
    // The second mail of one person takes the second place.
    expect(seen[4]).toMatchObject({ status: 200, body: seen[0]?.body })
    await site.mailed(known.email, '/account/reset')
    expect(await site.mails(disabled.email)).toEqual([])
  })

  it('is answered by a mail whose code is in no address (v5.0.0-14.2.1)', async () => {
    const account = await site.person()
    const code = await codeFor(account)
    const { text } = await site.mailed(account.email, code)
    for (const address of text.match(/https?:\/\/\S+/g) ?? []) expect(address).not.toContain(code)
    const page = await site.browser().get(`/account/reset?code=${code}`)
    expect([page.status, page.body.includes(code)]).toEqual([200, false])
    const ways = site.endpoints.filter(({ path, method }) => path === '/account/reset' && method !== 'POST')
    expect(ways.map(({ method }) => method)).toEqual(['GET'])
  })

  it('is replaced by a code that is random, short-lived and good once (v5.0.0-6.4.1)', async () => {
    const account = await site.person()
    const [first, second] = [await codeFor(account), await codeFor(account)]
    expect(first).not.toBe(second)
    expect((await redeem(first)).status).toBe(200)
    expect(await hasPassword(account, another)).toBe(true)
    expect((await redeem(first, password)).status).toBe(422)
    // The other one was made for the password before.
    expect((await redeem(second, password)).status).toBe(422)
    expect(await hasPassword(account, another)).toBe(true)
    const late = await codeFor(await site.person())
    site.clock.advance(900_000)
    expect((await redeem(late)).body).toContain('The code is not right, was used before, or is too old.')
  })

  it('is replaced once, of 30 uses of one code at once', async () => {
    const account = await site.person()
    const code = await codeFor(account)
    const wanted = Array.from({ length: 30 }, (_, i) => `${another} number ${i}`)
    const answers = await Promise.all(wanted.map((next) => redeem(code, next)))
    const won = wanted.filter((_, i) => answers[i]?.status === 200)
    expect(won.length).toBe(1)
    expect(await hasPassword(account, won[0] ?? '')).toBe(true)
  })

  it('leaves the second factor as it is, and signs nobody in (v5.0.0-6.4.3)', async () => {
    const account = await site.person()
    await site.factors.totp.enrol(account.id, { label: account.email, secret: totpSecret, confirmed: true })
    const browser = site.browser()
    const answer = await browser.post('/account/reset', { code: await codeFor(account), password: another })
    expect(answer.body).toContain('asks for your second factor')
    expect([answer.headers.getSetCookie(), browser.cookie]).toEqual([[], undefined])
    expect(await site.factors.totp.enrolled(account.id)).toBe(true)
    await browser.signIn(account.id, site.proofs(['password']))
    expect((await browser.get('/account')).location).toBe('/sign-in?return=/account')
  })

  it('ends all sessions, what clients have of the account, and its access tokens (v5.0.0-7.4.3), and its owner is told (v5.0.0-6.3.7)', async () => {
    const account = await site.person()
    const thief = site.browser()
    await thief.signIn(account.id, site.proofs(['password']))
    const grant = { subject: account.id, clientId: 'ledger-cli', scopes: ['invoice:read'] }
    const refresh = await site.refreshTokens.issue(grant)
    expect(await site.stands({ sub: account.id })).toBe(true)
    expect((await redeem(await codeFor(account))).status).toBe(200)
    expect((await thief.get('/account')).status).toBe(303)
    expect(await site.stands({ sub: account.id })).toBe(false)
    expect((await site.refreshTokens.rotate(refresh.token, { clientId: 'ledger-cli' })).ok).toBe(false)
    await site.mailed(account.email, 'Your password was set anew with a code from a mail.')
  })

  it('is not replaced by a bad one: the page names the flaws, and the code stays good', async () => {
    const account = await site.person()
    const code = await codeFor(account)
    const answer = await redeem(code, 'ledger')
    expect([answer.status, answer.body.includes('too short')]).toEqual([422, true])
    expect(answer.body).toContain(`value="${code}"`)
    expect((await redeem(` ${code}\n`)).status).toBe(200)
  })

  it.each(['', 'x', 'x'.repeat(43), 'x'.repeat(5000)])('is not replaced by a guess', async (code) => {
    expect((await redeem(code)).status).toBe(422)
  })

  it('of a disabled account stays as it is, also with a code from before', async () => {
    const account = await site.person()
    const code = await codeFor(account)
    await site.accounts.setDisabled(account.id, true)
    expect((await redeem(code)).status).toBe(422)
    expect(await hasPassword(account, password)).toBe(true)
  })

  it('fills nobody’s mailbox: three codes in a quarter of an hour, whoever asks how often', async () => {
    const account = await site.person()
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(account.email)))
    expect(new Set(answers.map(({ status, body }) => `${status} ${body}`)).size).toBe(1)
    const last = await site.person()
    await codeFor(last)
    expect((await site.mails(account.email)).length).toBe(3)
  })

  it('of 1,000 requests at once from one address, 30 do anything, and all are answered alike (v5.0.0-6.3.1, v5.0.0-6.3.8)', async () => {
    const { email } = await site.person()
    calls.length = 0
    const names = Array.from({ length: 1000 }, (_, n) => (n % 10 === 0 ? email : `nobody-${n}@acme.test`))
    const answers = await Promise.all(names.map(ask))
    expect(new Set(answers.map(({ status, body }) => `${status} ${body}`)).size).toBe(1)
    expect(calls.filter((call) => call === 'password.account_tokens create').length).toBeLessThanOrEqual(30)
    expect((await site.mails(email)).length).toBeLessThanOrEqual(3)
  })

  it('of 1,000 guesses at once from one address, 30 are looked up; a code that is right passes once the address has waited', async () => {
    const code = await codeFor(await site.person())
    calls.length = 0
    const guesses = Array.from({ length: 1000 }, (_, n) => String(n).padStart(43, 'x'))
    const answers = await Promise.all(guesses.map((guess) => redeem(guess)))
    // Asking took one of the thirty.
    expect(calls.filter((call) => call.startsWith('password.account_tokens'))).toHaveLength(29)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(971)
    const late = await redeem(code)
    expect([late.status, Number(late.headers.get('retry-after'))]).toEqual([429, 30])
    site.clock.advance(30_000)
    expect((await redeem(code)).status).toBe(200)
  })

  it('is asked for on a known browser when strangers at the same address have asked too often', async () => {
    const account = await site.person()
    const code = await codeFor(account)
    for (let n = 0; n < 2; n++) await codeFor(account)
    // There is room for one more mail; the limit is what is used up.
    expect((await redeem(code)).status).toBe(200)
    const fromKnown = async ({ email }: Account): Promise<number> => {
      const cookie = site.devices.issue(email, { headers: {} }).split(';')[0] ?? ''
      const headers = { cookie, 'sec-fetch-site': 'same-origin' }
      const body = new URLSearchParams({ username: account.email })
      return (await fetch(`${site.url}/account/forgot`, { method: 'POST', headers, body })).status
    }
    await ask(account.email)
    await fromKnown(await site.person())
    await codeFor(await site.person())
    expect(await codesOf(account.email)).toBe(3)
    expect(await fromKnown(account)).toBe(200)
    await expect.poll(() => codesOf(account.email), { interval: 10, timeout: 5000 }).toBe(4)
  })

  it('is asked for without JavaScript, by forms that password managers know', async () => {
    const forgot = await site.browser().get('/account/forgot')
    expect(forgot.body).toContain('autocomplete="username"')
    expect((await site.browser().post('/account/forgot')).status).toBe(200)
    expect((await site.browser().get('/account/reset')).body).toContain('autocomplete="new-password"')
  })
})
