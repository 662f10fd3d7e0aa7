import { createHash, randomBytes } from 'node:crypto'
import {
  type Clock,
  type Collection,
  CoreError,
  type Endpoint,
  type Form,
  type Reply,
  type RequestView,
  readForm,
  type Store,
} from '@portcullis/core'
import type { Session } from '@portcullis/sessions'
import { seeOther } from './authorization-response.ts'
import type { Client } from './client.ts'
import { parseQuery } from './client-authentication.ts'
import { signedOutEvent } from './events.ts'
import { type IdTokenHint, readIdTokenHint } from './id-token.ts'
import { formTokenOf, isFormToken, newSecret } from './interaction.ts'
import { signOutPage } from './pages/forms.ts'
import { errorPage, signedOutPage } from './pages/message.ts'
import type { Provider, SignIn } from './provider.ts'
import { formActionOf, withParameters } from './redirect-uri.ts'

/** A sign-out that waits for the person's word. */
type SignOut = {
  readonly session: string
  readonly secret: string
  /** Where to go then; checked. */
  readonly returnTo?: string
  readonly clientId?: string
}

/** Sign-outs that wait. */
export class SignOuts {
  readonly #records: Collection<SignOut>
  readonly #clock: Clock

  constructor(store: Store, clock: Clock) {
    this.#records = store.collection<SignOut>({ name: 'oauth.sign_outs' })
    this.#clock = clock
  }

  /** @returns its id */
  async open(signOut: SignOut): Promise<string> {
    const id = randomBytes(32).toString('base64url')
    await this.#records.create(keyOf(id), signOut, { expiresAt: this.#clock.now() + 600_000 })
    return id
  }

  async find(id: string | undefined, session: string | undefined): Promise<SignOut | undefined> {
    if (id === undefined || session === undefined) return undefined
    const stored = await this.#records.get(keyOf(id))
    return stored?.value.session === session ? stored.value : undefined
  }

  close(id: string): Promise<boolean> {
    return this.#records.remove(keyOf(id))
  }
}

/**
 * Signing out at a client's wish (OpenID Connect RP-Initiated Logout), by GET and POST. With an ID token of the session as a hint it
 * happens at once; without one the person is asked, so that no link and no image can sign anybody out (ASVS 10.6.2).
 */
export function endSessionEndpoint(provider: Provider): Endpoint {
  return async (req) => {
    const asked = await readRequest(provider, req)
    if (asked === undefined) {
      const words = 'The application that sent you here made a request that can not be answered. You are still signed in.'
      return errorPage({ brand: provider.brand, words })
    }
    const session = await provider.sessions.read(req)
    if (session?.subject === undefined) return leave(provider, asked.returnTo)
    if (isOf(asked.hint, session)) return signOut(provider, req, session.subject, asked)
    return ask(provider, session, asked)
  }
}

/** Takes the person's word. */
export function signOutEndpoint(provider: Provider): Endpoint {
  return async (req) => {
    const form = await readForm(req)
    const id = form['request']
    const session = await provider.sessions.read(req)
    const waiting = await provider.signOuts.find(id, session?.handle)
    if (id === undefined || waiting === undefined || !isFormToken(form['form_token'], waiting)) {
      return errorPage({ brand: provider.brand, words: 'This page has expired. You are still signed in.' })
    }
    await provider.signOuts.close(id)
    return signOut(provider, req, session?.subject ?? '', waiting)
  }
}

interface Asked {
  readonly clientId?: string | undefined
  readonly returnTo?: string | undefined
  readonly hint?: IdTokenHint | undefined
}

/** `undefined`: the request names a client or an address that it should not. */
async function readRequest(provider: Provider, req: RequestView): Promise<Asked | undefined> {
  const form = await readParameters(req)
  if (form === undefined) return undefined
  const { id_token_hint: token, client_id: named, post_logout_redirect_uri: uri, state } = form
  const hint = token === undefined ? undefined : await readIdTokenHint(provider, token)
  if (hint !== undefined && named !== undefined && named !== hint.clientId) return undefined
  const clientId = hint?.clientId ?? named
  const client: Client | undefined = clientId === undefined ? undefined : await provider.clients.find(clientId)
  if (clientId !== undefined && client === undefined) return undefined
  if (uri === undefined) return { clientId, hint }
  // Compared exactly, with the list of the client that asks: anything else is an open redirect.
  if (client?.postLogoutRedirectUris?.includes(uri) !== true) return undefined
  return { clientId, hint, returnTo: withParameters(uri, { state }) }
}

async function readParameters(req: RequestView): Promise<Form | undefined> {
  try {
    const form = req.method === 'POST' ? await readForm(req) : parseQuery(req)
    return Object.fromEntries(Object.entries(form).filter(([, value]) => value !== ''))
  } catch (error) {
    if (error instanceof CoreError && error.code === 'core.form_malformed') return undefined
    throw error
  }
}

/** Whether a hint speaks of this session, and not of an earlier one of the same person. */
function isOf(hint: IdTokenHint | undefined, session: Session<SignIn>): boolean {
  return hint !== undefined && hint.subject === session.subject && hint.sessionId === session.handle
}

async function ask(provider: Provider, session: Session<SignIn>, { clientId, returnTo }: Asked): Promise<Reply> {
  const secret = newSecret()
  const waiting: SignOut = {
    session: session.handle,
    secret,
    ...(returnTo !== undefined && { returnTo }),
    ...(clientId !== undefined && { clientId }),
  }
  const request = await provider.signOuts.open(waiting)
  const account = session.subject === undefined ? undefined : await provider.accounts.find(session.subject)
  return signOutPage({
    brand: provider.brand,
    action: provider.paths.signOut,
    request,
    formToken: formTokenOf(waiting),
    formAction: returnTo === undefined ? undefined : formActionOf(returnTo),
    signedInAs: account?.claims?.email ?? account?.claims?.name ?? session.subject ?? '',
  })
}

async function signOut(provider: Provider, req: RequestView, subject: string, asked: Asked): Promise<Reply> {
  const headers = await provider.sessions.end(req)
  signedOutEvent.publish({ subject, clientId: asked.clientId }, { request: req, clock: provider.clock })
  const reply = leave(provider, asked.returnTo)
  return { ...reply, headers: [...(reply.headers ?? []), ...headers] }
}

function leave({ brand }: Provider, returnTo: string | undefined): Reply {
  return returnTo === undefined ? signedOutPage(brand) : seeOther(returnTo)
}

function keyOf(id: string): string {
  return createHash('sha256').update(id).digest('base64url')
}
