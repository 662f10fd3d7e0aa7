import { type Endpoint, type HeaderList, type Reply, type RequestView, readForm } from '@portcullis/core'
import type { CheckResult, Proof } from './account.ts'
import { seeOther } from './authorization-response.ts'
import { turnDown } from './authorize.ts'
import { secondFactorPassedEvent, secondFactorRefusedEvent, signedInEvent, signInRefusedEvent } from './events.ts'
import { expired, interactionUrl, secondFactor, signIn, type Turn, turnOfForm } from './interaction-endpoints.ts'
import type { Provider } from './provider.ts'
import { assessmentOf, type Halfway, moreOf, standingOf, UNMET, weigh } from './standing.ts'

// Wrong codes and passkeys after which the password is asked for again, whatever the application's own limit is.
const MOST_ATTEMPTS = 5

/** Takes user name and password. */
export function signInEndpoint(provider: Provider): Endpoint {
  return async (req) => {
    const form = await readForm(req)
    const turn = await turnOfForm(provider, req, form)
    if (turn === undefined) return expired(provider)
    const { username = '', password = '' } = form
    const result = await provider.accounts.authenticate({ username, password, request: req })
    return afterFirst(provider, req, turn, result, username)
  }
}

/** Takes the code of a second factor. */
export function secondFactorEndpoint(provider: Provider): Endpoint {
  return async (req) => {
    const form = await readForm(req)
    const turn = await turnOfForm(provider, req, form)
    if (turn === undefined) return expired(provider)
    const { code = '' } = form
    return afterSecond(provider, req, turn, ({ subject }) => provider.accounts.secondFactor({ subject, code, request: req }))
  }
}

/** What follows a password, or a passkey without one. @param username for the form, where it is shown again */
export async function afterFirst(
  provider: Provider,
  req: RequestView,
  turn: Turn,
  result: CheckResult<{ readonly subject: string }>,
  username = '',
): Promise<Reply> {
  const account = result.type === 'ok' ? await provider.accounts.find(result.subject) : undefined
  if (result.type !== 'ok' || account === undefined) {
    const reason = result.type === 'ok' ? 'account_unavailable' : result.type
    signInRefusedEvent.publish({ clientId: turn.client.clientId, reason }, { request: req, clock: provider.clock })
    // A disabled account looks like a wrong password: whoever asks learns nothing about accounts.
    return signIn(provider, turn, { username, notice: result.type === 'ok' ? { type: 'refused' } : result })
  }
  // What an earlier session had proven is left aside: whoever is asked anew is asked for everything.
  return advance(provider, req, turn, { subject: account.subject, proofs: result.proofs }, result.headers)
}

/** Checks a further factor of somebody who has proven one, and goes on. */
export async function afterSecond(
  provider: Provider,
  req: RequestView,
  turn: Turn,
  check: (who: Halfway) => Promise<CheckResult>,
): Promise<Reply> {
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

  const result = await check(standing)
  if (result.type !== 'ok') {
    secondFactorRefusedEvent.publish({ clientId, subject, reason: result.type }, context)
    return secondFactor(provider, turn, standing, { notice: result })
  }
  secondFactorPassedEvent.publish({ clientId, subject }, context)
  const counted = await provider.interactions.find(turn.open.id, turn.session.handle)
  if (counted === undefined) return expired(provider)
  return advance(
    provider,
    req,
    { ...turn, open: counted },
    { subject, proofs: [...standing.proofs, ...result.proofs] },
    result.headers,
  )
}

/** Begins the session of somebody who has proven enough; asks for more where it is not. Either way under a new id. */
async function advance(
  provider: Provider,
  req: RequestView,
  turn: Turn,
  so: { readonly subject: string; readonly proofs: readonly Proof[] },
  further: HeaderList = [],
): Promise<Reply> {
  const { subject, proofs } = so
  const interaction = turn.open.stored.value
  const wanted = await weigh(provider, interaction, so)
  // Who can't be what the client asks for is signed in as what he is; the client is told then.
  const decision =
    wanted.type === 'enrol' || wanted.type === 'impossible'
      ? await weigh(provider, { request: { ...interaction.request, acrValues: [] }, reauthenticated: true }, so)
      : wanted
  if (decision.type !== 'enough') {
    const next = decision.type === 'more' ? moreOf(provider, decision.accept, so) : UNMET
    // A password that was too old by the time the second factor came.
    if (next.type === 'sign_in') return seeOther(interactionUrl(provider, turn.open))
    if (next.type === 'refused') {
      await provider.interactions.close(turn.open)
      return turnDown(provider, req, interaction.request, next)
    }
    // Still nobody's session: an application that looks at sessions must not take half a sign-in for one. The id is new all the same.
    const begun = await provider.sessions.start(req, { data: {} })
    const change = { reauthenticated: false, pending: { subject, proofs } }
    const moved = await provider.interactions.moveTo(turn.open, begun.session.handle, change)
    return moved ? seeOther(interactionUrl(provider, turn.open), [...begun.headers, ...further]) : expired(provider)
  }
  const { acr, amr } = assessmentOf(decision)
  const { session, headers } = await provider.sessions.start(req, { subject, data: { proofs } })
  const { clientId } = turn.client
  signedInEvent.publish({ clientId, subject, acr, amr, sessionId: session.handle }, { request: req, clock: provider.clock })
  const moved = await provider.interactions.moveTo(turn.open, session.handle, { reauthenticated: true })
  return moved ? seeOther(interactionUrl(provider, turn.open), [...headers, ...further]) : expired(provider)
}
