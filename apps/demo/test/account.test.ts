import { epochSeconds } from '@portcullis/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Account } from '../src/accounts.ts'
import { makePasskey } from './account-authenticator.ts'
import { type AccountSite, another, type Browser, from, openAccountSite, password, totpSecret } from './account-site.ts'

const again = '/sign-in?return=/account&again=1'

let site: AccountSite
beforeAll(async () => {
  site = await openAccountSite()
})
afterAll(() => site.close())

/** Somebody with an authenticator app, signed in with it in a browser. */
async function withTotp(of: Partial<Account> = {}): Promise<{ account: Account; browser: Browser }> {
  const account = await site.person(of)
  await site.factors.totp.enrol(account.id, { label: account.email, secret: totpSecret, confirmed: true })
  return { account, browser: await signedIn(account, ['password', 'totp']) }
}

/** Somebody with a password alone. */
async function withPassword(of: Partial<Account> = {}): Promise<{ account: Account; browser: Browser }> {
  const account = await site.person(of)
  return { account, browser: await signedIn(account, ['password']) }
}

async function signedIn(account: Account, methods: Parameters<AccountSite['proofs']>[0], age = 0): Promise<Browser> {
  const browser = site.browser()
  await browser.signIn(account.id, site.proofs(methods, age))
  return browser
}

async function addPasskey(browser: Browser, name = 'Laptop', how: { synced?: boolean } = {}) {
  const options = await browser.post('/account/passkeys/options')
  const response = JSON.stringify(makePasskey(JSON.parse(options.body), site.url, how))
  return browser.post('/account/passkeys', { name, response })
}

const secretOf = (body: string): string => /<code>([A-Z2-7]{32})<\/code>/.exec(body)?.[1] ?? ''

describe('the door', () => {
  it('sends whoever has not signed in to the sign-in, at every page and every form', async () => {
    const open = ['/account/forgot', '/account/reset', '/account/passkeys.js']
    const behind = site.endpoints.filter(({ path }) => !open.includes(path))
    expect(behind.length).toBe(18)
    for (const { method, path } of behind) {
      const answer = await (method === 'GET' ? site.browser().get(path) : site.browser().post(path))
      expect([path, answer.status, answer.location]).toEqual([path, 303, '/sign-in?return=/account'])
    }
  })

  it('lets nobody in whose account is disabled, whatever the session says (v5.0.0-7.4.2)', async () => {
    const { account, browser } = await withPassword()
    expect((await browser.get('/account')).status).toBe(200)
    await site.accounts.setDisabled(account.id, true)
    expect((await browser.get('/account')).status).toBe(303)
  })

  it.each([
    ['a password alone, where the account has a second factor (better-auth #9552)', ['password']],
    ['a code alone', ['totp']],
    ['nothing', []],
  ] as const)('does not take a session for signed in that has proven %s', async (_, methods) => {
    const { account } = await withTotp()
    expect((await (await signedIn(account, methods)).get('/account')).location).toBe('/sign-in?return=/account')
  })

  it('refuses what a page of another site sends (cross-site request forgery), and does nothing', async () => {
    const { account, browser } = await withTotp()
    for (const { path } of site.endpoints.filter(({ method }) => method === 'POST')) {
      expect([path, (await browser.post(path, {}, 'cross-site')).status]).toEqual([path, 403])
    }
    expect(await site.factors.totp.enrolled(account.id)).toBe(true)
    expect((await browser.get('/account')).status).toBe(200)
  })

  it('puts the limits that it is given before every form', async () => {
    const { browser } = await withTotp()
    site.flooded = true
    try {
      for (const { path } of site.endpoints.filter(({ method }) => method === 'POST')) {
        expect([path, (await browser.post(path)).status]).toEqual([path, 429])
      }
      expect((await browser.get('/account')).status).toBe(200)
    } finally {
      site.flooded = false
    }
  })

  it('answers pages that no cache keeps, no frame shows, and no foreign script runs in', async () => {
    const { browser } = await withPassword()
    const { headers, body } = await browser.get('/account')
    expect(headers.get('cache-control')).toBe('no-store')
    const policy = headers.get('content-security-policy') ?? ''
    expect(policy).toMatch(/script-src 'nonce-[^']+'/)
    expect(policy).toContain("frame-ancestors 'none'")
    expect(body).toContain('src="/account/passkeys.js"')
    const script = await browser.get('/account/passkeys.js')
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8')
    expect(script.body).toContain("from '/passkeys.js'")
    const other = await browser.get('/account/forgot')
    expect(other.headers.get('content-security-policy')).not.toContain('script-src')
  })
})

describe('the page', () => {
  it('shows what the account has', async () => {
    const { account, browser } = await withTotp({ role: 'owner' })
    await addPasskey(browser, 'Key <1>', { synced: false })
    await addPasskey(await signedIn(account, ['password', 'totp']), 'Phone', { synced: true })
    const fresh = await signedIn(account, ['password', 'totp'])
    const { body } = await fresh.get('/account')
    expect(body).toContain('<strong>Key &lt;1&gt;</strong>')
    expect(body).toMatch(/Key &lt;1&gt;[\s\S]*never used, on one device alone/)
    expect(body).toMatch(/Phone[\s\S]*on all devices that share it/)
    expect(body).toContain('On: you are asked for a code')
    expect(body).toContain('You have none.')
    expect(body).toContain('href="/account/people"')
  })

  it('offers its own people to owners alone', async () => {
    expect((await (await withPassword()).browser.get('/account')).body).not.toContain('/account/people')
  })
})

async function handlesOf({ id }: Account): Promise<string[]> {
  return (await site.sessions.list(id)).map(({ handle }) => handle)
}

/** Each change: what it takes, how it is made, whether it was, and what its owner is told. */
const changes = [
  {
    name: 'an authenticator app is set up',
    before: withPassword,
    make: async (browser: Browser) => {
      const secret = secretOf((await browser.post('/account/totp')).body)
      return browser.post('/account/totp/confirm', { code: site.code(secret || totpSecret) })
    },
    done: (account: Account) => site.factors.totp.enrolled(account.id),
    mail: 'An authenticator app was added to your account.',
  },
  {
    name: 'an authenticator app is replaced',
    before: withTotp,
    make: async (browser: Browser) => {
      const secret = secretOf((await browser.post('/account/totp')).body)
      return browser.post('/account/totp/confirm', { code: site.code(secret || totpSecret) })
    },
    done: async (account: Account) => {
      // A code is good once: each look takes the next one.
      site.clock.advance(30_000)
      return !(await site.factors.totp.verify(account.id, site.code(), from)).ok
    },
    mail: 'An authenticator app of your account was replaced.',
  },
  {
    name: 'an authenticator app is removed (v5.0.0-6.5.6)',
    before: withTotp,
    make: (browser: Browser) => browser.post('/account/totp/remove'),
    done: async (account: Account) => !(await site.factors.totp.enrolled(account.id)),
    mail: 'An authenticator app was removed from your account.',
  },
  {
    name: 'a passkey is added',
    before: withPassword,
    make: async (browser: Browser) => {
      const options = await browser.post('/account/passkeys/options')
      if (options.status !== 200) return browser.post('/account/passkeys', { name: 'Laptop', response: '{}' })
      return browser.post('/account/passkeys', {
        name: 'Laptop',
        response: JSON.stringify(makePasskey(JSON.parse(options.body), site.url)),
      })
    },
    done: async (account: Account) => (await site.factors.passkeys.list(account.id)).length === 1,
    mail: 'A passkey was added to your account.',
  },
  {
    name: 'a passkey is removed (v5.0.0-6.5.6)',
    before: async () => {
      const { account } = await withTotp()
      await addPasskey(await signedIn(account, ['password', 'totp']))
      return { account, browser: await signedIn(account, ['password', 'totp']) }
    },
    make: async (browser: Browser, account: Account) => {
      const [passkey] = await site.factors.passkeys.list(account.id)
      return browser.post('/account/passkeys/remove', { handle: passkey?.handle ?? '' })
    },
    done: async (account: Account) => (await site.factors.passkeys.list(account.id)).length === 0,
    mail: 'A passkey was removed from your account.',
  },
  {
    name: 'recovery codes are made',
    before: withTotp,
    make: (browser: Browser) => browser.post('/account/recovery-codes'),
    done: async (account: Account) => (await site.factors.recovery.status(account.id))?.remaining === 10,
    mail: 'A set of recovery codes was added to your account.',
  },
  {
    name: 'recovery codes are removed (v5.0.0-6.5.6)',
    before: async () => {
      const known = await withTotp()
      await site.factors.recovery.generate(known.account.id)
      return known
    },
    make: (browser: Browser) => browser.post('/account/recovery-codes/remove'),
    done: async (account: Account) => (await site.factors.recovery.status(account.id)) === undefined,
    mail: 'A set of recovery codes was removed from your account.',
  },
  {
    name: 'the password is changed',
    before: withTotp,
    make: (browser: Browser) => browser.post('/account/password', { current: password, next: another }),
    done: async ({ id }: Account) => (await site.passwords.verify(another, (await site.accounts.find(id))?.passwordHash)).ok,
    mail: 'Your password was changed.',
  },
] as const

describe.each(changes)('when $name', ({ before: begin, make, done, mail }) => {
  it('the other sessions end with their tokens, the own one goes on under a new id (v5.0.0-7.4.3, -7.4.1), and its owner is told (v5.0.0-6.3.7)', async () => {
    const { account, browser } = await begin()
    const before = await handlesOf(account)
    const thief = await signedIn(account, ['password', 'totp'], 10)
    const stolen = (await handlesOf(account)).find((handle) => !before.includes(handle)) ?? ''
    const grant = { subject: account.id, clientId: 'ledger-web', scopes: ['invoice:read'], sessionId: stolen }
    const refresh = await site.refreshTokens.issue(grant)
    const token = { sid: stolen, iat: epochSeconds(site.clock) }
    expect(await site.stands(token)).toBe(true)
    const old = browser.cookie

    const answer = await make(browser, account)
    expect([answer.status, await done(account)]).toEqual([200, true])

    expect((await thief.get('/account')).location).toBe('/sign-in?return=/account')
    expect(await site.stands(token)).toBe(false)
    expect((await site.refreshTokens.rotate(refresh.token, { clientId: 'ledger-web' })).ok).toBe(false)
    const left = await site.sessions.list(account.id)
    expect(left.length).toBe(1)
    expect([undefined, old]).not.toContain(browser.cookie)
    const copy = site.browser()
    copy.cookie = old
    expect((await copy.get('/account')).status).toBe(303)

    await site.mailed(account.email, mail)
  })

  it('everything that the account can prove was proven within five minutes (v5.0.0-7.5.1, -6.4.4)', async () => {
    const { account } = await begin()
    const methods = (await site.factors.totp.enrolled(account.id)) ? (['password', 'totp'] as const) : (['password'] as const)
    const late = await signedIn(account, methods, 301)
    const answer = await make(late, account)
    expect([answer.status, answer.location, await done(account)]).toEqual([303, again, false])
    if (methods.length === 1) return
    // A stolen session whose thief knows the password has one of the two fresh.
    const half = site.browser()
    await half.signIn(account.id, [...site.proofs(['totp'], 301), ...site.proofs(['password'])])
    expect((await make(half, account)).location).toBe(again)
    expect(await done(account)).toBe(false)
  })
})

describe('what begins a change', () => {
  it.each(['/account/totp', '/account/passkeys/options'])('takes a fresh proof, too: %s (v5.0.0-7.5.1)', async (path) => {
    const { account } = await withPassword()
    const late = await signedIn(account, ['password'], 301)
    expect(await late.post(path)).toMatchObject({ status: 303, location: again, body: '' })
    expect((await (await signedIn(account, ['password'], 300)).post(path)).status).toBe(200)
  })
})

describe('an authenticator app', () => {
  it('counts from the first right code on, and shows its secret once', async () => {
    const { account, browser } = await withPassword()
    const shown = await browser.post('/account/totp')
    const secret = secretOf(shown.body)
    expect(shown.body).toContain('<svg width="240"')
    expect(shown.body).toContain(`otpauth://totp/`)
    expect(shown.headers.get('cache-control')).toBe('no-store')
    const wrong = await browser.post('/account/totp/confirm', { code: site.code(secret) === '000000' ? '000001' : '000000' })
    expect(wrong.status).toBe(422)
    expect(wrong.body).not.toContain(secret)
    expect(await site.factors.totp.enrolled(account.id)).toBe(false)
    expect((await browser.get('/account')).body).not.toContain(secret)
    const code = site.code(secret)
    expect((await browser.post('/account/totp/confirm', { code: `${code.slice(0, 3)} ${code.slice(3)}` })).status).toBe(200)
    // The session has proven it by that, and goes on.
    expect((await browser.get('/account')).status).toBe(200)
  })

  it('is not set up by a code that comes too late, nor by guessing', async () => {
    const { browser } = await withPassword()
    expect((await browser.post('/account/totp/confirm', { code: '123456' })).body).toContain('It took too long')
    await browser.post('/account/totp')
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, i) => browser.post('/account/totp/confirm', { code: `9${i}`.padStart(6, '0') })),
    )
    expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThanOrEqual(20)
  })

  it('can be replaced by who has lost it and has a recovery code, and by nobody else (v5.0.0-6.4.4)', async () => {
    const { account } = await withTotp()
    const recovered = await signedIn(account, ['password', 'recovery_code'])
    const secret = secretOf((await recovered.post('/account/totp')).body)
    expect((await recovered.post('/account/totp/confirm', { code: site.code(secret) })).status).toBe(200)
    expect((await (await signedIn(account, ['password'])).post('/account/totp')).location).toBe('/sign-in?return=/account')
  })

  it('set up again and again leaves one proof in the session, the newest', async () => {
    const { account, browser } = await withPassword()
    for (let i = 0; i < 3; i++) {
      const secret = secretOf((await browser.post('/account/totp')).body)
      expect((await browser.post('/account/totp/confirm', { code: site.code(secret) })).status).toBe(200)
      site.clock.advance(1000)
    }
    const [session] = await site.sessions.list(account.id)
    expect(session?.data.proofs?.map(({ method }) => method)).toEqual(['password', 'totp'])
  })

  it('answers that there is none where there is none', async () => {
    expect((await (await withPassword()).browser.post('/account/totp/remove')).status).toBe(404)
  })
})

describe('passkeys', () => {
  it('are asked for once they are there: a session that has proven none is sent to prove it', async () => {
    const { browser } = await withPassword()
    expect((await addPasskey(browser)).status).toBe(200)
    expect((await browser.get('/account')).location).toBe('/sign-in?return=/account')
  })

  it('are made by whoever asked for them: an answer that was got in another session is refused', async () => {
    const { account, browser } = await withPassword()
    const other = await signedIn(account, ['password'])
    const options = JSON.parse((await other.post('/account/passkeys/options')).body)
    const response = JSON.stringify(makePasskey(options, site.url))
    expect((await browser.post('/account/passkeys', { name: 'Theirs', response })).status).toBe(422)
    expect(await site.factors.passkeys.list(account.id)).toEqual([])
  })

  it.each([
    ['nothing, as without JavaScript', ''],
    ['no JSON', '{'],
    ['something else', '[]'],
  ])('are not made from %s', async (_, response) => {
    const { account, browser } = await withPassword()
    expect((await browser.post('/account/passkeys', { name: 'Key', response })).status).toBe(422)
    expect(await site.factors.passkeys.list(account.id)).toEqual([])
  })

  it('get another name, and one that can’t be a name is refused', async () => {
    const { account } = await withTotp()
    await addPasskey(await signedIn(account, ['password', 'totp']))
    const browser = await signedIn(account, ['password', 'totp'])
    const [passkey] = await site.factors.passkeys.list(account.id)
    const handle = passkey?.handle ?? ''
    expect((await browser.post('/account/passkeys/rename', { handle, name: ' Old laptop ' })).location).toBe('/account')
    for (const name of ['', 'a\nb', 'x'.repeat(129)]) {
      const answer = await browser.post('/account/passkeys/rename', { handle, name })
      expect([answer.status, answer.body.includes('A name has 1 to 128 characters')]).toEqual([422, true])
    }
    expect((await site.factors.passkeys.list(account.id)).map(({ name }) => name)).toEqual(['Old laptop'])
  })

  it('of somebody else are neither renamed nor removed', async () => {
    const victim = await withTotp()
    await addPasskey(victim.browser)
    const [passkey] = await site.factors.passkeys.list(victim.account.id)
    const { browser } = await withTotp()
    for (const handle of [passkey?.handle ?? '', 'nobody', '', 'x'.repeat(5000), 'a b']) {
      expect((await browser.post('/account/passkeys/rename', { handle, name: 'Mine' })).status).toBe(404)
      expect((await browser.post('/account/passkeys/remove', { handle })).status).toBe(404)
    }
    expect((await site.factors.passkeys.list(victim.account.id)).map(({ name }) => name)).toEqual(['Laptop'])
  })
})

describe('recovery codes', () => {
  it('are shown once, and void the ones before', async () => {
    const { account, browser } = await withTotp()
    const codes = async () => {
      const answer = await browser.post('/account/recovery-codes')
      expect(answer.headers.get('cache-control')).toBe('no-store')
      return /<pre>([^<]+)<\/pre>/.exec(answer.body)?.[1]?.split('\n') ?? []
    }
    const first = await codes()
    const second = await codes()
    expect([first.length, second.length]).toEqual([10, 10])
    expect((await browser.get('/account')).body).not.toContain(second[0])
    expect((await site.factors.recovery.verify(account.id, first[0] ?? '', from)).ok).toBe(false)
    expect((await site.factors.recovery.verify(account.id, second[0] ?? '', from)).ok).toBe(true)
    expect((await browser.get('/account')).body).toContain('9 left')
  })

  it('are not made where there is no second factor to stand in for', async () => {
    const { account, browser } = await withPassword()
    expect((await browser.post('/account/recovery-codes')).status).toBe(422)
    expect(await site.factors.recovery.status(account.id)).toBeUndefined()
  })
})

describe('the password', () => {
  it('is changed with the current one alone, whoever holds the session (v5.0.0-6.2.3)', async () => {
    const { account, browser } = await withPassword()
    for (const fields of [{ next: another }, { current: 'wrong', next: another }, { current: another, next: another }]) {
      const answer = await browser.post('/account/password', fields as Record<string, string>)
      expect([answer.status, answer.body.includes('The current password is not right.')]).toEqual([422, true])
    }
    expect((await site.accounts.find(account.id))?.passwordHash).toBe(account.passwordHash)
  })

  it.each([
    // Long enough with a second factor for others, but here that one can be taken away again.
    ['vK7#qzP2mxT', 'too short'],
    ['passwordpassword', 'lists that attackers try first'],
    ['ledger-portcullis-acme', 'the first that somebody would try'],
    ['aaaaaaaaaaaaaaaaaaaaaa', 'easy to guess'],
  ])('may not be %s, and the page says why', async (next, words) => {
    const { browser } = await withTotp()
    const answer = await browser.post('/account/password', { current: password, next })
    expect([answer.status, answer.body.includes(words)]).toEqual([422, true])
    expect(answer.body).not.toContain(next)
  })

  it('is not guessed through the form: of 40 sent at once, no more than ten are looked at (v5.0.0-6.3.1)', async () => {
    const { browser } = await withPassword()
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) => browser.post('/account/password', { current: `guess ${i}`, next: another })),
    )
    expect(answers.filter(({ status }) => status === 422).length).toBeLessThanOrEqual(10)
    expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThanOrEqual(30)
    expect((await browser.post('/account/password', { current: password, next: another })).status).toBe(429)
  })

  it('of two changes at once is changed by one', async () => {
    const { account, browser } = await withPassword()
    const wanted = [another, 'nine brass kettles sing off key', 'the moth ate my second umbrella']
    const answers = await Promise.all(wanted.map((next) => browser.post('/account/password', { current: password, next })))
    const won = answers.flatMap(({ status }, i) => (status === 200 ? [wanted[i] ?? ''] : []))
    expect(won.length).toBe(1)
    expect((await site.passwords.verify(won[0] ?? '', (await site.accounts.find(account.id))?.passwordHash)).ok).toBe(true)
  })
})

describe('sessions', () => {
  it('are counted, and listed after a fresh proof alone (v5.0.0-7.5.2)', async () => {
    const { account } = await withPassword()
    const late = await signedIn(account, ['password'], 301)
    const { body } = await late.get('/account')
    expect(body).toContain('You are signed in 2 times.')
    expect(body).not.toContain('last seen')
    expect(body).not.toContain('/account/sessions/end')
    const fresh = await (await signedIn(account, ['password'])).get('/account')
    expect(fresh.body.match(/last seen/g)?.length).toBe(3)
    expect(fresh.body.match(/This one/g)?.length).toBe(1)
  })

  it('are ended after a fresh proof alone (v5.0.0-7.5.2)', async () => {
    const { account, browser } = await withPassword()
    const late = await signedIn(account, ['password'], 301)
    const [first] = await site.sessions.list(account.id)
    expect((await late.post('/account/sessions/end', { handle: first?.handle ?? '' })).location).toBe(again)
    expect((await late.post('/account/sessions/end-others')).location).toBe(again)
    expect((await browser.get('/account')).status).toBe(200)
  })

  it('are ended one by one, and are out at once (v5.0.0-7.4.1)', async () => {
    const { account, browser } = await withPassword()
    const [own] = await site.sessions.list(account.id)
    const lost = await signedIn(account, ['password'])
    const third = await signedIn(account, ['password'])
    const handle = (await site.sessions.list(account.id)).find((one) => one.handle !== own?.handle)?.handle ?? ''
    expect((await browser.post('/account/sessions/end', { handle })).location).toBe('/account')
    const states = [(await lost.get('/account')).status, (await third.get('/account')).status]
    expect(states.sort()).toEqual([200, 303])
    expect(await site.stands({ sid: handle })).toBe(false)
    expect((await browser.post('/account/sessions/end', { handle })).status).toBe(404)
  })

  it('but the own one are ended all at once', async () => {
    const { account, browser } = await withPassword()
    const others = [await signedIn(account, ['password']), await signedIn(account, ['password'])]
    expect((await browser.post('/account/sessions/end-others')).location).toBe('/account')
    for (const other of others) expect((await other.get('/account')).status).toBe(303)
    expect((await browser.get('/account')).body).toContain('You are signed in here alone.')
  })

  it('of one’s own end with the cookie', async () => {
    const { account, browser } = await withPassword()
    const [own] = await site.sessions.list(account.id)
    const answer = await browser.post('/account/sessions/end', { handle: own?.handle ?? '' })
    expect([answer.location, browser.cookie]).toEqual(['/', undefined])
    expect(await site.sessions.list(account.id)).toEqual([])
  })

  it('of somebody else are out of reach', async () => {
    const victim = await withPassword()
    const [theirs] = await site.sessions.list(victim.account.id)
    const { browser } = await withPassword()
    for (const handle of [theirs?.handle ?? '', '', 'x'.repeat(5000)]) {
      expect((await browser.post('/account/sessions/end', { handle })).status).toBe(404)
    }
    expect((await victim.browser.get('/account')).status).toBe(200)
  })
})
