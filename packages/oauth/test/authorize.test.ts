import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { authorizationRefusedEvent, codeIssuedEvent } from '../src/index.ts'
import { Browser } from './browser.ts'
import {
  authorize,
  authorizeUrl,
  CALLBACK,
  claimsOf,
  codeOf,
  GOOD_CODE,
  type Kit,
  kit,
  PKCE,
  redeem,
  SECRET,
  signIn,
} from './kit.ts'

let it: Kit
beforeAll(async () => {
  it = await kit()
})
afterAll(() => it.close())

type Parameters = Readonly<Record<string, string | undefined>>
const fresh = (): Browser => new Browser(it.url)

describe('a redirect URI that is not the registered one gets a page, and no redirect', () => {
  test.each<[string, string]>([
    ['a prefix attack', 'http://localhost:3999/callback.evil.example'],
    ['a longer path', `${CALLBACK}/more`],
    ['path traversal', 'http://localhost:3999/callback/../admin'],
    ['a suffix attack on the host', 'http://localhost:3999.evil.example/callback'],
    ['letter case in the path', 'http://localhost:3999/Callback'],
    ['letter case in the host', 'http://LOCALHOST:3999/callback'],
    ['an extra query', `${CALLBACK}?next=1`],
    ['a registered query with more behind it', 'http://localhost:3999/other?tenant=acme&x=1'],
    ['user information', 'http://localhost:3999@evil.example/callback'],
    ['a fragment', `${CALLBACK}#x`],
    ['an empty fragment', `${CALLBACK}#`],
    ['percent-encoding', 'http://localhost:3999/%63allback'],
    ['a trailing slash', `${CALLBACK}/`],
    ['another scheme', 'https://localhost:3999/callback'],
    ['another port of localhost, which is not loopback by number', 'http://localhost:4000/callback'],
    ['a backslash', 'http://localhost:3999\\@evil.example/callback'],
    ['a script', 'javascript:alert(1)//'],
    ['white space before it', ` ${CALLBACK}`],
  ])('%s', async (_attack, redirectUri) => {
    const page = await fresh().get(authorizeUrl(it, { redirect_uri: redirectUri }))
    expect(page.status).toBe(400)
    expect(page.left).toBeUndefined()
  })

  test.each<[string, Parameters, boolean]>([
    ['any port of the loopback address', { redirect_uri: 'http://127.0.0.1:51234/callback' }, true],
    ['no port', { redirect_uri: 'http://127.0.0.1/callback' }, true],
    ['IPv6 loopback', { redirect_uri: 'http://[::1]:51234/callback' }, true],
    ['another path on loopback', { redirect_uri: 'http://127.0.0.1:51234/other' }, false],
    ['a query on loopback', { redirect_uri: 'http://127.0.0.1:51234/callback?x=1' }, false],
    ['localhost in place of loopback', { redirect_uri: 'http://localhost:51234/callback' }, false],
    ['a host that begins like loopback', { redirect_uri: 'http://127.0.0.1.evil.example/callback' }, false],
    ['a user before another host', { redirect_uri: 'http://127.0.0.1:80@evil.example/callback' }, false],
    ['a port beyond all ports', { redirect_uri: 'http://127.0.0.1:99999/callback' }, false],
  ])('of a native app (RFC 8252): %s', async (_case, parameters, accepted) => {
    const page = await fresh().get(authorizeUrl(it, { client_id: 'cli', scope: 'invoice:read', ...parameters }))
    expect(page.status).toBe(accepted ? 200 : 400)
  })

  test.each<[string, Parameters]>([
    ['an unknown client', { client_id: 'nobody' }],
    ['no client', { client_id: undefined }],
    ['no redirect URI where two are registered', { redirect_uri: undefined }],
    ['a request that is far too long', { state: 'x'.repeat(9000) }],
  ])('the same for %s', async (_case, parameters) => {
    const page = await fresh().get(authorizeUrl(it, parameters))
    expect([page.status, page.left]).toEqual([400, undefined])
  })

  test.each(['client_id=web', `redirect_uri=${encodeURIComponent(CALLBACK)}`, 'state=2'])(
    'the same for a second %s',
    async (more) => {
      const page = await fresh().get(`${authorizeUrl(it)}&${more}`)
      expect([page.status, page.left]).toEqual([400, undefined])
    },
  )
})

describe('any other error goes to the client, with state and iss', () => {
  test.each<[string, Parameters, string]>([
    ['no response_type', { response_type: undefined }, 'invalid_request'],
    ['the implicit grant', { response_type: 'token' }, 'unsupported_response_type'],
    ['a hybrid flow', { response_type: 'code id_token' }, 'unsupported_response_type'],
    ['response_mode=fragment', { response_mode: 'fragment' }, 'invalid_request'],
    ['no PKCE', { code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
    ['PKCE by plain', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['PKCE without a method, which is plain', { code_challenge_method: undefined }, 'invalid_request'],
    ['a method without a challenge', { code_challenge: undefined, client_id: 'partner' }, 'invalid_request'],
    ['a challenge of the wrong length', { code_challenge: 'short' }, 'invalid_request'],
    ['an unknown scope', { scope: 'openid admin' }, 'invalid_scope'],
    [
      "another client's scope",
      { client_id: 'cli', redirect_uri: 'http://127.0.0.1:1/callback', scope: 'invoice:create' },
      'invalid_scope',
    ],
    ['no scope', { scope: undefined }, 'invalid_scope'],
    ['an unknown resource', { resource: 'https://evil.example/api' }, 'invalid_target'],
    ['prompt=none beside another', { prompt: 'none login' }, 'invalid_request'],
    ['an unknown prompt', { prompt: 'dance' }, 'invalid_request'],
    ['a negative max_age', { max_age: '-1' }, 'invalid_request'],
    ['a request object', { request: 'e30.e30.' }, 'request_not_supported'],
    ['a request URI', { request_uri: 'https://evil.example/r' }, 'request_uri_not_supported'],
    ['an id_token_hint that we did not sign', { id_token_hint: 'e30.e30.x' }, 'invalid_request'],
    ['prompt=none and nobody signed in', { prompt: 'none' }, 'login_required'],
    ['a control character', { nonce: 'a\u0000b' }, 'invalid_request'],
  ])('%s', async (_case, parameters, error) => {
    const { left, text } = await fresh().get(authorizeUrl(it, parameters))
    expect(left?.origin, text).toBe(new URL(parameters['redirect_uri'] ?? CALLBACK).origin)
    const { error_description: description, ...answer } = Object.fromEntries(left?.searchParams ?? [])
    expect(answer).toEqual({ error, state: 'state-1', iss: it.url })
    expect(description).toBeTruthy()
  })

  test('a parameter that occurs twice', async () => {
    const { left } = await fresh().get(`${authorizeUrl(it)}&scope=openid`)
    expect(left?.searchParams.get('error')).toBe('invalid_request')
  })

  test('and a query that was registered stays in front', async () => {
    const uri = 'http://localhost:3999/other?tenant=acme'
    const { left } = await fresh().get(authorizeUrl(it, { redirect_uri: uri, scope: 'admin' }))
    expect(left?.href).toMatch(/^http:\/\/localhost:3999\/other\?tenant=acme&error=invalid_scope/)
  })
})

test('the response carries iss, so that a client can tell servers apart (mix-up, RFC 9207)', async () => {
  const response = await authorize(it)
  expect(Object.fromEntries(response.searchParams)).toEqual({ code: expect.any(String), state: 'state-1', iss: it.url })
})

test('a request by POST is sent on to ask with GET, where the session cookie comes along', async () => {
  const query = new URL(authorizeUrl(it)).searchParams
  const page = await fresh().post(`${it.url}${it.server.paths.authorize}`, query)
  expect(page.hops[0]?.status).toBe(303)
  expect(page.text).toContain('current-password')
})

describe('how well and how recently', () => {
  test('a session is enough for the next client, and consent is asked again each time (ASVS 10.7.1)', async () => {
    await authorize(it)
    const page = await it.browser.get(authorizeUrl(it))
    expect(page.text).toContain('value="approve"')
  })

  test.each<Parameters>([{ prompt: 'login' }, { max_age: '0' }, { prompt: 'select_account' }])(
    '%o asks for the password again',
    async (parameters) => {
      await authorize(it)
      const page = await it.browser.get(authorizeUrl(it, parameters))
      expect(page.text).toContain('current-password')
      expect((await signIn(it, page)).text).toContain('value="approve"')
    },
  )

  test('a short max_age does not run out while the consent page is read', async () => {
    const browser = fresh()
    const consent = await signIn(it, await browser.get(authorizeUrl(it, { max_age: '5' })), 'grace', browser)
    it.clock.forward(60)
    expect((await browser.submit(consent, { decision: 'approve' })).left?.searchParams.get('code')).toMatch(/./)
  })

  test('max_age asks again once the sign-in is older', async () => {
    await authorize(it)
    expect((await it.browser.get(authorizeUrl(it, { max_age: '600' }))).text).toContain('value="approve"')
    it.clock.forward(601)
    expect((await it.browser.get(authorizeUrl(it, { max_age: '600' }))).text).toContain('current-password')
  })

  test('acr_values=aal2 gets two factors from whoever has them, and says so in the token', async () => {
    const browser = fresh()
    const consent = await signIn(it, await browser.get(authorizeUrl(it, { acr_values: 'aal2' })), 'ada', browser)
    const { left } = await browser.submit(consent, { decision: 'approve' })
    const { body } = await redeem(it, codeOf(left as URL))
    expect(claimsOf(body['id_token'])).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] })
    expect(claimsOf(body['access_token'])).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] })
  })

  test('acr_values that the person can not reach are unmet (RFC 9470 §5)', async () => {
    const browser = fresh()
    const done = await signIn(it, await browser.get(authorizeUrl(it, { acr_values: 'aal2' })), 'grace', browser)
    expect(done.left?.searchParams.get('error')).toBe('unmet_authentication_requirements')
  })

  test('acr_values that nobody can reach are unmet before anyone types a password', async () => {
    const { left } = await fresh().get(authorizeUrl(it, { acr_values: 'urn:moon' }))
    expect(left?.searchParams.get('error')).toBe('unmet_authentication_requirements')
  })

  test('a session from before the second factor was enrolled is asked for it', async () => {
    it.accounts.add({
      subject: 'u-late',
      username: 'late@acme.test',
      password: 'late-password',
      roles: [],
      factors: [{ method: 'password' }],
    })
    const browser = fresh()
    await signIn(it, await browser.get(authorizeUrl(it)), 'late', browser)
    it.accounts.add({
      subject: 'u-late',
      username: 'late@acme.test',
      password: 'late-password',
      roles: [],
      factors: [{ method: 'password' }, { method: 'totp' }],
    })
    const page = await browser.get(authorizeUrl(it))
    expect(page.text).toContain('one-time-code')
    expect(page.text).not.toContain('value="approve"')
    expect((await browser.submit(page, { code: GOOD_CODE })).text).toContain('value="approve"')
    const silent = await browser.get(authorizeUrl(it, { prompt: 'none' }))
    expect(silent.left?.searchParams.get('error')).toBe('consent_required')
  })

  test('an account that was disabled is asked to sign in, session or not, and then refused', async () => {
    const browser = fresh()
    it.accounts.add({
      subject: 'u-gone',
      username: 'gone@acme.test',
      password: 'gone-password',
      roles: [],
      factors: [{ method: 'password' }],
    })
    await signIn(it, await browser.get(authorizeUrl(it)), 'gone', browser)
    it.accounts.people.delete('u-gone')
    expect((await browser.get(authorizeUrl(it))).text).toContain('current-password')
  })
})

describe('prompt=none', () => {
  const partner = { client_id: 'partner', scope: 'openid invoice:read' }

  test('succeeds for a confidential client whose scopes were consented to, and for nothing more', async () => {
    const events: boolean[] = []
    const stop = codeIssuedEvent.subscribe((event) => events.push(event.data.interactive))
    await authorize(it, partner)
    const silent = await it.browser.get(authorizeUrl(it, { ...partner, prompt: 'none' }))
    expect(silent.left?.searchParams.get('code')).toBeTruthy()
    expect(silent.hops).toHaveLength(1)
    const more = await it.browser.get(authorizeUrl(it, { ...partner, prompt: 'none', scope: 'openid invoice:create' }))
    expect(more.left?.searchParams.get('error')).toBe('consent_required')
    expect(events).toEqual([true, false])
    stop()
  })

  test('never succeeds for a public client, whose name is anybody’s', async () => {
    await authorize(it)
    const silent = await it.browser.get(authorizeUrl(it, { prompt: 'none' }))
    expect(silent.left?.searchParams.get('error')).toBe('consent_required')
  })

  test('fails once the consent was taken back', async () => {
    await authorize(it, partner)
    expect(await it.server.consents.list('u-grace')).toContainEqual(expect.objectContaining({ clientId: 'partner' }))
    expect(await it.server.consents.revoke('u-grace', 'partner')).toBe(true)
    const silent = await it.browser.get(authorizeUrl(it, { ...partner, prompt: 'none' }))
    expect(silent.left?.searchParams.get('error')).toBe('consent_required')
  })

  test('fails when the hint names somebody else', async () => {
    const code = codeOf(await authorize(it, partner))
    const { body } = await redeem(it, code, { client_id: 'partner', client_secret: SECRET })
    const other = fresh()
    await signIn(it, await other.get(authorizeUrl(it)), 'ada', other)
    const silent = await other.get(authorizeUrl(it, { ...partner, prompt: 'none', id_token_hint: body['id_token'] }))
    expect(silent.left?.searchParams.get('error')).toBe('login_required')
  })
})

test('a hint that names somebody else asks for that person, and refuses another one', async () => {
  const { body } = await redeem(it, codeOf(await authorize(it)))
  const other = fresh()
  await signIn(it, await other.get(authorizeUrl(it)), 'ada', other)
  const page = await other.get(authorizeUrl(it, { id_token_hint: body['id_token'] }))
  expect(page.text).toContain('current-password')
  expect((await signIn(it, page, 'ada', other)).left?.searchParams.get('error')).toBe('login_required')
})

test('what was refused is an event, with the reason that the client is not told', async () => {
  const seen: object[] = []
  const stop = authorizationRefusedEvent.subscribe((event) => seen.push(event.data))
  await fresh().get(authorizeUrl(it, { redirect_uri: 'https://evil.example/' }))
  await fresh().get(authorizeUrl(it, { code_challenge_method: 'plain' }))
  stop()
  expect(seen).toEqual([
    { clientId: undefined, error: 'invalid_request', reason: 'oauth.redirect_uri_mismatch' },
    { clientId: 'web', error: 'invalid_request', reason: 'oauth.pkce_method' },
  ])
  expect(PKCE.challenge).toHaveLength(43)
})
