import { setTimeout as pause } from 'node:timers/promises'
import { createMemoryStore, type Store, subscribe } from '@portcullis/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Browser, hiddenFields, type Visit } from './browser.ts'
import { authorizeUrl, type Kit, kit, signIn } from './kit.ts'

let it: Kit
beforeAll(async () => {
  it = await kit()
})
afterAll(() => it.close())

const begin = async (browser = new Browser(it.url), parameters = {}): Promise<{ browser: Browser; page: Visit }> => ({
  browser,
  page: await browser.get(authorizeUrl(it, parameters)),
})
const grace = { username: 'grace@acme.test', password: 'grace-password' }

describe('a form that was not ours does nothing', () => {
  test.each<[string, (page: Visit, browser: Browser) => Promise<Visit>]>([
    ['no cookie', (page) => new Browser(it.url).submit(page, grace)],
    ['the session of another browser', async (page) => (await begin()).browser.submit(page, grace)],
    ['no token', (page, browser) => browser.submit(page, { ...grace, form_token: undefined })],
    ['a wrong token', (page, browser) => browser.submit(page, { ...grace, form_token: 'x' })],
    [
      'the token of another interaction',
      async (page, browser) => browser.submit(page, { ...grace, form_token: hiddenFields((await begin()).page)['form_token'] }),
    ],
    ['no interaction', (page, browser) => browser.submit(page, { ...grace, interaction: undefined })],
  ])('sign-in with %s (login CSRF)', async (_, attempt) => {
    const { page, browser } = await begin()
    const answer = await attempt(page, browser)
    expect(answer.text).not.toContain('name="decision"')
    expect((await browser.get(authorizeUrl(it))).text).toContain('current-password')
  })

  test('consent by another browser, or without its token, gives no code', async () => {
    const { page, browser } = await begin()
    const consent = await signIn(it, page, 'grace', browser)
    expect((await new Browser(it.url).submit(consent, { decision: 'approve' })).left).toBeUndefined()
    expect((await browser.submit(consent, { decision: 'approve', form_token: 'x' })).left).toBeUndefined()
    expect((await browser.submit(consent, { decision: 'maybe' })).left).toBeUndefined()
    expect((await browser.submit(consent, { decision: 'approve' })).left?.searchParams.get('code')).toMatch(/./)
  })

  test('one consent page gives one code, however many answers arrive before the first is written', async () => {
    const slow = await kit({ store: slowStore(createMemoryStore()) })
    const browser = new Browser(slow.url)
    const consent = await signIn(slow, await browser.get(authorizeUrl(slow)), 'grace', browser)
    const answers = await Promise.all(Array.from({ length: 20 }, () => browser.submit(consent, { decision: 'approve' })))
    await slow.close()
    expect(answers.filter(({ left }) => left !== undefined)).toHaveLength(1)
  })
})

test('session fixation: the id that was there before the sign-in is worth nothing after it', async () => {
  const { page, browser } = await begin()
  const planted = new Map(browser.cookies)
  await signIn(it, page, 'grace', browser)
  const attacker = new Browser(it.url)
  for (const [name, value] of planted) attacker.cookies.set(name, value)
  expect((await attacker.get(authorizeUrl(it))).text).toContain('current-password')
})

test('a password alone opens no session where there is a second factor', async () => {
  const { page, browser } = await begin()
  const half = await browser.submit(page, { username: 'ada@acme.test', password: 'ada-password' })
  expect(half.text).toContain('one-time-code')
  expect((await browser.get(authorizeUrl(it))).text).toContain('current-password')
})

test('a code on paper is asked for where it would do: by a link beside other ways, at once without them', async () => {
  const { page, browser } = await begin()
  const ada = it.accounts.people.get('u-ada')
  if (ada === undefined) throw new TypeError('nobody')
  it.accounts.people.set('u-ada', { ...ada, factors: [...ada.factors, { method: 'recovery_code' }] })
  const half = await browser.submit(page, { username: 'ada@acme.test', password: 'ada-password' })
  expect(half.text).toContain('your authenticator shows')
  const link = /href="([^"]*recovery=1)"/.exec(half.text)?.[1]?.replaceAll('&amp;', '&') ?? ''
  const onPaper = await browser.get(`${it.url}${link}`)
  expect(onPaper.text).toContain('Recovery code')
  expect(onPaper.text).not.toContain('inputmode')
  expect((await browser.submit(onPaper, { code: '123456' })).text).toContain('name="decision"')

  const plain = await begin()
  const sms = [{ method: 'one_time_code', channel: 'sms' }, { method: 'recovery_code' }] as const
  it.accounts.people.set('u-ada', { ...ada, factors: [{ method: 'password' }, ...sms] })
  const last = await plain.browser.submit(plain.page, { username: 'ada@acme.test', password: 'ada-password' })
  it.accounts.people.set('u-ada', ada)
  expect(last.text).toContain('Recovery code')
  expect(last.text).not.toContain('recovery=1')
})

test('to look at a page signs nobody in, also when the second factor was taken away meanwhile', async () => {
  const { page, browser } = await begin()
  const half = await browser.submit(page, { username: 'ada@acme.test', password: 'ada-password' })
  const ada = it.accounts.people.get('u-ada')
  if (ada === undefined) throw new TypeError('nobody')
  it.accounts.people.set('u-ada', { ...ada, factors: [{ method: 'password' }] })
  const seen = await browser.get(half.url)
  it.accounts.people.set('u-ada', ada)
  expect(seen.text).toContain('current-password')
  expect(seen.text).not.toContain('name="decision"')
})

test('of guesses at a code sent at once, one is looked at; after five the password is asked for again', async () => {
  const { page, browser } = await begin()
  const half = await browser.submit(page, { username: 'ada@acme.test', password: 'ada-password' })
  it.accounts.attempts = 0
  await Promise.all(Array.from({ length: 50 }, () => browser.submit(half, { code: '000000' })))
  expect(it.accounts.attempts).toBeLessThanOrEqual(5)
  for (let at = 0; at < 6; at++) await browser.submit(half, { code: '000000' })
  expect(it.accounts.attempts).toBeLessThanOrEqual(5)
  expect((await browser.submit(half, { code: '123456' })).text).not.toContain('name="decision"')
})

test('ASVS 6.3.8: a wrong password, an unknown user and a disabled account read alike', async () => {
  const told = async (username: string, password: string) => {
    const { page, browser } = await begin()
    const { status, text } = await browser.submit(page, { username, password })
    return [status, text.replace(/value="[^"]*"/g, '')]
  }
  expect(await told('grace@acme.test', 'wrong')).toEqual(await told('nobody@acme.test', 'wrong'))
})

test('who must wait is told so, with 429 and Retry-After', async () => {
  it.accounts.limited = true
  const { page, browser } = await begin()
  const answer = await browser.submit(page, grace)
  it.accounts.limited = false
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '90'])
})

describe('pages', () => {
  test.each<[string, Record<string, string>]>([
    ['login_hint', { login_hint: '"><script>alert(1)</script>' }],
    ['state', { state: '"><script>alert(1)</script>' }],
    ['scope', { scope: '<script>' }],
    ['client_id', { client_id: '<script>alert(1)</script>' }],
    ['redirect_uri', { redirect_uri: 'javascript:alert(1)' }],
  ])('no markup comes in by %s', async (_, parameters) => {
    const { page } = await begin(new Browser(it.url), parameters)
    expect(page.text).not.toContain('<script>')
    expect(page.left?.protocol).not.toBe('javascript:')
  })

  test('a client’s name is text', async () => {
    const { page, browser } = await begin()
    const consent = await signIn(it, page, 'grace', browser)
    expect(consent.text).toContain('Ledger &lt;b&gt;Web&lt;/b&gt; &amp; &quot;friends&quot;')
  })

  test('are never framed, cached, or run scripts, and their forms lead to us and to the client alone', async () => {
    const { page, browser } = await begin()
    for (const { headers } of [page, await signIn(it, page, 'grace', browser)]) {
      expect(headers.get('cache-control')).toBe('no-store')
      expect(headers.get('content-security-policy')).toMatch(
        /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self' http:\/\/localhost:3999; frame-ancestors 'none'; base-uri 'none'$/,
      )
    }
  })
})

test('signing in and out, consent and tokens are events, with one correlation id for a request and nothing secret', async () => {
  const events: { type: string; correlationId: string | undefined }[] = []
  const stop = subscribe((event) => events.push(event))
  const { page, browser } = await begin()
  const consent = await signIn(it, page, 'grace', browser)
  const { left } = await browser.submit(consent, { decision: 'approve' })
  stop()
  expect(events.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['oauth.signed_in', 'oauth.consent_given', 'oauth.code_issued']),
  )
  const given = events.find(({ type }) => type === 'oauth.consent_given')
  expect(given?.correlationId).toBe(events.find(({ type }) => type === 'oauth.code_issued')?.correlationId)
  const all = JSON.stringify(events)
  for (const secret of ['grace-password', left?.searchParams.get('code') ?? '-', ...browser.cookies.values()]) {
    expect(all.includes(secret)).toBe(false)
  }
})

test('a link elsewhere signs nobody out: without proof it asks, and never returns to an address that is not registered', async () => {
  const { page, browser } = await begin()
  await signIn(it, page, 'grace', browser)
  const asked = await browser.get(
    `${it.url}${it.server.paths.endSession}?client_id=web&post_logout_redirect_uri=https://evil.example/`,
  )
  expect(asked.left).toBeUndefined()
  expect((await browser.get(authorizeUrl(it))).text).toContain('name="decision"')
})

/** A store as far away as a database: what one request has read, others have read as well before it writes. */
function slowStore(store: Store): Store {
  return {
    collection(declaration) {
      const near = store.collection<never>(declaration)
      const far =
        (verb: 'get' | 'replace' | 'take' | 'remove' | 'create') =>
        async (...args: never[]) => {
          await pause(20)
          return (near[verb] as (...all: never[]) => Promise<unknown>)(...args)
        }
      const verbs = { get: far('get'), replace: far('replace'), take: far('take'), remove: far('remove'), create: far('create') }
      return { ...near, ...verbs } as never
    },
  }
}

test('the sign-in page leads to where a forgotten password is set anew, where there is such a place', async () => {
  const other = await kit({ branding: { name: 'Ledger', passwordResetPath: '/account/forgot' } })
  const page = await other.browser.get(authorizeUrl(other))
  await other.close()
  expect(page.text).toContain('<a href="/account/forgot">')
  expect((await begin()).page.text).not.toContain('forgot')
})
