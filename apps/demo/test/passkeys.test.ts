import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { frameworks } from '../src/config.ts'
import { hasChromium, launch, requireChromium } from './chromium.ts'
import { call, people } from './person.ts'
import { dataDir, type LedgerProcess, startLedger } from './process.ts'

requireChromium()

describe.skipIf(!hasChromium).each(frameworks)('passkeys of Ledger on %s in Chromium', { timeout: 60_000 }, (framework) => {
  let dir: Awaited<ReturnType<typeof dataDir>>
  let ledger: LedgerProcess
  let browser: Browser
  let page: Page
  const complaints: string[] = []
  let codes: string[] = []

  /** Linus, on one machine with one authenticator, from the first test to the last. */
  beforeAll(async () => {
    dir = await dataDir()
    ledger = await startLedger({ FRAMEWORK: framework, DATA_DIR: dir.path })
    browser = await launch()
    page = await open()
    const cdp = await page.context().newCDPSession(page)
    await cdp.send('WebAuthn.enable', { enableUI: false })
    await cdp.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    })
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    await ledger?.end('SIGTERM')
    await dir?.remove()
  })

  async function open(): Promise<Page> {
    const opened = await (await browser.newContext()).newPage()
    opened.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
    return opened
  }

  async function enterPassword(at: Page, { username, password }: { readonly username: string; readonly password: string }) {
    await at.fill('input[autocomplete="username"]', username)
    await at.fill('input[autocomplete="current-password"]', password)
    await at.click('button[type="submit"]')
  }

  /** As somebody does whose passkey is lost. */
  async function enterCode(at: Page): Promise<void> {
    await at.goto(`${ledger.url}/account`)
    await enterPassword(at, people.linus)
    await at.click('text=Use a recovery code')
    await at.fill('input[autocomplete="one-time-code"]', codes[0]?.toLowerCase() ?? '')
    await at.click('button[type="submit"]')
  }

  const title = (text: string): Promise<unknown> => page.waitForSelector(`h1:has-text("${text}")`)
  const approve = (): Promise<void> => page.click('button[name="decision"][value="approve"]')

  /** Out at both: the web page, and the authorization server. */
  async function signOut(): Promise<void> {
    await page.context().clearCookies()
  }

  /** What the page shows after a sign-in. */
  async function token(): Promise<string> {
    await title('Signed in as Linus Torvalds')
    return (await page.textContent('pre'))?.replace('TOKEN=', '') ?? ''
  }

  it('registers a passkey on the page of the account, which signs in with the password alone first', async () => {
    await page.goto(`${ledger.url}/account`)
    await enterPassword(page, people.linus)
    await approve()
    await page.fill('#passkey-name', 'This laptop')
    await page.click('text=Add a passkey')
    await title('Passkey added')
  })

  it('the account has a second factor now: the page asks for it, and a session of the password alone is none', async () => {
    await page.click('text=Back to your account')
    await title('Second factor')
    await page.click('#passkey button')
    await approve()
    await page.waitForSelector('text=This laptop')
  })

  it('makes recovery codes, shown once', async () => {
    await page.click('text=Make recovery codes')
    await title('Your recovery codes')
    codes = (await page.textContent('pre'))?.trim().split('\n') ?? []
    expect(codes).toHaveLength(10)
    await page.click('text=Back to your account')
    expect(await page.textContent('main')).not.toContain(codes[0])
  })
  it('signs in without a user name, with two factors at once', async () => {
    await signOut()
    await page.goto(`${ledger.url}/sign-in`)
    await page.click('#passkey button')
    await approve()
    const { body } = await call(ledger.url, await token(), 'GET', '/api/me')
    expect(body).toMatchObject({ sub: 'usr_linus', acr: 'aal2', amr: ['hwk', 'user', 'mfa'] })
  })

  it('after a password the passkey is the second factor that a refund asks for', async () => {
    await signOut()
    await page.goto(`${ledger.url}/sign-in`)
    await enterPassword(page, people.linus)
    await title('Second factor')
    expect(await page.textContent('main')).not.toContain('authenticator shows')
    await page.click('#passkey button')
    await approve()
    const linus = await token()
    expect((await call(ledger.url, linus, 'GET', '/api/me')).body.amr).toEqual(['pwd', 'hwk', 'user', 'mfa'])
    expect((await call(ledger.url, linus, 'POST', '/api/invoices/inv_globex_0001/refund')).status).toBe(200)
  })

  it('recovers with a code on another machine, where it is good once, and removes the passkey that is lost', async () => {
    const before = page
    page = await open()
    await enterCode(page)
    await approve()
    const third = await open()
    await enterCode(third)
    await third.waitForSelector('text=This is not right, or was used before.')

    await page.click('section:has-text("This laptop") >> text=Remove')
    await title('Passkey removed')
    page = before
    await signOut()
    await page.goto(`${ledger.url}/sign-in`)
    await page.click('#passkey button')
    await page.waitForSelector('text=The user name, the password or the passkey is not right.')
  })

  it('no page was in the way of its own policy', () => {
    expect(complaints.filter((text) => !/status of (401|404|422)/.test(text))).toEqual([])
  })
})
