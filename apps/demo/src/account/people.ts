import { type Reply, type RequestView, readForm } from '@portcullis/core'
import { type Html, html } from '@portcullis/oauth/pages'
import type { PasswordReset } from '@portcullis/password/account-tokens'
import { access } from '../access.ts'
import type { Account } from '../accounts.ts'
import { type AccountManaged, accountManaged } from './events.ts'
import { accountPage, messagePage, seeOther } from './page.ts'
import type { AccountParts } from './parts.ts'
import type { Door, Person } from './person.ts'
import { type AccountRoute, idIn } from './route.ts'
import { signOutEverywhere } from './sign-out.ts'

/** Two factors, within five minutes: what an owner does here ends other people's work. */
const needed = { aal: 'aal2', maxAge: 300 } as const

const signInAgain: Reply = seeOther('/sign-in?return=/account/people&again=1')

/** What an owner can do with the accounts of the own company. Never with a password, and never with a second factor. */
export function peopleRoutes(parts: AccountParts, door: Door, reset: PasswordReset): readonly AccountRoute[] {
  const { accounts, clock } = parts

  /** Why an owner has to prove more first: the answer to send instead. */
  function refuse(person: Person): Reply | undefined {
    const decision = door.decide(person, needed)
    if (decision.type === 'enough') return undefined
    // A recovery code stands in for a second factor at a sign-in, and not here: asking for one again and again would use them all up.
    const recovered = person.proofs.some(({ method }) => method === 'recovery_code')
    return decision.type === 'more' && !recovered ? signInAgain : secondFactorFirst
  }

  async function list(_req: RequestView, person: Person): Promise<Reply> {
    return refuse(person) ?? peoplePage(await accounts.ofTenant(person.account.tenant), person.account.id)
  }

  /** A form about somebody else of the same company. Others are nobody: an owner learns nothing about them. */
  const about =
    (act: (req: RequestView, owner: Person, other: Account) => Promise<Reply>): AccountRoute['handle'] =>
    async (req, person) => {
      const refused = refuse(person)
      if (refused !== undefined) return refused
      const id = idIn(await readForm(req), 'account')
      const other = id === undefined ? undefined : await accounts.find(id)
      if (other === undefined || !access.check(req, 'account:manage', { tenant: other.tenant })) return absent
      return other.id === person.account.id ? oneself : act(req, person, other)
    }

  function tell(req: RequestView, owner: Person, other: Account, action: AccountManaged['action']): void {
    const { id: account, tenant } = other
    accountManaged.publish({ account, tenant, by: owner.account.id, action }, { request: req, clock })
  }

  const signOut = about(async (req, owner, other) => {
    await signOutEverywhere(parts, other.id, { request: req })
    tell(req, owner, other, 'sign_out')
    return seeOther('/account/people')
  })

  const disable = about(async (req, owner, other) => {
    // Blocked first, so that no session begins behind the last look.
    await accounts.setDisabled(other.id, true)
    await signOutEverywhere(parts, other.id, { request: req })
    tell(req, owner, other, 'disable')
    return seeOther('/account/people')
  })

  const enable = about(async (req, owner, other) => {
    await accounts.setDisabled(other.id, false)
    tell(req, owner, other, 'enable')
    return seeOther('/account/people')
  })

  const startReset = about(async (req, owner, other) => {
    if (!(await reset.start(other.id))) return notSent(other)
    tell(req, owner, other, 'reset')
    return sent(other)
  })

  const policy = access.permit('account:manage')
  return [
    { method: 'GET', path: '/account/people', policy, handle: list },
    { method: 'POST', path: '/account/people/sign-out', policy, handle: signOut },
    { method: 'POST', path: '/account/people/disable', policy, handle: disable },
    { method: 'POST', path: '/account/people/enable', policy, handle: enable },
    { method: 'POST', path: '/account/people/reset', policy, handle: startReset },
  ]
}

function peoplePage(people: readonly Account[], own: string): Reply {
  return accountPage({
    title: 'People of your company',
    body: html`${people.map((one) => personItem(one, one.id === own))}
<h2>What you can’t do here</h2>
<p>You see nobody’s password, and choose nobody’s: the code for a new one goes to its owner alone. And you can’t take away anybody’s second
factor, lost or not: together with a new password that would let you sign in as somebody else. That is what recovery codes are for; who
has none left shows you in person who he is, and gets a new account.</p>
<p><a href="/account">Back to your account</a></p>`,
  })
}

function personItem({ id, name, email, role, disabled }: Account, own: boolean): Html {
  const button = (action: string, words: string): Html => html`<form method="post" action="/account/people/${action}">
<input type="hidden" name="account" value="${id}">
<button type="submit" class="quiet">${words}</button>
</form>
`
  return html`<section>
<p><strong>${name}</strong> ${email}, ${role}${disabled && ', disabled'}${own && ', you'}</p>
${!own && !disabled && [button('sign-out', 'Sign out everywhere'), button('reset', 'Send a code for a new password'), button('disable', 'Disable')]}
${!own && disabled && button('enable', 'Enable')}</section>
`
}

const secondFactorFirst: Reply = messagePage({
  status: 403,
  title: 'Set up a second factor first',
  body: html`<p>Managing other people’s accounts takes two factors, proven just now; a recovery code is none of them.</p>`,
})

const absent: Reply = messagePage({
  status: 404,
  title: 'No such person',
  body: html`<p>Your company has nobody of that kind.</p>`,
})

const oneself: Reply = messagePage({ status: 422, title: 'This is you', body: html`<p>Your own account has its own page.</p>` })

function sent({ email }: Account): Reply {
  return messagePage({
    title: 'The code is on its way',
    body: html`<p>It goes to <strong>${email}</strong>, and is good for a quarter of an hour. The old password works until then, and
afterwards too if nobody uses the code: sign the person out everywhere if it is in the wrong hands.</p>`,
  })
}

function notSent({ email }: Account): Reply {
  return messagePage({
    status: 409,
    title: 'No code was sent',
    body: html`<p><strong>${email}</strong> has been sent three within a quarter of an hour, or is disabled.</p>`,
  })
}
