import { type Form, json, type Reply, type RequestView, readForm } from '@portcullis/core'
import { type Factor, MfaError } from '@portcullis/mfa'
import type { Passkey, PasskeyRefusalCode } from '@portcullis/mfa/passkeys'
import { type Html, html } from '@portcullis/oauth/pages'
import { messagePage, moment, seeOther } from './page.ts'
import type { AccountParts } from './parts.ts'
import type { Door, Person } from './person.ts'
import { type AccountRoute, idIn } from './route.ts'

/** Passkeys are made to sign in with, so their authenticator verifies the person. */
const made: Factor = { method: 'passkey', userVerified: true }

/** Making, naming and removing passkeys. */
export function passkeyRoutes({ factors: { passkeys } }: AccountParts, door: Door): readonly AccountRoute[] {
  /** For the script, which follows no redirect: it sends the page there. */
  async function begin(_req: RequestView, person: Person): Promise<Reply> {
    const refused = door.refuseChange(person, { change: 'enrol', factor: made })
    if (refused !== undefined) return refused
    const { account, session } = person
    const subject = { browser: session.handle, userName: account.email, displayName: account.name }
    const options = await passkeys.beginRegistration(account.id, subject)
    return json(options, { headers: [['Cache-Control', 'no-store']] })
  }

  async function finish(req: RequestView, person: Person): Promise<Reply> {
    const refused = door.refuseChange(person, { change: 'enrol', factor: made })
    if (refused !== undefined) return refused
    const form = await readForm(req)
    const answer = { browser: person.session.handle, response: parse(form['response']), name: nameOf(form) }
    const result = await named(() => passkeys.finishRegistration(person.account.id, answer, { request: req }))
    if (result === undefined) return badName
    if (!result.ok) return refusal(result.reason.code)
    return door.changed(req, person, {
      title: 'Passkey added',
      body: html`<p>“${result.passkey.name}” can sign you in from now on, without a password. You will be asked for it when you go on.</p>
<p class="quiet-text">Your other sessions have ended.</p>`,
    })
  }

  async function rename(req: RequestView, { account }: Person): Promise<Reply> {
    const form = await readForm(req)
    const handle = idIn(form, 'handle')
    if (handle === undefined) return absent
    const renamed = await named(() => passkeys.rename(account.id, handle, nameOf(form)))
    if (renamed === undefined) return badName
    return renamed ? seeOther('/account') : absent
  }

  async function remove(req: RequestView, person: Person): Promise<Reply> {
    const form = await readForm(req)
    const passkey = (await passkeys.list(person.account.id)).find(({ handle }) => handle === form['handle'])
    if (passkey === undefined) return absent
    const refused = door.refuseChange(person, { change: 'remove', factor: factorOf(passkey) })
    if (refused !== undefined) return refused
    if (!(await passkeys.remove(person.account.id, passkey.handle, { request: req }))) return absent
    return door.changed(req, person, {
      title: 'Passkey removed',
      body: html`<p>“${passkey.name}” no longer signs anybody in. Remove it from your device, too, which still offers it.</p>
<p class="quiet-text">Your other sessions have ended.</p>`,
    })
  }

  return [
    { method: 'POST', path: '/account/passkeys/options', handle: begin },
    { method: 'POST', path: '/account/passkeys', handle: finish },
    { method: 'POST', path: '/account/passkeys/rename', handle: rename },
    { method: 'POST', path: '/account/passkeys/remove', handle: remove },
  ]
}

/** The passkeys of an account, and the form that makes one. @param work whether browsers make passkeys for this address at all */
export function passkeySection(passkeys: readonly Passkey[], work: boolean): Html {
  return html`<h2>Passkeys</h2>
${passkeys.length === 0 && html`<p>You have none. A passkey signs you in with your fingerprint, your face or your PIN, and works on no site but this one.</p>\n`}${passkeys.map(passkeyItem)}${work ? addForm : html`<p class="quiet-text">Browsers make passkeys over HTTPS under a name, and on localhost.</p>`}`
}

// The page's script does what a form alone can't: it asks the authenticator, and puts the answer into the hidden field.
const addForm: Html = html`<form method="post" action="/account/passkeys" id="add-passkey">
<label for="passkey-name">Name of a new passkey</label>
<input id="passkey-name" name="name" maxlength="128" autocomplete="off" required>
<input type="hidden" name="response">
<p class="alarm" role="alert" id="passkey-alarm" hidden></p>
<button type="submit">Add a passkey</button>
</form>
<noscript><p class="quiet-text">Passkeys need JavaScript; everything else here does not.</p></noscript>`

function passkeyItem({ handle, name, createdAt, lastUsedAt, synced }: Passkey): Html {
  const used = lastUsedAt === undefined ? html`never used` : html`last used ${moment(lastUsedAt)}`
  const where = synced ? 'on all devices that share it' : 'on one device alone'
  return html`<section>
<p><strong>${name}</strong><br><span class="quiet-text">made ${moment(createdAt)}, ${used}, ${where}</span></p>
<form method="post" action="/account/passkeys/rename">
<input type="hidden" name="handle" value="${handle}">
<label for="name-${handle}">New name</label>
<input id="name-${handle}" name="name" value="${name}" maxlength="128" autocomplete="off" required>
<button type="submit" class="quiet">Rename</button>
</form>
<form method="post" action="/account/passkeys/remove">
<input type="hidden" name="handle" value="${handle}">
<button type="submit" class="quiet">Remove</button>
</form>
</section>
`
}

function factorOf({ userVerified, synced, attested }: Passkey): Factor {
  return { method: 'passkey', userVerified, deviceBound: !synced, attested }
}

function nameOf(form: Form): string {
  return (form['name'] ?? '').trim()
}

/** What can't be read is an answer that is not good. */
function parse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}

/** `undefined`: the name can't be one. */
async function named<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof MfaError && error.code === 'mfa.label_invalid') return undefined
    throw error
  }
}

const badName: Reply = messagePage({
  status: 422,
  title: 'This can’t be a name',
  body: html`<p>A name has 1 to 128 characters, none of them a control character.</p>`,
})

const absent: Reply = messagePage({
  status: 404,
  title: 'No such passkey',
  body: html`<p>It may have been removed meanwhile.</p>`,
})

const words: Partial<Readonly<Record<PasskeyRefusalCode, string>>> = {
  'mfa.challenge_unknown': 'It took too long, or was begun in another browser. Begin again.',
  'mfa.passkeys_full': 'You have as many passkeys as an account can have. Remove one first.',
  'mfa.passkey_taken': 'This passkey is known already.',
  'mfa.user_unverified': 'Your device did not make sure that it is you. Set up a PIN or a fingerprint on it first.',
}

function refusal(code: PasskeyRefusalCode): Reply {
  const text = words[code] ?? 'What your browser sent can’t be used.'
  return messagePage({ status: 422, title: 'The passkey was not added', body: html`<p>${text}</p>` })
}
