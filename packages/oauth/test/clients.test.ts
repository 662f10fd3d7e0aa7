import * as oidc from 'openid-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { authorizeUrl, CALLBACK, claimsOf, type Kit, kit, SECRET, signIn } from './kit.ts'

let it: Kit
beforeAll(async () => {
  it = await kit()
})
afterAll(() => it.close())

const insecure = { execute: [oidc.allowInsecureRequests] }

test('openid-client discovers, signs in with PKCE, reads userinfo, and refreshes', async () => {
  const config = await oidc.discovery(new URL(it.url), 'web', undefined, oidc.None(), insecure)
  const verifier = oidc.randomPKCECodeVerifier()
  const nonce = oidc.randomNonce()
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: 'openid email invoice:read offline_access',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state: 'a state',
    nonce,
    max_age: '3600',
  })
  const consent = await signIn(it, await it.browser.get(url.href))
  const { left } = await it.browser.submit(consent, { decision: 'approve' })
  const checks = {
    pkceCodeVerifier: verifier,
    expectedState: 'a state',
    expectedNonce: nonce,
    maxAge: 3600,
    idTokenExpected: true,
  }
  const tokens = await oidc.authorizationCodeGrant(config, left as URL, checks)
  expect(tokens.scope).toBe('openid email invoice:read offline_access')
  expect(tokens.expires_in).toBe(300)
  expect(tokens.claims()).toMatchObject({ sub: 'u-grace', aud: 'web', acr: 'aal1', amr: ['pwd'], nonce })
  expect(claimsOf(tokens.access_token)).toMatchObject({
    iss: it.url,
    sub: 'u-grace',
    aud: `${it.url}/api`,
    client_id: 'web',
    tenant: 'acme',
    roles: ['accountant'],
    acr: 'aal1',
  })

  const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, 'u-grace')
  expect(userinfo).toEqual({ sub: 'u-grace', email: 'grace@acme.test', email_verified: true })

  const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token as string)
  expect(refreshed.refresh_token).not.toBe(tokens.refresh_token)
  expect(refreshed.claims()).toMatchObject({ sub: 'u-grace', auth_time: tokens.claims()?.auth_time })
  await oidc.tokenRevocation(config, refreshed.refresh_token as string)
  await expect(oidc.refreshTokenGrant(config, refreshed.refresh_token as string)).rejects.toMatchObject({
    error: 'invalid_grant',
  })
})

test.each([
  ['client_secret_basic', oidc.ClientSecretBasic(SECRET)],
  ['client_secret_post', oidc.ClientSecretPost(SECRET)],
])('openid-client gets a token for itself with %s', async (_method, authentication) => {
  const config = await oidc.discovery(new URL(it.url), 'partner', SECRET, authentication, { ...insecure, algorithm: 'oauth2' })
  const tokens = await oidc.clientCredentialsGrant(config, { scope: 'invoice:read' })
  expect(tokens.refresh_token).toBeUndefined()
  const claims = claimsOf(tokens.access_token)
  expect(claims).toMatchObject({ sub: 'partner', client_id: 'partner', scope: 'invoice:read', aud: `${it.url}/api` })
  expect(claims).not.toHaveProperty('roles')
})

test('openid-client signs out through the end-session endpoint', async () => {
  const config = await oidc.discovery(new URL(it.url), 'partner', SECRET, undefined, insecure)
  const url = oidc.buildAuthorizationUrl(config, { redirect_uri: CALLBACK, scope: 'openid', state: 's' })
  const page = await it.browser.get(url.href)
  const consent = page.text.includes('current-password') ? await signIn(it, page) : page
  const { left } = await it.browser.submit(consent, { decision: 'approve' })
  const tokens = await oidc.authorizationCodeGrant(config, left as URL, { expectedState: 's', idTokenExpected: true })
  const out = oidc.buildEndSessionUrl(config, {
    id_token_hint: tokens.id_token as string,
    post_logout_redirect_uri: 'http://localhost:3999/signed-out',
    state: 'bye',
  })
  expect((await it.browser.get(out.href)).left?.href).toBe('http://localhost:3999/signed-out?state=bye')
  expect((await it.browser.get(authorizeUrl(it))).text).toContain('current-password')
})
