// Signs in to a running Ledger as ada, with password and one-time code, and uses what she gets.
//   node apps/demo/examples/walkthrough.mjs [http://localhost:3000]
import * as oidc from 'openid-client'
import { signIn } from './browser.mjs'

const issuer = new URL(process.argv[2] ?? 'http://localhost:3000')
const ada = {
  username: 'ada@acme.test',
  password: 'correct-horse-ada-battery',
  totpSecret: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP',
}

// The client: authorization code with PKCE, as any OpenID client does it.
const config = await oidc.discovery(issuer, 'ledger-web', undefined, oidc.None(), { execute: [oidc.allowInsecureRequests] })
const verifier = oidc.randomPKCECodeVerifier()
const state = oidc.randomState()
const nonce = oidc.randomNonce()
const start = oidc.buildAuthorizationUrl(config, {
  redirect_uri: new URL('/callback', issuer).href,
  scope: 'openid profile offline_access invoice:read invoice:create invoice:update invoice:refund',
  code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
})
const callback = await signIn(start, { redirectUri: new URL('/callback', issuer).href, person: ada })
let tokens = await oidc.authorizationCodeGrant(config, callback, {
  pkceCodeVerifier: verifier,
  expectedState: state,
  expectedNonce: nonce,
  idTokenExpected: true,
})
say('signed in as', tokens.claims().sub, 'with', tokens.claims().acr)
say('userinfo says', (await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)).name)

tokens = await oidc.refreshTokenGrant(config, tokens.refresh_token)
say('refreshed')

const me = await call('GET', '/api/me')
say('GET /api/me', me.status, me.body.tenant, me.body.roles.join(), me.body.acr)
const invoices = await call('GET', '/api/invoices')
say('GET /api/invoices', invoices.status, `${invoices.body.items.length} invoices`)
const other = await call('GET', '/api/invoices/inv_globex_0001')
say('GET /api/invoices/inv_globex_0001', other.status, other.body.title)
const made = await call('POST', '/api/invoices', { customer: 'Walkthrough & Co', amount: 4200 })
say('POST /api/invoices', made.status, made.body.status)
const sent = await call('PATCH', `/api/invoices/${made.body.id}`, { status: 'sent' })
say('PATCH /api/invoices/…', sent.status, sent.body.status)
const refunded = await call('POST', `/api/invoices/${made.body.id}/refund`)
say('POST /api/invoices/…/refund', refunded.status, refunded.body.status)
const audit = await call('GET', '/api/admin/audit')
say('GET /api/admin/audit', audit.status, audit.headers.get('www-authenticate')?.match(/error="(\w+)"/)?.[1])

// A limit is a number that one can run into.
let calls = 0
let last = me
while (last.status !== 429 && calls < 500) {
  last = await call('GET', '/api/me')
  calls++
}
say('then', last.status, last.body.title, last.headers.has('retry-after') ? 'with Retry-After' : '')
if (last.status !== 429) process.exitCode = 1

async function call(method, path, body) {
  const response = await oidc
    .fetchProtectedResource(
      config,
      tokens.access_token,
      new URL(path, issuer),
      method,
      body && JSON.stringify(body),
      body && new Headers({ 'content-type': 'application/json' }),
    )
    .catch((error) => {
      // openid-client throws for a challenge: the answer is in it.
      if (error instanceof oidc.WWWAuthenticateChallengeError) return error.response
      throw error
    })
  return { status: response.status, headers: response.headers, body: await response.json() }
}

function say(...words) {
  process.stdout.write(`${words.filter((word) => word !== undefined && word !== '').join(' ')}\n`)
}
