import * as oidc from 'openid-client'
import { signIn } from '../examples/browser.mjs'

export const people = {
  ada: { username: 'ada@acme.test', password: 'correct-horse-ada-battery', totpSecret: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP' },
  grace: { username: 'grace@acme.test', password: 'correct-horse-grace-battery' },
  alan: { username: 'alan@acme.test', password: 'correct-horse-alan-battery' },
  linus: { username: 'linus@globex.test', password: 'correct-horse-linus-battery' },
} as const

export type PersonName = keyof typeof people

const allScopes = 'openid profile email offline_access invoice:read invoice:create invoice:update invoice:refund audit:read'

/** What a client has after somebody signed in. */
export interface SignedIn {
  readonly config: oidc.Configuration
  readonly tokens: oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers
}

/** Signs a person in to `ledger-web` at a running Ledger, with openid-client and a walk through the pages. */
export async function signInAs(
  url: string,
  name: PersonName,
  options: { scope?: string; parameters?: Record<string, string>; cookies?: Map<string, string>; password?: string } = {},
): Promise<SignedIn> {
  const { scope = allScopes, parameters = {}, cookies = new Map<string, string>(), password = people[name].password } = options
  const config = await oidc.discovery(new URL(url), 'ledger-web', undefined, oidc.None(), {
    execute: [oidc.allowInsecureRequests],
  })
  const redirectUri = `${url}/callback`
  const verifier = oidc.randomPKCECodeVerifier()
  const state = oidc.randomState()
  const start = oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    ...parameters,
  })
  const callback = await signIn(start, { redirectUri, person: { ...people[name], password }, cookies })
  const tokens = await oidc.authorizationCodeGrant(config, callback, {
    pkceCodeVerifier: verifier,
    expectedState: state,
    idTokenExpected: scope.includes('openid'),
  })
  return { config, tokens }
}

/** Calls the API with a token. */
export async function call(
  url: string,
  token: string | undefined,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ readonly status: number; readonly headers: Headers; readonly body: any }> {
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
}
