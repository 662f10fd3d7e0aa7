import { type Clock, type EndpointRoute, open, parseForm, type Reply, type RequestView, type Store } from '@portcullis/core'
import { html, page } from '@portcullis/oauth/pages'
import { createSessions, type Sessions } from '@portcullis/sessions'
import * as oidc from 'openid-client'

/** What the web page remembers of a visitor: a sign-in that is under way, or who has signed in. Never a token. */
type Visit = {
  readonly pending?: {
    readonly verifier: string
    readonly state: string
    readonly nonce: string
    /** Where to go on after it: a path here. Without one the token is shown. */
    readonly returnTo?: string
  }
  readonly name?: string
}

/** Pages that a sign-in may come back to. */
const returns: readonly string[] = ['/account', '/account/people']

const scope = 'openid profile offline_access invoice:read invoice:create invoice:update invoice:refund audit:read'

/**
 * The web page: an OpenID client like any other (`ledger-web`), that happens to be served from the same host. It is here to show
 * what is here, and to give somebody with a browser a token to try the API with.
 */
export function webEndpoints({
  publicUrl,
  store,
  clock,
}: {
  readonly publicUrl: string
  readonly store: Store
  readonly clock: Clock
}): readonly EndpointRoute[] {
  const visits: Sessions<Visit> = createSessions<Visit>({ store, cookieName: '__Host-ledger-web', clock })
  const redirectUri = `${publicUrl}/callback`
  const client = once(() =>
    // The demonstration runs on http://localhost; a production start is behind HTTPS, and its PUBLIC_URL says so.
    oidc.discovery(
      new URL(publicUrl),
      'ledger-web',
      undefined,
      oidc.None(),
      publicUrl.startsWith('http:') ? { execute: [oidc.allowInsecureRequests] } : {},
    ),
  )

  async function home(req: RequestView): Promise<Reply> {
    return homePage(publicUrl, (await visits.read(req))?.data.name)
  }

  async function signIn(req: RequestView): Promise<Reply> {
    const config = await client()
    const { return: wanted, again } = parseForm(req.target.split('?')[1] ?? '')
    // One of a list: a path out of the address would be an open redirect.
    const returnTo = returns.find((path) => path === wanted)
    const pending = {
      verifier: oidc.randomPKCECodeVerifier(),
      state: oidc.randomState(),
      nonce: oidc.randomNonce(),
      ...(returnTo !== undefined && { returnTo }),
    }
    const { headers } = await visits.start(req, { data: { pending } })
    const location = oidc.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      // The pages of one's own account need to know who it is, and no token for the API.
      scope: returnTo === undefined ? scope : 'openid profile',
      ...(again !== undefined && { prompt: 'login' }),
      code_challenge: await oidc.calculatePKCECodeChallenge(pending.verifier),
      code_challenge_method: 'S256',
      state: pending.state,
      nonce: pending.nonce,
    })
    return { status: 303, headers: [...headers, ['Location', location.href], ['Cache-Control', 'no-store']] }
  }

  async function callback(req: RequestView): Promise<Reply> {
    const pending = (await visits.read(req))?.data.pending
    if (pending === undefined) return message(400, 'This sign-in was not begun here', 'Begin again from the first page.')
    try {
      const config = await client()
      const tokens = await oidc.authorizationCodeGrant(config, new URL(req.target, publicUrl), {
        pkceCodeVerifier: pending.verifier,
        expectedState: pending.state,
        expectedNonce: pending.nonce,
        idTokenExpected: true,
      })
      const info = await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims()?.sub ?? '')
      const name = info.name ?? info.sub
      const { headers } = await visits.start(req, { data: { name } })
      if (pending.returnTo !== undefined) return { status: 303, headers: [...headers, ['Location', pending.returnTo]] }
      const reply = signedInPage(publicUrl, name, tokens.access_token, tokens.expires_in ?? 0)
      return { ...reply, headers: [...(reply.headers ?? []), ...headers] }
    } catch (error) {
      // What the server said is for the log; the visitor can only try again.
      if (!(error instanceof Error)) throw error
      return message(400, 'The sign-in did not work', 'It was refused, or took too long. Begin again from the first page.')
    }
  }

  async function signOut(req: RequestView): Promise<Reply> {
    const headers = await visits.end(req)
    const location = oidc.buildEndSessionUrl(await client(), { post_logout_redirect_uri: `${publicUrl}/` })
    return { status: 303, headers: [...headers, ['Location', location.href], ['Cache-Control', 'no-store']] }
  }

  const policy = open('the web page: an OpenID client, which signs in like any other')
  return [
    { method: 'GET', path: '/', policy: open('says what is here'), endpoint: home },
    { method: 'GET', path: '/sign-in', policy, endpoint: signIn },
    { method: 'GET', path: '/callback', policy, endpoint: callback },
    { method: 'POST', path: '/sign-out', policy, endpoint: signOut },
  ]
}

/** Asks until it works, and then never again. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | undefined
  return () => {
    asked ??= ask().catch((error: unknown) => {
      asked = undefined
      throw error
    })
    return asked
  }
}

function homePage(publicUrl: string, name: string | undefined): Reply {
  const who =
    name === undefined
      ? html`<p><a href="/sign-in">Sign in</a> as <code>ada@acme.test</code> with <code>correct-horse-ada-battery</code> and a code
from an authenticator with the secret <code>JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP</code>, or as <code>grace@acme.test</code> with
<code>correct-horse-grace-battery</code> alone.</p>`
      : html`<p>You are signed in as ${name}.</p>
<form method="post" action="/sign-out"><button class="quiet">Sign out</button></form>
<p><a href="/sign-in">Sign in again</a> for a new token, or as somebody else. <a href="/account">Your account</a>: passkeys, codes and
sessions.</p>`
  return page({
    brand: 'Portcullis',
    title: 'Ledger',
    wide: true,
    body: html`<p>A small multi-tenant invoicing API with its own authorization server. Everybody here is made up, and so is the money.</p>
${who}
<h2>From the command line</h2>
<p>A client gets a token for itself, and reads what its tenant has:</p>
<pre>${clientLines(publicUrl)}</pre>
<h2>What is here</h2>
<ul>
<li><a href="/.well-known/openid-configuration">/.well-known/openid-configuration</a>: every endpoint of the authorization server</li>
<li><a href="/.well-known/oauth-protected-resource/api">/.well-known/oauth-protected-resource/api</a>: what a client needs to know of the API</li>
<li><a href="/healthz">/healthz</a>, and under <code>/api</code>: <code>me</code>, <code>invoices</code>, <code>admin/audit</code>, <code>admin/access</code></li>
</ul>`,
  })
}

function clientLines(publicUrl: string): string {
  return `LEDGER=${publicUrl}
curl -s $LEDGER/healthz
TOKEN=$(curl -s -u ledger-partner:partner-secret-for-the-demo-only \\
  -d grant_type=client_credentials $LEDGER/oauth/token \\
  | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
curl -s -H "Authorization: Bearer $TOKEN" $LEDGER/api/invoices`
}

function signedInPage(publicUrl: string, name: string, accessToken: string, expiresIn: number): Reply {
  return page({
    brand: 'Ledger',
    title: `Signed in as ${name}`,
    wide: true,
    body: html`<p>This is your access token, good for ${String(expiresIn)} seconds. A real client would never show it.</p>
<pre>TOKEN=${accessToken}</pre>
<p>Use it:</p>
<pre>curl -s -H "Authorization: Bearer $TOKEN" ${publicUrl}/api/me
curl -s -H "Authorization: Bearer $TOKEN" ${publicUrl}/api/invoices
curl -s -H "Authorization: Bearer $TOKEN" ${publicUrl}/api/invoices/inv_globex_0001
curl -s -H "Authorization: Bearer $TOKEN" -X POST ${publicUrl}/api/invoices/inv_acme_0001/refund</pre>
<p><a href="/">Back to the first page</a></p>`,
  })
}

function message(status: number, title: string, text: string): Reply {
  return page({ brand: 'Ledger', status, title, body: html`<p>${text}</p><p><a href="/">To the first page</a></p>` })
}
