import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, type CDPSession, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { compiled } from './compiled.ts'
import { type Site, startSite } from './site.ts'

const executablePath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .flatMap((folder) => ['chromium', 'chromium-browser', 'google-chrome'].map((name) => join(folder, name)))
  .find((path) => existsSync(path))

it('Chromium is on the PATH, or this is not CI and the suite below is skipped by name', () => {
  if (process.env['CI'] !== undefined) expect(executablePath).toBeDefined()
})

interface Authenticator {
  readonly protocol?: 'ctap2' | 'u2f'
  readonly transport?: 'internal' | 'usb'
  readonly hasResidentKey?: boolean
  readonly hasUserVerification?: boolean
  readonly isUserVerified?: boolean
  readonly defaultBackupEligibility?: boolean
  readonly defaultBackupState?: boolean
}

describe.skipIf(executablePath === undefined)('the browser module in Chromium', { timeout: 60_000 }, () => {
  let chrome: Browser
  let module: string
  const sites: Site[] = []

  beforeAll(async () => {
    module = await compiled('browser')
    chrome = await chromium.launch({
      ...(executablePath === undefined ? {} : { executablePath }),
      args: [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    })
  }, 60_000)
  afterEach(async () => {
    await Promise.all(chrome.contexts().map((context) => context.close()))
    for (const site of sites.splice(0)) await site.close()
  })
  afterAll(async () => {
    await chrome?.close()
  })

  /** A page of a new site in a browser of its own, with one authenticator. */
  async function visit(authenticator: Authenticator = {}, before = '') {
    const site = await startSite(module)
    sites.push(site)
    const context = await chrome.newContext()
    const page = await context.newPage()
    const cdp = await context.newCDPSession(page)
    await cdp.send('WebAuthn.enable', { enableUI: false })
    const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
        ...authenticator,
      },
    })
    if (before) await page.addInitScript(before)
    await page.goto(site.url)
    await page.waitForFunction('window.portcullis !== undefined')
    return { site, page, cdp, authenticatorId }
  }

  /** Runs in the page, and gives what a fetch gave, or the code of a PasskeyError. */
  const run = (page: Page, script: string): Promise<unknown> =>
    page.evaluate(`(async () => { const { registerPasskey, signInWithPasskey } = portcullis; try {
      return await (async () => { ${script} })()
    } catch (error) {
      if (!(error instanceof portcullis.PasskeyError)) throw error
      return { error: error.code }
    } })()`)

  const register = (page: Page, account = 'ada', use = ''): Promise<unknown> =>
    run(
      page,
      `const options = await ask('/register/begin', { account: '${account}', use: '${use}' })
       return ask('/register/finish', { account: '${account}', response: await registerPasskey(options) })`,
    )
  const signIn = (page: Page): Promise<unknown> =>
    run(page, `return ask('/sign-in/finish', { response: await signInWithPasskey(await ask('/sign-in/begin', {})) })`)
  const second = (page: Page, account = 'ada'): Promise<unknown> =>
    run(
      page,
      `const options = await ask('/second/begin', { account: '${account}' })
       return ask('/second/finish', { account: '${account}', response: await signInWithPasskey(options) })`,
    )

  const verified = (cdp: CDPSession, authenticatorId: string, isUserVerified: boolean): Promise<unknown> =>
    cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified })

  it('registers a passkey, signs in without a user name, and uses it as second factor', async () => {
    const { site, page } = await visit()
    expect(await register(page)).toMatchObject({ ok: true, passkey: { synced: false, transports: ['internal'] } })
    const proof = { method: 'passkey', userVerified: true, deviceBound: true, attested: false }
    expect(await signIn(page)).toMatchObject({ ok: true, account: 'ada', proof })
    expect(await second(page)).toMatchObject({ ok: true, account: 'ada', proof })
    expect(await site.passkeys.list('ada')).toHaveLength(1)
  })

  it('the same without the JSON functions of newer browsers', async () => {
    const older = `delete PublicKeyCredential.parseCreationOptionsFromJSON
      delete PublicKeyCredential.parseRequestOptionsFromJSON
      delete PublicKeyCredential.prototype.toJSON`
    const { page } = await visit({}, older)
    expect(await page.evaluate('typeof PublicKeyCredential.prototype.toJSON')).toBe('undefined')
    expect(await register(page)).toMatchObject({ ok: true, passkey: { transports: ['internal'] } })
    expect(await signIn(page)).toMatchObject({ ok: true, account: 'ada' })
    expect(await second(page)).toMatchObject({ ok: true, account: 'ada' })
    expect(await register(page)).toEqual({ error: 'already_registered' })
  })

  it('a synced passkey whose counter goes back signs its owner in; a device-bound one is refused', async () => {
    for (const synced of [true, false]) {
      const { page, cdp, authenticatorId } = await visit({ defaultBackupEligibility: synced, defaultBackupState: synced })
      expect(await register(page)).toMatchObject({ ok: true, passkey: { synced, backedUp: synced } })
      expect(await signIn(page)).toMatchObject({ ok: true, proof: { deviceBound: !synced } })
      const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId })
      const [credential] = credentials
      await cdp.send('WebAuthn.clearCredentials', { authenticatorId })
      await cdp.send('WebAuthn.addCredential', { authenticatorId, credential: { ...credential!, signCount: 0 } })
      const expected = synced ? { ok: true } : { ok: false, reason: { code: 'mfa.counter_back' } }
      expect(await signIn(page)).toMatchObject(expected)
    }
  })

  it('user verification missing: no sign-in, in the browser nor past it; a second factor says so', async () => {
    const { page, cdp, authenticatorId } = await visit()
    await register(page)
    await verified(cdp, authenticatorId, false)
    expect(await signIn(page)).toEqual({ error: 'not_allowed' })
    // The page is the attacker's: it asks the authenticator for less than the server said.
    const lowered = `const options = { ...(await ask('/sign-in/begin', {})), userVerification: 'discouraged' }
      return ask('/sign-in/finish', { response: await signInWithPasskey(options) })`
    expect(await run(page, lowered)).toMatchObject({ ok: false, reason: { code: 'mfa.user_unverified' } })
    await verified(cdp, authenticatorId, true)
    expect(await signIn(page)).toMatchObject({ ok: true })
  })

  it('a security key without a PIN is a second factor and no way to sign in', async () => {
    const { page } = await visit({ transport: 'usb', hasResidentKey: false, hasUserVerification: false, isUserVerified: false })
    expect(await register(page, 'ada', 'second_factor')).toMatchObject({ ok: true, passkey: { userVerified: false } })
    expect(await second(page)).toMatchObject({ ok: true, proof: { userVerified: false, deviceBound: true } })
    expect(await register(page, 'bob')).toMatchObject({ error: expect.stringMatching(/^(not_allowed|unable)$/) })
  })

  it('has a code for what goes wrong', async () => {
    const { page } = await visit()
    expect(await signIn(page)).toEqual({ error: 'not_allowed' })
    await register(page)
    expect(await register(page)).toEqual({ error: 'already_registered' })
    const elsewhere = `return registerPasskey({ ...(await ask('/register/begin', { account: 'bob' })), rp: { id: 'acme.test', name: 'x' } })`
    expect(await run(page, elsewhere)).toEqual({ error: 'wrong_domain' })
    const aborted = `const controller = new AbortController()
      controller.abort()
      return signInWithPasskey(await ask('/sign-in/begin', {}), { signal: controller.signal })`
    expect(await run(page, aborted)).toEqual({ error: 'cancelled' })
    const { page: bare } = await visit({}, 'delete window.PublicKeyCredential')
    expect(await register(bare)).toEqual({ error: 'unsupported' })
    expect(await bare.evaluate('portcullis.passkeySupport()')).toEqual({ passkeys: false, platform: false, conditional: false })
  })

  it('offers passkeys in an input field, and makes way for a button', async () => {
    const { page, cdp, authenticatorId } = await visit()
    expect(await page.evaluate('portcullis.passkeySupport()')).toEqual({ passkeys: true, platform: true, conditional: true })
    await register(page)
    await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: false })
    const [field, button] = (await page.evaluate(`(async () => {
      const { signInWithPasskey } = portcullis
      const code = (error) => error.code
      const field = signInWithPasskey(await ask('/sign-in/begin', {}), { conditional: true }).catch(code)
      const leave = new AbortController()
      const button = signInWithPasskey(await ask('/sign-in/begin', {}), { signal: leave.signal }).catch(code)
      const first = await field
      leave.abort()
      return [first, await button]
    })()`)) as [string, string]
    expect([field, button]).toEqual(['cancelled', 'cancelled'])
    await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: true })
    expect(await signIn(page)).toMatchObject({ ok: true })
    const conditional = `const options = await ask('/sign-in/begin', {})
      return ask('/sign-in/finish', { response: await signInWithPasskey(options, { conditional: true }) })`
    expect(await run(page, conditional)).toMatchObject({ ok: true, account: 'ada' })
  })

  it('is one file without imports', () => {
    expect(module).not.toMatch(/^\s*import\b/m)
    expect(module.length).toBeLessThan(12_000)
  })
})
