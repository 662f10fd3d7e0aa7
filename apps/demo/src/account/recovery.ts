import type { Reply, RequestView } from '@portcullis/core'
import type { Factor, RecoveryStatus } from '@portcullis/mfa'
import { type Html, html } from '@portcullis/oauth/pages'
import { messagePage, moment } from './page.ts'
import type { AccountParts } from './parts.ts'
import type { Door, Person } from './person.ts'
import type { AccountRoute } from './route.ts'

const factor: Factor = { method: 'recovery_code' }

/** Making recovery codes, and taking them away. */
export function recoveryRoutes({ factors: { recovery } }: AccountParts, door: Door): readonly AccountRoute[] {
  async function generate(req: RequestView, person: Person): Promise<Reply> {
    if (!hasSecondFactor(person.enrolled)) return needless
    const change = (await recovery.status(person.account.id)) === undefined ? 'enrol' : 'replace'
    const refused = door.refuseChange(person, { change, factor })
    if (refused !== undefined) return refused
    const codes = await recovery.generate(person.account.id, { request: req })
    return door.changed(req, person, {
      title: 'Your recovery codes',
      body: html`<p>Print them, or write them down, and keep them where you keep what is dear to you. Each works once, in place of your
second factor. They are not shown again, and all older ones are void.</p>
<pre>${codes.join('\n')}</pre>
<p class="quiet-text">Your other sessions have ended.</p>`,
    })
  }

  async function remove(req: RequestView, person: Person): Promise<Reply> {
    const refused = door.refuseChange(person, { change: 'remove', factor })
    if (refused !== undefined) return refused
    if (!(await recovery.remove(person.account.id, { request: req }))) return absent
    return door.changed(req, person, {
      title: 'Recovery codes removed',
      body: html`<p>None of them works any more.</p>\n<p class="quiet-text">Your other sessions have ended.</p>`,
    })
  }

  return [
    { method: 'POST', path: '/account/recovery-codes', handle: generate },
    { method: 'POST', path: '/account/recovery-codes/remove', handle: remove },
  ]
}

/** How many codes are left, and the buttons. */
export function recoverySection(status: RecoveryStatus | undefined, enrolled: readonly Factor[]): Html {
  const had = status !== undefined
  const words = had ? html`${String(status.remaining)} left, made ${moment(status.madeAt)}.` : html`You have none.`
  return html`<h2>Recovery codes</h2>
<p>${words}${!hasSecondFactor(enrolled) && ' They stand in for a second factor, of which you have none.'}</p>
${hasSecondFactor(enrolled) && html`<form method="post" action="/account/recovery-codes"><button type="submit" class="quiet">${had ? 'Make new ones' : 'Make recovery codes'}</button></form>`}
${had && html`<form method="post" action="/account/recovery-codes/remove"><button type="submit" class="quiet">Remove them</button></form>`}`
}

/** A code stands in for something; alone it would be a second factor on paper that nobody meant to have. */
function hasSecondFactor(enrolled: readonly Factor[]): boolean {
  return enrolled.some(({ method }) => method === 'totp' || method === 'passkey')
}

const needless: Reply = messagePage({
  status: 422,
  title: 'No second factor',
  body: html`<p>Recovery codes stand in for a second factor. Set up a passkey or an authenticator app first.</p>`,
})

const absent: Reply = messagePage({ status: 404, title: 'No recovery codes', body: html`<p>There are none to remove.</p>` })
