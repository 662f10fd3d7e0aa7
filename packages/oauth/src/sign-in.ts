import { type Endpoint, epochSeconds, type Reply, type RequestView, readForm } from '@portcullis/core'
import { seeOther } from './authorization-response.ts'
import { secondFactorPassedEvent, secondFactorRefusedEvent, signedInEvent, signInRefusedEvent } from './events.ts'
import { expired, interactionUrl, secondFactor, signIn, type Turn, turnOfForm } from './interaction-endpoints.ts'
import type { AssuranceLevel, Provider } from './provider.ts'
import { standingOf } from './standing.ts'

// Wrong codes after which the password is asked for again, whatever the application's own limit is.
const MOST_ATTEMPTS = 5

/** Takes user name and password. */
export function signInEndpoint(provider: Provider): Endpoint {
  return async (req) => {
    const form = await readForm(req)
    const turn = await turnOfForm(provider, req, form)
    if (turn === undefined) return expired(provider)
    const { username = '', password = '' } = form
    const result = await provider.accounts.authenticate({ username, password, request: req })
    const account = result.type === 'ok' ? await provider.accounts.find(result.subject) : undefined
    if (result.type !== 'ok' || account === undefined) {
      const reason = result.type === 'ok' ? 'account_unavailable' : result.type
      signInRefusedEvent.publish({ clientId: turn.client.clientId, reason }, { request: req, clock: provider.clock })
      // A disabled account looks like a wrong password: whoever asks learns nothing about accounts.
      return signIn(provider, turn, { username, notice: result.type === 'ok' ? { type: 'refused' } : result })
    }
    const { subject } = account
    const { amr = ['pwd'] } = result
    if (!account.secondFactor) return begin(provider, req, turn, { subject, acr: 'aal1', amr })

    // Still nobody's session: an application that looks at sessions must not take half a sign-in for one. The id is new all the same.
    const begun = await provider.sessions.start(req, { data: {} })
    const pending = { subject, amr }
    const moved = await provider.interactions.moveTo(turn.open, begun.session.handle, { reauthenticated: false, pending })
    return moved ? seeOther(interactionUrl(provider, turn.open), begun.headers) : expired(provider)
  }
}

/** Takes the code of a second factor. */
export function secondFactorEndpoint(provider: Provider): Endpoint {
  return async (req) => {
    const form = await readForm(req)
    const turn = await turnOfForm(provider, req, form)
    if (turn === undefined) return expired(provider)
    const interaction = turn.open.stored.value
    const standing = await standingOf(provider, interaction, turn.session)
    if (standing.type !== 'second_factor') return seeOther(interactionUrl(provider, turn.open))
    const { subject } = standing
    const { clientId } = turn.client
    const context = { request: req, clock: provider.clock }

    // Counted before it is checked, and one at a time: of many guesses sent at once, all but one find the count changed.
    const attempts = interaction.attempts + 1
    if (attempts > MOST_ATTEMPTS) {
      secondFactorRefusedEvent.publish({ clientId, subject, reason: 'too_many' }, context)
      await provider.interactions.close(turn.open)
      return expired(provider)
    }
    if (!(await provider.interactions.change(turn.open, { attempts }))) return seeOther(interactionUrl(provider, turn.open))

    const result = await provider.accounts.secondFactor({ subject, code: form['code'] ?? '', request: req })
    if (result.type !== 'ok') {
      secondFactorRefusedEvent.publish({ clientId, subject, reason: result.type }, context)
      return secondFactor(provider, turn, result)
    }
    secondFactorPassedEvent.publish({ clientId, subject }, context)
    const counted = await provider.interactions.find(turn.open.id, turn.session.handle)
    if (counted === undefined) return expired(provider)
    const first = interaction.pending?.amr ?? turn.session.data.amr ?? ['pwd']
    const amr = [...new Set([...first, ...(result.amr ?? ['otp']), 'mfa'])]
    return begin(provider, req, { ...turn, open: counted }, { subject, acr: 'aal2', amr })
  }
}

/** Begins the session of somebody who has shown every factor, under a new id, and goes on with the interaction in it. */
async function begin(
  provider: Provider,
  req: RequestView,
  turn: Turn,
  { subject, acr, amr }: { readonly subject: string; readonly acr: AssuranceLevel; readonly amr: readonly string[] },
): Promise<Reply> {
  const data = { authTime: epochSeconds(provider.clock), acr, amr }
  const { session, headers } = await provider.sessions.start(req, { subject, data })
  const { clientId } = turn.client
  signedInEvent.publish({ clientId, subject, acr, amr, sessionId: session.handle }, { request: req, clock: provider.clock })
  const moved = await provider.interactions.moveTo(turn.open, session.handle, { reauthenticated: true })
  return moved ? seeOther(interactionUrl(provider, turn.open), headers) : expired(provider)
}
