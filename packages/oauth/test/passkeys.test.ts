import { Authenticator } from '@portcullis/conformance/authenticator'
import type { Clock, Store } from '@portcullis/core'
import { createPasskeys, type Passkeys } from '@portcullis/mfa/passkeys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AccountPasskeys } from '../src/index.ts'
import { Browser, hiddenFields, type Visit } from './browser.ts'
import { authorizeUrl, claimsOf, codeOf, type Kit, kit, redeem, TestAccounts } from './kit.ts'

class AccountsWithPasskeys extends TestAccounts {
  readonly passkeys: AccountPasskeys
  readonly made: Passkeys

  constructor(parts: { readonly store: Store; readonly clock: Clock; readonly url: string }) {
    super(parts.clock)
    const { store, clock, url } = parts
    const made = createPasskeys({ store, rpId: 'localhost', rpName: 'Ledger', origins: [url], clock })
    this.made = made
    this.passkeys = {
      module: '/mfa/"browser".js',
      begin: ({ subject, browser }) =>
        subject === undefined ? made.beginSignIn({ browser }) : made.beginSecondFactor(subject, { browser }),
      finish: async ({ subject, browser, response }) => {
        const answer = { browser, response }
        const result = await (subject === undefined ? made.finishSignIn(answer) : made.finishSecondFactor(subject, answer))
        return result.ok ? { type: 'ok', subject: result.account, proofs: [result.proof] } : { type: 'refused' }
      },
    }
  }
}

let it: Kit
let accounts: AccountsWithPasskeys
beforeAll(async () => {
  it = await kit({
    assemble: (parts) => {
      accounts = new AccountsWithPasskeys({ ...parts, url: parts.url.replace('127.0.0.1', 'localhost') })
      return { accounts }
    },
  })
})
afterAll(() => it.close())

/** Gives somebody a passkey, on an authenticator of his own. */
async function enrol(subject: string): Promise<Authenticator> {
  const authenticator = new Authenticator(it.url.replace('127.0.0.1', 'localhost'))
  const options = await accounts.made.beginRegistration(subject, { userName: subject, browser: 'enrolment' })
  const response = authenticator.create(options)
  expect(await accounts.made.finishRegistration(subject, { browser: 'enrolment', response, name: 'a key' })).toMatchObject({
    ok: true,
  })
  const person = accounts.people.get(subject)
  if (person === undefined) throw new TypeError('nobody')
  accounts.people.set(subject, { ...person, factors: [{ method: 'password' }, { method: 'passkey', userVerified: true }] })
  return authenticator
}

/** The fields of the passkey's form, which the script sends. */
function fieldsOf(page: Visit): Record<string, string> {
  const form = /<form[^>]*id="passkey"[\s\S]*?<\/form>/.exec(page.text)?.[0] ?? ''
  return hiddenFields({ ...page, text: form })
}

async function optionsFor(browser: Browser, page: Visit, fields = {}): Promise<{ readonly visit: Visit; readonly options: any }> {
  const body = new URLSearchParams({ ...fieldsOf(page), ...fields })
  const visit = await browser.post(`${it.url}/oauth/passkey/options`, body)
  return { visit, options: JSON.parse(visit.text) }
}

/** What the page's script does when its button is pressed. */
async function press(browser: Browser, page: Visit, authenticator: Authenticator): Promise<Visit> {
  const { options } = await optionsFor(browser, page)
  return send(browser, page, authenticator.get(options))
}

function send(browser: Browser, page: Visit, response: unknown): Promise<Visit> {
  const body = new URLSearchParams({ ...fieldsOf(page), response: JSON.stringify(response) })
  return browser.post(`${it.url}/oauth/passkey`, body)
}

const begin = async (parameters = {}): Promise<{ browser: Browser; page: Visit }> => {
  const browser = new Browser(it.url)
  return { browser, page: await browser.get(authorizeUrl(it, parameters)) }
}

describe('signing in by passkey', () => {
  test('without a user name: one passkey that verified the person is two factors, and resists phishing', async () => {
    const authenticator = await enrol('u-grace')
    const { browser, page } = await begin()
    const consent = await press(browser, page, authenticator)
    expect(consent.text).toContain('grace@acme.test')
    const { left } = await browser.submit(consent, { decision: 'approve' })
    const { body } = await redeem(it, codeOf(left as URL))
    expect(claimsOf(body['id_token'])).toMatchObject({ sub: 'u-grace', acr: 'aal2', amr: ['hwk', 'user', 'mfa'] })
  })

  test('an answer is good once, in the browser that asked (WebAuthn L3 §13.4.3, ASVS 6.7.2)', async () => {
    const authenticator = await enrol('u-grace')
    const [mine, other] = await Promise.all([begin(), begin()])
    const answer = authenticator.get((await optionsFor(mine.browser, mine.page)).options)
    expect((await send(other.browser, other.page, answer)).status).toBe(422)
    expect((await send(mine.browser, mine.page, answer)).status).toBe(422)
    expect((await press(mine.browser, mine.page, authenticator)).text).toContain('name="decision"')
  })

  test('the passkey of a disabled account is told what an unknown one is', async () => {
    const authenticator = await enrol('u-grace')
    const grace = accounts.people.get('u-grace')
    accounts.people.delete('u-grace')
    const { browser, page } = await begin()
    const answer = await press(browser, page, authenticator)
    const unknown = await press(browser, page, new Authenticator(it.url))
    if (grace !== undefined) accounts.people.set('u-grace', grace)
    expect(answer.status).toBe(422)
    const words = (visit: Visit): string => visit.text.replace(/nonce="[^"]*"|value="[^"]*"/g, '')
    expect(words(answer)).toBe(words(unknown))
  })

  test.each(['', 'not json', 'null', '{"id":1}', '[]'])('an answer that is none is refused: %j', async (response) => {
    const { browser, page } = await begin()
    const body = new URLSearchParams({ ...fieldsOf(page), response })
    expect((await browser.post(`${it.url}/oauth/passkey`, body)).status).toBe(422)
  })
})

describe('a passkey as a second factor', () => {
  test('after the password it is asked for, with the options of this account', async () => {
    const authenticator = await enrol('u-grace')
    const { browser, page } = await begin()
    const half = await browser.submit(page, { username: 'grace@acme.test', password: 'grace-password' })
    expect(half.text).not.toContain('one-time-code')
    const hers = await accounts.made.factors('u-grace')
    expect((await optionsFor(browser, half)).options.allowCredentials).toHaveLength(hers.length)
    const consent = await press(browser, half, authenticator)
    const { left } = await browser.submit(consent, { decision: 'approve' })
    expect(claimsOf((await redeem(it, codeOf(left as URL))).body['id_token'])).toMatchObject({
      acr: 'aal2',
      amr: ['pwd', 'hwk', 'user', 'mfa'],
    })
  })

  test("somebody else's passkey is none, and five attempts end the sign-in", async () => {
    await enrol('u-grace')
    accounts.add({ subject: 'u-eve', username: 'eve@acme.test', password: 'eve-password', roles: [], factors: [] })
    const eve = await enrol('u-eve')
    const { browser, page } = await begin()
    let half = await browser.submit(page, { username: 'grace@acme.test', password: 'grace-password' })
    for (let at = 0; at < 5; at++) {
      half = await press(browser, half, eve)
      expect(half.status).toBe(422)
    }
    expect((await press(browser, half, eve)).text).toContain('has expired')
    expect((await browser.get(authorizeUrl(it))).text).toContain('current-password')
  })

  test('an application that confuses two people lets neither in', async () => {
    const authenticator = await enrol('u-grace')
    const { browser, page } = await begin()
    const half = await browser.submit(page, { username: 'grace@acme.test', password: 'grace-password' })
    const { finish } = accounts.passkeys
    Object.assign(accounts.passkeys, {
      finish: async () => ({ type: 'ok', subject: 'u-ada', proofs: [accounts.prove('passkey')] }),
    })
    const answer = await press(browser, half, authenticator)
    Object.assign(accounts.passkeys, { finish })
    expect(answer.status).toBe(422)
  })

  test('before the password there is no step of a second factor to answer, whatever the form says', async () => {
    await enrol('u-grace')
    const { browser, page } = await begin()
    expect((await optionsFor(browser, page, { step: 'second_factor' })).visit.status).toBe(409)
    const body = new URLSearchParams({ ...fieldsOf(page), step: 'second_factor', response: '{}' })
    expect((await browser.post(`${it.url}/oauth/passkey`, body)).text).toContain('current-password')
  })
})

describe('the pages of passkeys', () => {
  test('the only script is the named one, by a nonce that no two pages share', async () => {
    const { page } = await begin()
    const nonce = /script-src 'nonce-([^']+)'/.exec(page.headers.get('content-security-policy') ?? '')?.[1]
    expect(page.text).toContain(`<script type="module" src="/oauth/passkey.js" nonce="${nonce}">`)
    expect((await begin()).page.text).not.toContain(`nonce="${nonce}"`)
    expect(page.headers.get('content-security-policy')).toContain("connect-src 'self'")
  })

  test('the script imports the module of the application, as a string that it cannot leave', async () => {
    const script = await new Browser(it.url).get(`${it.url}/oauth/passkey.js`)
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8')
    expect(script.text.split('\n')[0]).toBe(String.raw`import { passkeySupport, signInWithPasskey } from "/mfa/\"browser\".js"`)
  })

  test('options need the page’s own token (login CSRF), and are not kept', async () => {
    const { browser, page } = await begin()
    expect((await optionsFor(browser, page, { form_token: 'x' })).visit.status).toBe(409)
    expect((await optionsFor(new Browser(it.url), page)).visit.status).toBe(409)
    expect((await optionsFor(browser, page)).visit.headers.get('cache-control')).toBe('no-store')
  })

  test('where the application has no passkeys, the pages have no script, and the routes are not there', async () => {
    const plain = await kit()
    const page = await plain.browser.get(authorizeUrl(plain))
    expect(page.headers.get('content-security-policy')).not.toContain('script-src')
    expect(page.text).not.toContain('passkey')
    expect((await plain.browser.get(`${plain.url}/oauth/passkey.js`)).status).toBe(404)
    await plain.close()
  })
})
