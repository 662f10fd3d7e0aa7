import { type EndpointRoute, open, type Reply, type RequestView, readForm } from '@portcullis/core'
import { html } from '@portcullis/oauth/pages'
import type { PolicyFlaw } from '@portcullis/password'
import { createPasswordReset, type PasswordReset, type ResetAccount } from '@portcullis/password/account-tokens'
import { type Account, canonicalEmail } from '../accounts.ts'
import { accountPage, alarm, laterPage } from './page.ts'
import type { AccountParts } from './parts.ts'
import { signOutEverywhere } from './sign-out.ts'

/** Sets passwords anew: for who asks, and for whom an owner asks. */
export function createLedgerReset(parts: AccountParts): PasswordReset {
  const { store, accounts, factors, passwords, policy, guesses, outbox, clock } = parts

  const known = ({ id, email, name, tenant, passwordHash }: Account, secondFactor: boolean): ResetAccount => ({
    account: id,
    // A code is void once the password is another one, or once the mail would go elsewhere.
    state: JSON.stringify([passwordHash, email]),
    secondFactor,
    about: [email, name, tenant],
  })

  const byAccount = async (id: string): Promise<ResetAccount | undefined> => {
    const account = await accounts.find(id)
    if (account === undefined || account.disabled) return undefined
    const enrolled = await factors.enrolled(id)
    return known(
      account,
      enrolled.some(({ method }) => method === 'totp' || method === 'passkey'),
    )
  }

  return createPasswordReset({
    store,
    passwords,
    policy,
    accounts: {
      async byIdentifier(name) {
        const account = await accounts.findByEmail(name)
        // Its factors are not looked up: a request needs none of them, and it would take longer for somebody than for nobody.
        return account === undefined || account.disabled ? undefined : known(account, true)
      },
      byAccount,
      async save(id, hash, state) {
        const account = await accounts.find(id)
        if (account === undefined || known(account, true).state !== state) return false
        return accounts.changePassword(id, account.passwordHash, hash)
      },
    },
    deliver: async (delivery) => outbox.sendReset(delivery),
    endSessions: (id) => signOutEverywhere(parts, id),
    guard: guesses.resets,
    clock,
  })
}

/**
 * For who has forgotten the password. The code is in the mail and is pasted into a form: it is in no address, so in no history, log
 * or preview (ASVS 14.2.1).
 */
export function forgottenEndpoints({ guards, guesses }: AccountParts, reset: PasswordReset): readonly EndpointRoute[] {
  const policy = open('for people who can’t sign in: the code from the mail says who they are')

  async function ask(req: RequestView): Promise<Reply> {
    const { username = '' } = await readForm(req)
    // An empty name is nobody's: it is counted like any other that does not exist.
    const name = canonicalEmail(username) || '-'
    await reset.request(name, { request: req, device: guesses.devices.read(req, name) })
    return asked
  }

  async function redeem(req: RequestView): Promise<Reply> {
    const { code = '', password = '' } = await readForm(req)
    const given = code.trim()
    const result = await reset.redeem(given, password, { request: req })
    if (result.ok) return donePage(result.secondFactorRequired)
    if ('retryAfter' in result) return laterPage(result.reason.code === 'password.busy' ? 503 : 429, result.retryAfter)
    return 'flaws' in result ? redeemPage({ code: given, flaws: result.flaws }) : redeemPage({ refused: true })
  }

  return [
    { method: 'GET', path: '/account/forgot', policy, endpoint: async () => askPage },
    { method: 'POST', path: '/account/forgot', policy, guards, endpoint: ask },
    // Whatever its query says: the code comes by the form alone.
    { method: 'GET', path: '/account/reset', policy, endpoint: async () => redeemPage() },
    { method: 'POST', path: '/account/reset', policy, guards, endpoint: redeem },
  ]
}

const askPage: Reply = accountPage({
  title: 'Set a new password',
  body: html`<p>We send a code to the address of your account.</p>
<form method="post" action="/account/forgot">
<label for="username">User name</label>
<input id="username" name="username" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="256" required>
<button type="submit">Send the code</button>
</form>
<p><a href="/account/reset">You have a code already</a></p>`,
})

// One answer for somebody and for nobody (ASVS 6.3.8).
const asked: Reply = accountPage({
  title: 'Look at your mail',
  body: html`<p>If there is an account of that name, a mail with a code is on its way to it. The code is good for a quarter of an hour.</p>
<p><a href="/account/reset">Enter the code</a></p>
<p class="quiet-text">No mail? Look among the unwanted ones. Whoever asks often gets no more than three in a quarter of an hour.</p>`,
})

function redeemPage(
  again: { readonly code?: string; readonly flaws?: readonly PolicyFlaw[]; readonly refused?: true } = {},
): Reply {
  const { code = '', flaws = [], refused = false } = again
  const words = refused ? ['The code is not right, was used before, or is too old.'] : flaws.map(({ message }) => message)
  return accountPage({
    status: words.length === 0 ? 200 : 422,
    title: 'Set a new password',
    body: html`${alarm(words)}<form method="post" action="/account/reset">
<label for="code">Code from the mail</label>
<input id="code" name="code" autocomplete="one-time-code" autocapitalize="none" spellcheck="false" maxlength="64" required value="${code}">
<label for="password">New password</label>
<input id="password" name="password" type="password" autocomplete="new-password" maxlength="1024" required>
<button type="submit">Set the password</button>
</form>
<p><a href="/account/forgot">Send another code</a></p>`,
  })
}

function donePage(secondFactor: boolean): Reply {
  return accountPage({
    title: 'The password is set',
    body: html`<p>All sessions of your account have ended. ${secondFactor && 'The sign-in asks for your second factor, as it did before.'}</p>
<p><a href="/sign-in?return=/account">Sign in</a></p>`,
  })
}
