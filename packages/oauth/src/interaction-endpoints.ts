import { type Endpoint, type Form, parseForm, type Reply, type RequestView, readForm } from '@portcullis/core'
import type { Session } from '@portcullis/sessions'
import { codeResponse, seeOther } from './authorization-response.ts'
import { queryOf, turnDown } from './authorize.ts'
import type { Client } from './client.ts'
import { codeIssuedEvent, consentGivenEvent, consentRefusedEvent } from './events.ts'
import { formTokenOf, isFormToken, type OpenInteraction } from './interaction.ts'
import { consentPage, type FormPage, type Notice, type PasskeyForm, secondFactorPage, signInPage } from './pages/forms.ts'
import { errorPage } from './pages/message.ts'
import type { Provider, SignIn } from './provider.ts'
import { formActionOf, withParameters } from './redirect-uri.ts'
import { refused } from './refusal.ts'
import { type Halfway, type SignedIn, standingOf } from './standing.ts'

/** An interaction that belongs to the browser which asks, with its client. */
export interface Turn {
  readonly open: OpenInteraction
  readonly session: Session<SignIn>
  readonly client: Client
}

/** Shows the page of whatever comes next. */
export function interactionEndpoint(provider: Provider): Endpoint {
  return async (req) => {
    const query = parseForm(queryOf(req))
    const turn = await turnOf(provider, req, query['id'])
    if (turn === undefined) return expired(provider)
    const { request } = turn.open.stored.value
    // Shows a form and changes nothing; the sign-in that follows is what changes the account.
    if (query['switch'] !== undefined) return signIn(provider, turn, {})
    const standing = await standingOf(provider, turn.open.stored.value, turn.session)
    if (standing.type === 'sign_in') return signIn(provider, turn, {})
    if (standing.type === 'second_factor') {
      return secondFactor(provider, turn, standing, { onPaper: query['recovery'] !== undefined })
    }
    if (standing.type === 'signed_in') return consent(provider, turn, standing)
    await provider.interactions.close(turn.open)
    return turnDown(provider, req, request, standing)
  }
}

/** Takes the answer to the consent page, and ends the interaction. */
export function consentEndpoint(provider: Provider): Endpoint {
  return async (req) => {
    const form = await readForm(req)
    const turn = await turnOfForm(provider, req, form)
    if (turn === undefined) return expired(provider)
    const { request } = turn.open.stored.value
    const standing = await standingOf(provider, turn.open.stored.value, turn.session)
    // Asked again: the page that was shown may be older than what has happened since.
    if (standing.type !== 'signed_in') return seeOther(interactionUrl(provider, turn.open))
    const decision = form['decision']
    if (decision !== 'approve' && decision !== 'deny') return seeOther(interactionUrl(provider, turn.open))
    // Of several answers one counts, whichever button the others pressed.
    if (!(await provider.interactions.close(turn.open))) return expired(provider)

    const { clientId, scopes } = request
    const { subject } = standing.account
    const context = { request: req, clock: provider.clock }
    if (decision === 'deny') {
      consentRefusedEvent.publish({ clientId, subject, scopes }, context)
      return turnDown(provider, req, request, refused('access_denied', 'oauth.consent_refused', 'the person refused'))
    }
    await provider.consents.give(subject, clientId, scopes)
    consentGivenEvent.publish({ clientId, subject, scopes }, context)
    codeIssuedEvent.publish({ clientId, subject, scopes, interactive: true }, context)
    return codeResponse(provider, request, standing)
  }
}

/** The interaction of a request, if it is this browser's and its client is still there. */
async function turnOf(provider: Provider, req: RequestView, id: string | undefined): Promise<Turn | undefined> {
  const session = await provider.sessions.read(req)
  const open = await provider.interactions.find(id, session?.handle)
  if (open === undefined || session === undefined) return undefined
  const client = await provider.clients.find(open.stored.value.request.clientId)
  return client && { open, session, client }
}

/** The same for a form, which must have come from our own page. */
export async function turnOfForm(provider: Provider, req: RequestView, form: Form): Promise<Turn | undefined> {
  const turn = await turnOf(provider, req, form['interaction'])
  return turn !== undefined && isFormToken(form['form_token'], turn.open.stored.value) ? turn : undefined
}

/** The page for an interaction that is over, was never this browser's, or came without its token. */
export function expired(provider: Provider): Reply {
  return errorPage({
    brand: provider.brand,
    words: 'This sign-in has expired, was finished already, or was begun in another window.',
  })
}

/** Where an interaction goes on. */
export function interactionUrl(provider: Provider, { id }: OpenInteraction): string {
  return withParameters(provider.paths.interaction, { id })
}

/** The sign-in page of an interaction. */
export function signIn(provider: Provider, turn: Turn, attempt: { readonly username?: string; readonly notice?: Notice }): Reply {
  const { username = turn.open.stored.value.request.loginHint ?? '', notice } = attempt
  return signInPage({
    ...formOf(provider, turn, provider.paths.signIn),
    client: turn.client.name,
    username,
    resetPath: provider.passwordResetPath,
    ...passkeyOf(provider, 'sign_in'),
    ...(notice !== undefined && { notice }),
  })
}

/** The second-factor page of an interaction. @param show.onPaper asks for a recovery code, where one would do */
export function secondFactor(
  provider: Provider,
  turn: Turn,
  ways: Pick<Halfway, 'code' | 'recoveryCode' | 'passkey'>,
  show: { readonly notice?: Notice; readonly onPaper?: boolean },
): Reply {
  const { code, recoveryCode, passkey } = ways
  const onPaper = recoveryCode && (show.onPaper === true || !(code || passkey))
  const recovery = onPaper ? undefined : '1'
  return secondFactorPage({
    ...formOf(provider, turn, provider.paths.secondFactor),
    code: onPaper ? 'recovery' : code && 'authenticator',
    ...(recoveryCode &&
      (code || passkey) && { otherUrl: withParameters(provider.paths.interaction, { id: turn.open.id, recovery }) }),
    ...(passkey && passkeyOf(provider, 'second_factor')),
    ...(show.notice !== undefined && { notice: show.notice }),
  })
}

function passkeyOf({ accounts, paths }: Provider, step: PasskeyForm['step']): { readonly passkey?: PasskeyForm } {
  if (accounts.passkeys === undefined) return {}
  return { passkey: { step, action: paths.passkey, options: paths.passkeyOptions, script: paths.passkeyScript } }
}

function consent(provider: Provider, turn: Turn, { account }: SignedIn): Reply {
  const { request } = turn.open.stored.value
  const { claims } = account
  return consentPage({
    ...formOf(provider, turn, provider.paths.consent),
    client: turn.client.name,
    words: request.scopes.map((scope) => provider.catalog.wordsFor(scope)),
    signedInAs: claims?.email ?? claims?.preferred_username ?? claims?.name ?? account.subject,
    redirectHost: hostOf(request.redirectUri.value),
    switchUrl: withParameters(provider.paths.interaction, { id: turn.open.id, switch: '1' }),
  })
}

function formOf(provider: Provider, { open }: Turn, action: string): FormPage {
  const { value } = open.stored
  return {
    brand: provider.brand,
    action,
    interaction: open.id,
    formToken: formTokenOf(value),
    formAction: formActionOf(value.request.redirectUri.value),
  }
}

function hostOf(uri: string): string {
  const { host, protocol } = new URL(uri)
  return host === '' ? protocol : host
}
