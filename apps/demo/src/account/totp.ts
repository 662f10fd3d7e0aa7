import { type Reply, type RequestView, readForm } from '@portcullis/core'
import type { Factor, TotpEnrolment } from '@portcullis/mfa'
import { Html, html } from '@portcullis/oauth/pages'
import { deviceOf } from '../guesses.ts'
import { accountPage, alarm, laterPage, messagePage } from './page.ts'
import type { AccountParts } from './parts.ts'
import type { Door, Person } from './person.ts'
import type { AccountRoute } from './route.ts'

const factor: Factor = { method: 'totp' }

/** Setting up an authenticator app, and taking it away. */
export function totpRoutes({ factors: { totp }, guesses: { devices } }: AccountParts, door: Door): readonly AccountRoute[] {
  const refuseEnrolment = (person: Person): Reply | undefined => {
    const change = person.enrolled.some(({ method }) => method === 'totp') ? 'replace' : 'enrol'
    return door.refuseChange(person, { change, factor })
  }

  async function begin(req: RequestView, person: Person): Promise<Reply> {
    const refused = refuseEnrolment(person)
    if (refused !== undefined) return refused
    const { id, email } = person.account
    return enrolmentPage(await totp.enrol(id, { label: email }, { request: req }))
  }

  async function confirm(req: RequestView, person: Person): Promise<Reply> {
    const refused = refuseEnrolment(person)
    if (refused !== undefined) return refused
    const code = ((await readForm(req))['code'] ?? '').replaceAll(/\s/g, '')
    const device = deviceOf(devices, req, person.account)
    const result = await totp.confirm(person.account.id, code, { request: req, device })
    if (result.ok) return door.changed(req, person, confirmed, result.proof)
    if (result.retryAfter !== undefined) return laterPage(429, result.retryAfter)
    return result.reason.code === 'mfa.not_enrolled' ? tooLate : wrongCodePage()
  }

  async function remove(req: RequestView, person: Person): Promise<Reply> {
    const refused = door.refuseChange(person, { change: 'remove', factor })
    if (refused !== undefined) return refused
    if (!(await totp.remove(person.account.id, { request: req }))) return absent
    return door.changed(req, person, removed)
  }

  return [
    { method: 'POST', path: '/account/totp', handle: begin },
    { method: 'POST', path: '/account/totp/confirm', handle: confirm },
    { method: 'POST', path: '/account/totp/remove', handle: remove },
  ]
}

/** Whether there is an app, and the buttons. */
export function totpSection(on: boolean): Html {
  const set = html`<form method="post" action="/account/totp"><button type="submit" class="quiet">${on ? 'Set up another app' : 'Set up an app'}</button></form>`
  return html`<h2>Authenticator app</h2>
<p>${on ? 'On: you are asked for a code at every sign-in.' : 'Off.'}</p>
${set}
${on && html`<form method="post" action="/account/totp/remove"><button type="submit" class="quiet">Remove the app</button></form>`}`
}

const codeForm: Html = html`<form method="post" action="/account/totp/confirm">
<label for="code">Code that the app shows</label>
<input id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="16" required>
<button type="submit">Turn it on</button>
</form>`

/** Shows the secret, once. */
function enrolmentPage({ uri, secret, qrSvg }: TotpEnrolment): Reply {
  // Our own markup, drawn from the modules of the code: nothing of what anybody typed in is in it.
  const drawing = Html.written(qrSvg.replace('<svg ', '<svg width="240" height="240" role="img" aria-label="QR code" '))
  return accountPage({
    title: 'Set up an authenticator app',
    body: html`<p>Scan this with the app, or <a href="${uri}">open it</a> on the device that has the app:</p>
<p>${drawing}</p>
<p>Or type in the secret: <code>${secret}</code></p>
<p class="quiet-text">As an address: <code>${uri}</code></p>
<p class="quiet-text">Whoever sees this can make your codes. It is not shown again.</p>
${codeForm}
<p><a href="/account">Leave it</a></p>`,
  })
}

function wrongCodePage(): Reply {
  return accountPage({
    status: 422,
    title: 'Set up an authenticator app',
    body: html`${alarm(['The code is not right.'])}<p>Look at the clock of the device, and take the code that it shows now.</p>
${codeForm}
<p><a href="/account">Leave it</a></p>`,
  })
}

const tooLate: Reply = messagePage({
  status: 422,
  title: 'It took too long',
  body: html`<p>Set up the app once more: the secret that was shown is no longer good.</p>`,
})

const absent: Reply = messagePage({ status: 404, title: 'No app', body: html`<p>There is none to remove.</p>` })

const confirmed = {
  title: 'The app is on',
  body: html`<p>You will be asked for a code at every sign-in. Make recovery codes now, for the day on which you lose the device.</p>
<form method="post" action="/account/recovery-codes"><button type="submit">Make recovery codes</button></form>
<p class="quiet-text">Your other sessions have ended.</p>`,
} as const

const removed = {
  title: 'The app is off',
  body: html`<p>Its codes sign nobody in any more.</p>
<p class="quiet-text">Your other sessions have ended.</p>`,
} as const
