import { type Reply, type RequestView, readForm } from '@portcullis/core'
import type { SignIn } from '@portcullis/oauth'
import { type Html, html } from '@portcullis/oauth/pages'
import type { Session } from '@portcullis/sessions'
import { messagePage, moment, seeOther } from './page.ts'
import type { AccountParts } from './parts.ts'
import { type Door, type Person, signInAgain } from './person.ts'
import { type AccountRoute, idIn } from './route.ts'

/** Ending one's own sessions, after a fresh proof (ASVS 7.5.2). */
export function sessionRoutes({ sessions }: AccountParts, door: Door): readonly AccountRoute[] {
  async function end(req: RequestView, person: Person): Promise<Reply> {
    if (!door.isFresh(person)) return signInAgain
    const handle = idIn(await readForm(req), 'handle')
    // The own one takes its cookie along.
    if (handle === person.session.handle) return seeOther('/', await sessions.end(req))
    const ended = handle !== undefined && (await sessions.endOne(person.account.id, handle, { request: req }))
    return ended ? seeOther('/account') : absent
  }

  async function endOthers(req: RequestView, person: Person): Promise<Reply> {
    if (!door.isFresh(person)) return signInAgain
    await door.endOthers(req, person)
    return seeOther('/account')
  }

  return [
    { method: 'POST', path: '/account/sessions/end', handle: end },
    { method: 'POST', path: '/account/sessions/end-others', handle: endOthers },
  ]
}

/** The sessions, oldest first; how many there are, for who has not proven enough of late. @param own the handle of the one that asks */
export function sessionSection(all: readonly Session<SignIn>[], own: string, fresh: boolean): Html {
  const count = all.length === 1 ? 'You are signed in here alone.' : `You are signed in ${String(all.length)} times.`
  if (!fresh) {
    return html`<h2>Sessions</h2>
<p>${count} <a href="/sign-in?return=/account&amp;again=1">Sign in once more</a> to see where, and to end them.</p>`
  }
  return html`<h2>Sessions</h2>
<p>${count}</p>
${all.map((session) => sessionItem(session, session.handle === own))}
${all.length > 1 && html`<form method="post" action="/account/sessions/end-others"><button type="submit">End all others</button></form>`}`
}

function sessionItem({ handle, startedAt, seenAt }: Session<SignIn>, own: boolean): Html {
  return html`<section>
<p>${own && html`<strong>This one</strong>, `}begun ${moment(startedAt)}, last seen ${moment(seenAt)}</p>
<form method="post" action="/account/sessions/end">
<input type="hidden" name="handle" value="${handle}">
<button type="submit" class="quiet">${own ? 'Sign out here' : 'End it'}</button>
</form>
</section>
`
}

const absent: Reply = messagePage({ status: 404, title: 'No such session', body: html`<p>It may be over already.</p>` })
