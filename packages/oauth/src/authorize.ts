import { type Endpoint, type Reply, type RequestView, readForm } from '@portcullis/core'
import { type AuthorizationRequest, parseAuthorizationRequest } from './authorization-request.ts'
import { codeResponse, errorResponse, seeOther, targetOf } from './authorization-response.ts'
import type { Client } from './client.ts'
import { authorizationRefusedEvent, codeIssuedEvent } from './events.ts'
import { readIdTokenHint } from './id-token.ts'
import { errorPage } from './pages/message.ts'
import type { Provider } from './provider.ts'
import { withParameters } from './redirect-uri.ts'
import { type Refused, refused } from './refusal.ts'
import { standingOf } from './standing.ts'

/** The authorization endpoint (RFC 6749 §3.1): checks the request, and hands the person over to the pages. */
export function authorizeEndpoint(provider: Provider): Endpoint {
  return async (req) => {
    const parsed = await parseAuthorizationRequest(provider, queryOf(req))
    if (parsed.type === 'page') {
      report(provider, req, undefined, parsed.refusal)
      const words = 'The application that sent you here made a request that can not be answered.'
      return errorPage({ brand: provider.brand, words, code: parsed.refusal.description })
    }
    if (parsed.type === 'redirect') {
      report(provider, req, parsed.clientId, parsed.refusal)
      return errorResponse(provider.issuer, parsed.to, parsed.refusal)
    }
    const { client, idTokenHint } = parsed
    const request = await withHint(provider, parsed.request, idTokenHint)
    if ('error' in request) return turnDown(provider, req, parsed.request, request)
    return request.prompts.includes('none')
      ? answerSilently(provider, req, request, client)
      : beginInteraction(provider, req, request)
  }
}

/**
 * The same by POST, which OpenID Connect Core §3.1.2.1 asks for. The browser is sent on to ask with GET: a form from another site
 * brings no `SameSite=Lax` cookie, and the person would look like a stranger.
 */
export function authorizeByPostEndpoint(provider: Provider): Endpoint {
  return async (req) => seeOther(withParameters(provider.paths.authorize, await readForm(req)))
}

/** Tells the client that its request was turned down. */
export function turnDown(provider: Provider, req: RequestView, request: AuthorizationRequest, refusal: Refused): Reply {
  report(provider, req, request.clientId, refusal)
  return errorResponse(provider.issuer, targetOf(request), refusal)
}

/** The query of a request, without `?`. */
export function queryOf(req: RequestView): string {
  const at = req.target.indexOf('?')
  return at < 0 ? '' : req.target.slice(at + 1)
}

async function withHint(
  provider: Provider,
  request: AuthorizationRequest,
  hint: string | undefined,
): Promise<AuthorizationRequest | Refused> {
  if (hint === undefined) return request
  const about = await readIdTokenHint(provider, hint)
  if (about === undefined || about.clientId !== request.clientId) {
    return refused('invalid_request', 'oauth.id_token_hint_invalid', 'id_token_hint is not an ID token of this client')
  }
  return { ...request, expectedSubject: about.subject }
}

async function beginInteraction(provider: Provider, req: RequestView, request: AuthorizationRequest): Promise<Reply> {
  const session = await provider.sessions.read(req)
  const begun = session === undefined ? await provider.sessions.start(req, { data: {} }) : { session, headers: [] }
  const id = await provider.interactions.open(request, begun.session.handle)
  return seeOther(withParameters(provider.paths.interaction, { id }), begun.headers)
}

/**
 * `prompt=none` (OpenID Connect Core §3.1.2.1). Nobody sees it happen, so it takes a consent given before, to a client that proves
 * who it is: the name of a public client is anybody's (RFC 6749 §10.2).
 */
async function answerSilently(
  provider: Provider,
  req: RequestView,
  request: AuthorizationRequest,
  client: Client,
): Promise<Reply> {
  const session = await provider.sessions.read(req)
  const standing = await standingOf(provider, { request, reauthenticated: false }, session)
  if (standing.type === 'refused') return turnDown(provider, req, request, standing)
  if (standing.type !== 'signed_in') {
    return turnDown(
      provider,
      req,
      request,
      refused('login_required', `oauth.${standing.type}_needed`, 'the person has to sign in'),
    )
  }
  const { subject } = standing.account
  const consented = client.kind === 'confidential' && (await provider.consents.covers(subject, client.clientId, request.scopes))
  if (!consented) {
    return turnDown(provider, req, request, refused('consent_required', 'oauth.consent_needed', 'the person has to consent'))
  }
  codeIssuedEvent.publish(
    { clientId: client.clientId, subject, scopes: request.scopes, interactive: false },
    { request: req, clock: provider.clock },
  )
  return codeResponse(provider, request, standing)
}

function report(provider: Provider, request: RequestView, clientId: string | undefined, { error, reason }: Refused): void {
  authorizationRefusedEvent.publish({ clientId, error, reason }, { request, clock: provider.clock })
}
