import { Secret, TOTP } from 'otpauth'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { frameworks } from '../src/config.ts'
import { hasChromium, launch, requireChromium } from './chromium.ts'
import { people } from './person.ts'
import { dataDir, type LedgerProcess, startLedger } from './process.ts'

requireChromium()

describe.skipIf(!hasChromium).each(frameworks)('Ledger on %s in Chromium, without JavaScript', (framework) => {
  let dir: Awaited<ReturnType<typeof dataDir>>
  let ledger: LedgerProcess
  let browser: Browser

  beforeAll(async () => {
    dir = await dataDir()
    ledger = await startLedger({ FRAMEWORK: framework, DATA_DIR: dir.path })
    browser = await launch()
  }, 60_000)
  afterAll(async () => {
    await browser.close()
    await ledger.end('SIGTERM')
    await dir.remove()
  })

  /** A browser of its own, and what it complained about. */
  async function visit(): Promise<{ page: Page; complaints: string[] }> {
    const page = await (await browser.newContext({ javaScriptEnabled: false })).newPage()
    const complaints: string[] = []
    page.on('console', (message) => complaints.push(message.text()))
    await page.goto(ledger.url)
    return { page, complaints }
  }

  async function enterPassword(page: Page, { username, password }: { readonly username: string; readonly password: string }) {
    await page.click('text=Sign in')
    await page.fill('input[autocomplete="username"]', username)
    await page.fill('input[autocomplete="current-password"]', password)
    await page.click('button[type="submit"]')
  }

  it('ada signs in with password and code, consents, and gets a token', async () => {
    const { page, complaints } = await visit()
    await enterPassword(page, people.ada)
    const code = new TOTP({ secret: Secret.fromBase32(people.ada.totpSecret) }).generate()
    await page.fill('input[autocomplete="one-time-code"]', code)
    await page.click('button[type="submit"]')
    await page.click('button[name="decision"][value="approve"]')
    expect(await page.textContent('h1')).toBe('Signed in as Ada Lovelace')
    expect(await page.textContent('pre')).toMatch(/^TOKEN=[\w-]+\.[\w-]+\.[\w-]+$/)
    await page.goto(ledger.url)
    expect(await page.textContent('main')).toContain('You are signed in as Ada Lovelace.')
    expect(complaints).toEqual([])
  })

  it('grace denies, and the client gets nothing', async () => {
    const { page } = await visit()
    await enterPassword(page, people.grace)
    await page.click('button[name="decision"][value="deny"]')
    expect(new URL(page.url()).searchParams.get('error')).toBe('access_denied')
    expect(await page.textContent('h1')).toBe('The sign-in did not work')
  })

  it('a wrong password and an unknown user are told the same', async () => {
    const told = await Promise.all(
      [
        { ...people.alan, password: 'wrong' },
        { username: 'nobody@acme.test', password: 'wrong' },
      ].map(async (person) => {
        const { page } = await visit()
        await enterPassword(page, person)
        return (await page.textContent('main'))?.replace(/\s+/g, ' ')
      }),
    )
    expect(told[0]).toMatch(/password/i)
    expect(told[0]).toBe(told[1])
  })
})
