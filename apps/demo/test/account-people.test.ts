import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AccountManaged, accountManaged } from '../src/account/events.ts'
import type { Account } from '../src/accounts.ts'
import { onKoa } from '../src/http/koa.ts'
import { type AccountSite, another, type Browser, openAccountSite, totpSecret } from './account-site.ts'

const actions = ['sign-out', 'disable', 'enable', 'reset'] as const

let site: AccountSite
beforeAll(async () => {
  site = await openAccountSite({ on: onKoa })
})
afterAll(() => site.close())

/** An owner of a company of their own, with an authenticator app, signed in with it. */
async function owner(tenant: string, age = 0): Promise<{ account: Account; browser: Browser }> {
  const account = await site.person({ tenant, role: 'owner', name: 'Olga Owner' })
  await site.factors.totp.enrol(account.id, { label: account.email, secret: totpSecret, confirmed: true })
  const browser = site.browser()
  await browser.signIn(account.id, site.proofs(['password', 'totp'], age))
  return { account, browser }
}

async function signedIn({ id }: Account): Promise<Browser> {
  const browser = site.browser()
  await browser.signIn(id, site.proofs(['password']))
  return browser
}

describe('the people of a company', () => {
  it('are shown to its owners: their own, and nobody else', async () => {
    const { browser } = await owner('alpha')
    await site.person({ tenant: 'alpha', name: 'Alice <b>' })
    await site.person({ tenant: 'beta', name: 'Bob' })
    const { status, body } = await browser.get('/account/people')
    expect(status).toBe(200)
    expect(body).toContain('Alice &lt;b&gt;')
    expect(body).toContain('Olga Owner')
    expect(body).not.toContain('Bob')
  })

  it('are none of anybody’s business who is no owner', async () => {
    const account = await site.person({ tenant: 'gamma' })
    await site.factors.totp.enrol(account.id, { label: account.email, secret: totpSecret, confirmed: true })
    const browser = site.browser()
    await browser.signIn(account.id, site.proofs(['password', 'totp']))
    const other = await site.person({ tenant: 'gamma' })
    expect((await browser.get('/account/people')).status).toBe(403)
    for (const action of actions) {
      expect((await browser.post(`/account/people/${action}`, { account: other.id })).status).toBe(403)
    }
    expect((await site.accounts.find(other.id))?.disabled).toBe(false)
  })

  it.each([
    ['to sign in once more, when the two factors are older than five minutes', ['password', 'totp'], 301, 303],
    ['for another second factor, after a recovery code', ['password', 'recovery_code'], 0, 403],
  ] as const)('ask an owner %s', async (_, methods, age, status) => {
    const { account } = await owner('delta')
    const other = await site.person({ tenant: 'delta' })
    const browser = site.browser()
    await browser.signIn(account.id, site.proofs(methods, age))
    const answers = [await browser.get('/account/people')]
    for (const action of actions) answers.push(await browser.post(`/account/people/${action}`, { account: other.id }))
    const location = status === 303 ? '/sign-in?return=/account/people&again=1' : null
    for (const answer of answers) expect([answer.status, answer.location]).toEqual([status, location])
    expect((await site.accounts.find(other.id))?.disabled).toBe(false)
  })

  it('ask an owner without a second factor to set one up', async () => {
    const account = await site.person({ tenant: 'epsilon', role: 'owner' })
    const answer = await (await signedIn(account)).get('/account/people')
    expect([answer.status, answer.body.includes('Set up a second factor first')]).toEqual([403, true])
  })

  it('of another company are nobody, and so is who does not exist; both are told apart by nothing', async () => {
    const { browser } = await owner('zeta')
    const victim = await site.person({ tenant: 'eta' })
    const theirs = await signedIn(victim)
    for (const action of actions) {
      const post = (account: string) => browser.post(`/account/people/${action}`, { account, tenant: 'eta' })
      const [foreign, nobody] = [await post(victim.id), await post('usr_nobody')]
      expect([foreign.status, foreign.body]).toEqual([404, nobody.body])
      for (const id of ['', 'x'.repeat(5000), '../usr']) expect((await post(id)).status).toBe(404)
    }
    expect((await theirs.get('/account')).status).toBe(200)
    expect((await site.accounts.find(victim.id))?.disabled).toBe(false)
  })

  it('are signed out everywhere: sessions, what clients have, access tokens (v5.0.0-7.4.5)', async () => {
    const { account: by, browser } = await owner('theta')
    const other = await site.person({ tenant: 'theta' })
    const theirs = await signedIn(other)
    const grant = { subject: other.id, clientId: 'ledger-cli', scopes: ['invoice:read'] }
    const refresh = await site.refreshTokens.issue(grant)
    const heard: AccountManaged[] = []
    const stop = accountManaged.subscribe(({ data }) => heard.push(data))
    expect((await browser.post('/account/people/sign-out', { account: other.id })).location).toBe('/account/people')
    stop()
    expect((await theirs.get('/account')).status).toBe(303)
    expect(await site.stands({ sub: other.id })).toBe(false)
    expect((await site.refreshTokens.rotate(refresh.token, { clientId: 'ledger-cli' })).ok).toBe(false)
    expect(heard).toEqual([{ account: other.id, tenant: 'theta', by: by.id, action: 'sign_out' }])
    expect((await browser.get('/account/people')).status).toBe(200)
    await site.mailed(other.email, 'signed you out everywhere')
  })

  it('are out at once when they are disabled, and what they had stays over when they are enabled again (v5.0.0-7.4.2)', async () => {
    const { browser } = await owner('iota')
    const other = await site.person({ tenant: 'iota' })
    const theirs = await signedIn(other)
    expect((await browser.post('/account/people/disable', { account: other.id })).location).toBe('/account/people')
    expect((await theirs.get('/account')).status).toBe(303)
    expect(await site.sessions.list(other.id)).toEqual([])
    expect(await site.stands({ sub: other.id })).toBe(false)
    expect((await browser.get('/account/people')).body).toContain(', disabled')
    await site.mailed(other.email, 'disabled your account')
    expect((await browser.post('/account/people/enable', { account: other.id })).location).toBe('/account/people')
    expect((await site.accounts.find(other.id))?.disabled).toBe(false)
    expect((await theirs.get('/account')).status).toBe(303)
    expect((await (await signedIn(other)).get('/account')).status).toBe(200)
    await site.mailed(other.email, 'enabled your account')
  })

  it('get the code for a new password themselves: an owner sees neither code nor password (v5.0.0-6.4.6)', async () => {
    const { account: by, browser } = await owner('kappa')
    const other = await site.person({ tenant: 'kappa' })
    const answer = await browser.post('/account/people/reset', { account: other.id, password: another })
    expect(answer.status).toBe(200)
    const { text } = await site.mailed(other.email, 'An owner of your company asks you to set a new password.')
    const code = /^([\w-]{43})$/m.exec(text)?.[1] ?? ''
    expect(code).not.toBe('')
    expect(answer.body).not.toContain(code)
    expect(JSON.stringify([...answer.headers])).not.toContain(code)
    expect(JSON.stringify(await site.mails(by.email))).not.toContain(code)
    expect((await site.accounts.find(other.id))?.passwordHash).toBe(other.passwordHash)
    expect((await site.browser().post('/account/reset', { code, password: another })).status).toBe(200)
  })

  it('get no more than three codes in a quarter of an hour, and none while they are disabled', async () => {
    const { browser } = await owner('lambda')
    const other = await site.person({ tenant: 'lambda' })
    const statuses = []
    for (let i = 0; i < 4; i++) statuses.push((await browser.post('/account/people/reset', { account: other.id })).status)
    expect(statuses).toEqual([200, 200, 200, 409])
    const out = await site.person({ tenant: 'lambda', disabled: true })
    expect((await browser.post('/account/people/reset', { account: out.id })).status).toBe(409)
  })

  it('keep their second factors: no form takes one away, and the page says why (v5.0.0-6.4.4)', async () => {
    const { browser } = await owner('mu')
    const other = await site.person({ tenant: 'mu' })
    const { body } = await browser.get('/account/people')
    expect(body).toContain('you can’t take away anybody’s second\nfactor')
    const forms = [...body.matchAll(/action="([^"]+)"/g)].map(([, action]) => action)
    expect(new Set(forms)).toEqual(new Set(['/account/people/sign-out', '/account/people/reset', '/account/people/disable']))
    await site.factors.totp.enrol(other.id, { label: other.email, secret: totpSecret, confirmed: true })
    await browser.post('/account/totp/remove', { account: other.id })
    expect(await site.factors.totp.enrolled(other.id)).toBe(true)
  })

  it('do not include oneself: nobody locks himself out', async () => {
    const { account, browser } = await owner('nu')
    for (const action of actions) {
      expect((await browser.post(`/account/people/${action}`, { account: account.id })).status).toBe(422)
    }
    expect((await browser.get('/account/people')).status).toBe(200)
  })
})
