import { type Endpoint, type Form, json, problem, readForm } from '@portcullis/core'
import type { AccountPasskeys } from './account.ts'
import { seeOther } from './authorization-response.ts'
import { expired, interactionUrl, type Turn, turnOfForm } from './interaction-endpoints.ts'
import { passkeyScript } from './pages/passkey-script.ts'
import type { Provider } from './provider.ts'
import { afterFirst, afterSecond } from './sign-in.ts'
import { standingOf } from './standing.ts'

/** The script of the pages that offer passkeys. */
export function passkeyScriptEndpoint({ module }: AccountPasskeys): Endpoint {
  const body = passkeyScript(module)
  return async () => ({
    status: 200,
    headers: [
      ['Content-Type', 'text/javascript; charset=utf-8'],
      ['Cache-Control', 'no-cache'],
      ['X-Content-Type-Options', 'nosniff'],
    ],
    body,
  })
}

/** Options for the browser. Asked for when the button is pressed, so that who only looks at a page costs no challenge. */
export function passkeyOptionsEndpoint(provider: Provider, passkeys: AccountPasskeys): Endpoint {
  return async (req) => {
    const form = await readForm(req)
    const turn = await turnOfForm(provider, req, form)
    const subject = turn && (await subjectOf(provider, turn, form))
    if (turn === undefined || subject === null) return problem({ status: 409, detail: 'This sign-in is not at that step.' })
    const options = await passkeys.begin({ subject, browser: turn.session.handle, request: req })
    return json(options, { headers: [['Cache-Control', 'no-store']] })
  }
}

/** Takes what the browser answered: a sign-in without a user name, or a second factor. */
export function passkeyEndpoint(provider: Provider, passkeys: AccountPasskeys): Endpoint {
  return async (req) => {
    const form = await readForm(req)
    const turn = await turnOfForm(provider, req, form)
    if (turn === undefined) return expired(provider)
    const answer = { browser: turn.session.handle, response: parse(form['response']), request: req }
    if (form['step'] === 'sign_in') {
      return afterFirst(provider, req, turn, await passkeys.finish({ ...answer, subject: undefined }))
    }
    if (form['step'] !== 'second_factor') return seeOther(interactionUrl(provider, turn.open))
    return afterSecond(provider, req, turn, async ({ subject }) => {
      const result = await passkeys.finish({ ...answer, subject })
      // Whose password it was, and whose passkey it is, must be one person.
      return result.type === 'ok' && result.subject !== subject ? { type: 'refused' } : result
    })
  }
}

/** Whom a passkey is asked of: `undefined`, whoever has one; `null`, nobody, since the sign-in is not there. */
async function subjectOf(provider: Provider, { open, session }: Turn, form: Form): Promise<string | undefined | null> {
  if (form['step'] === 'sign_in') return undefined
  const standing = await standingOf(provider, open.stored.value, session)
  return standing.type === 'second_factor' && standing.passkey ? standing.subject : null
}

function parse(response: string | undefined): unknown {
  try {
    return JSON.parse(response ?? '')
  } catch {
    return undefined
  }
}
