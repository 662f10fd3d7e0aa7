import { type Reply, type RequestView, readForm } from '@portcullis/core'
import { type Html, html } from '@portcullis/oauth/pages'
import { createPasswordChange, type PasswordChangeResult } from '@portcullis/password'
import { accountPage, alarm, laterPage } from './page.ts'
import type { AccountParts } from './parts.ts'
import type { Door, Person } from './person.ts'
import type { AccountRoute } from './route.ts'

/** Changing the password: with the current one, whoever holds the session (ASVS 6.2.3). */
export function passwordRoutes(parts: AccountParts, door: Door): readonly AccountRoute[] {
  const { accounts, passwords, policy, guesses } = parts

  async function change(req: RequestView, person: Person): Promise<Reply> {
    const refused = door.refuseChange(person, { change: 'replace', factor: { method: 'password' } })
    if (refused !== undefined) return refused
    const { current = '', next = '' } = await readForm(req)
    const { id, email, name, tenant, passwordHash } = person.account
    const device = guesses.devices.read(req, email)
    const attempt = await guesses.passwords.attempt({ account: email, address: req.client.ip, device }, { request: req })
    if (!attempt.allowed) return laterPage(429, attempt.retryAfter)
    const changes = createPasswordChange({
      passwords,
      policy,
      save: (account, hash, before) => accounts.changePassword(account, before, hash),
      endOtherSessions: () => door.endOthers(req, person),
    })
    const secondFactor = person.enrolled.some(({ method }) => method === 'totp' || method === 'passkey')
    const about = [email, name, tenant]
    const result = await changes.change({ account: id, stored: passwordHash, current, next, secondFactor, about })
    await attempt.settle(isWrong(result) ? 'failure' : 'success')
    return result.ok ? door.changed(req, person, changed) : refusal(result, email)
  }

  return [{ method: 'POST', path: '/account/password', handle: change }]
}

/** The form, under its heading. */
export function passwordSection(email: string): Html {
  return html`<h2>Password</h2>
${passwordForm(email)}`
}

// The user name is for password managers: it tells them whose password it is.
function passwordForm(email: string): Html {
  return html`<form method="post" action="/account/password">
<input type="hidden" name="username" autocomplete="username" value="${email}">
<label for="current">Current password</label>
<input id="current" name="current" type="password" autocomplete="current-password" maxlength="1024" required>
<label for="next">New password</label>
<input id="next" name="next" type="password" autocomplete="new-password" maxlength="1024" required>
<button type="submit" class="quiet">Change the password</button>
</form>`
}

/** Whether the current password was looked at, and was not the one. */
function isWrong(result: PasswordChangeResult): boolean {
  return !result.ok && ['password.wrong', 'password.too_long', 'password.malformed'].includes(result.reason.code)
}

function refusal(result: Exclude<PasswordChangeResult, { readonly ok: true }>, email: string): Reply {
  if ('retryAfter' in result && result.retryAfter !== undefined) return laterPage(503, result.retryAfter)
  const flaws = 'flaws' in result ? result.flaws.map(({ message }) => message) : undefined
  const contended = result.reason.code === 'password.contended'
  const words = contended ? 'The password was changed meanwhile.' : 'The current password is not right.'
  return accountPage({
    status: 422,
    title: 'The password was not changed',
    body: html`${alarm(flaws ?? [words])}${passwordForm(email)}
<p><a href="/account">Leave it</a></p>`,
  })
}

const changed = {
  title: 'The password was changed',
  body: html`<p>Use the new one from now on.</p>\n<p class="quiet-text">Your other sessions have ended.</p>`,
} as const
