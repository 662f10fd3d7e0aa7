import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tokenRefusedEvent } from '../src/index.ts'
import { authorize, CALLBACK, claimsOf, codeOf, type Kit, kit, post, redeem, SECRET } from './kit.ts'

let it: Kit
beforeAll(async () => {
  it = await kit()
})
afterAll(() => it.close())

const basic = `partner:${SECRET}`

describe('the token endpoint refuses, in the words of RFC 6749 §5.2', () => {
  test.each<[string, Record<string, string> | string, { basic?: string; path?: string }, number, string]>([
    ['no grant type', {}, { basic }, 400, 'invalid_request'],
    ['an unknown grant', { grant_type: 'password' }, { basic }, 400, 'unsupported_grant_type'],
    ['a grant the client does not have', { grant_type: 'client_credentials', client_id: 'web' }, {}, 400, 'unauthorized_client'],
    ['no client', { grant_type: 'client_credentials' }, {}, 401, 'invalid_client'],
    ['an unknown client', { grant_type: 'client_credentials', client_id: 'nobody' }, {}, 401, 'invalid_client'],
    ['a wrong secret', { grant_type: 'client_credentials' }, { basic: `partner:${SECRET}x` }, 401, 'invalid_client'],
    ['an empty secret', { grant_type: 'client_credentials' }, { basic: 'partner:' }, 401, 'invalid_client'],
    [
      'a confidential client without its secret',
      { grant_type: 'client_credentials', client_id: 'partner' },
      {},
      401,
      'invalid_client',
    ],
    [
      'two ways to authenticate',
      { grant_type: 'client_credentials', client_id: 'partner', client_secret: SECRET },
      { basic },
      400,
      'invalid_request',
    ],
    [
      'a public client with a secret',
      { grant_type: 'refresh_token', client_id: 'web', client_secret: 'x' },
      {},
      401,
      'invalid_client',
    ],
    ['a parameter twice', 'grant_type=client_credentials&grant_type=client_credentials', { basic }, 400, 'invalid_request'],
    [
      'a scope that it may not have for itself',
      { grant_type: 'client_credentials', scope: 'invoice:create' },
      { basic },
      400,
      'invalid_scope',
    ],
    ['a scope that there is not', { grant_type: 'client_credentials', scope: 'admin' }, { basic }, 400, 'invalid_scope'],
    [
      'a resource that there is not',
      { grant_type: 'client_credentials', resource: 'https://evil.example' },
      { basic },
      400,
      'invalid_target',
    ],
    ['a refresh token that there is not', { grant_type: 'refresh_token', refresh_token: 'x' }, { basic }, 400, 'invalid_grant'],
  ])('%s', async (_, form, options, status, error) => {
    const reply = await post(it, form, options)
    expect([reply.status, reply.body['error']]).toEqual([status, error])
    expect(reply.headers.get('cache-control')).toBe('no-store')
    expect(JSON.stringify(reply.body)).not.toContain(SECRET)
    if (status === 401 && options.basic !== undefined) expect(reply.headers.get('www-authenticate')).toMatch(/^Basic /)
  })

  test('a secret in the query string, even the right one', async () => {
    const query = `?client_id=partner&client_secret=${SECRET}`
    const reply = await post(it, { grant_type: 'client_credentials' }, { path: `${it.server.paths.token}${query}` })
    expect(reply.status).toBeGreaterThanOrEqual(400)
  })

  test('and says why in an event, without the secret', async () => {
    const events: unknown[] = []
    const stop = tokenRefusedEvent.subscribe(({ data }) => events.push(data))
    await post(it, { grant_type: 'client_credentials' }, { basic: 'partner:not-the-secret-but-somebodys' })
    stop()
    expect(events).toHaveLength(1)
    expect(JSON.stringify(events)).not.toContain('somebodys')
  })
})

describe('a refresh', () => {
  const refresh = (token: string | undefined, form: Record<string, string> = {}) =>
    post(it, { grant_type: 'refresh_token', client_id: 'web', refresh_token: token, ...form })

  test('may narrow the scope, and never widens it', async () => {
    const { body } = await redeem(it, codeOf(await authorize(it)))
    const narrow = await refresh(body['refresh_token'], { scope: 'invoice:read' })
    expect(claimsOf(narrow.body['access_token'])).toMatchObject({ scope: 'invoice:read' })
    expect(await refresh(narrow.body['refresh_token'], { scope: 'invoice:create' })).toMatchObject({
      body: { error: 'invalid_scope' },
    })
  })

  test('is for the client that it was given to', async () => {
    const { body } = await redeem(it, codeOf(await authorize(it)))
    const stolen = await post(it, { grant_type: 'refresh_token', refresh_token: body['refresh_token'] }, { basic })
    expect(stolen).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect((await refresh(body['refresh_token'])).status).toBe(200)
  })

  test('of a token that was spent long ago ends the family', async () => {
    const { body } = await redeem(it, codeOf(await authorize(it)))
    const second = await refresh(body['refresh_token'])
    it.clock.forward(61)
    expect((await refresh(body['refresh_token'])).status).toBe(400)
    expect((await refresh(second.body['refresh_token'])).status).toBe(400)
  })

  test('four at once sign nobody out (Hydra #1831 and many others)', async () => {
    const { body } = await redeem(it, codeOf(await authorize(it)))
    const replies = await Promise.all(Array.from({ length: 4 }, () => refresh(body['refresh_token'])))
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    expect(new Set(replies.map((reply) => reply.body['refresh_token'])).size).toBe(1)
  })

  test('reads the roles of now, and refuses who is gone', async () => {
    const { body } = await redeem(it, codeOf(await authorize(it)))
    const grace = it.accounts.people.get('u-grace')
    if (grace === undefined) throw new TypeError('no grace')
    it.accounts.people.set('u-grace', { ...grace, roles: ['viewer'] })
    const second = await refresh(body['refresh_token'])
    expect(claimsOf(second.body['access_token'])).toMatchObject({ roles: ['viewer'] })
    it.accounts.people.delete('u-grace')
    expect(await refresh(second.body['refresh_token'])).toMatchObject({ body: { error: 'invalid_grant' } })
    it.accounts.people.set('u-grace', grace)
    expect(await refresh(second.body['refresh_token'])).toMatchObject({ body: { error: 'invalid_grant' } })
  })
})

test('without offline_access there is no refresh token', async () => {
  const { body } = await redeem(it, codeOf(await authorize(it, { scope: 'openid invoice:read' })))
  expect(body).not.toHaveProperty('refresh_token')
})

test('an ID token is no access token: userinfo refuses it', async () => {
  const { body } = await redeem(it, codeOf(await authorize(it)))
  const ask = (token: string | undefined) =>
    fetch(`${it.url}${it.server.paths.userinfo}`, { headers: { authorization: `Bearer ${token}` } })
  expect((await ask(body['access_token'])).status).toBe(200)
  const refused = await ask(body['id_token'])
  expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, expect.stringContaining('invalid_token')])
})

test('userinfo is for tokens with openid', async () => {
  const { body } = await post(it, { grant_type: 'client_credentials' }, { basic })
  const refused = await fetch(`${it.url}${it.server.paths.userinfo}`, {
    headers: { authorization: `Bearer ${body['access_token']}` },
  })
  expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([403, expect.stringContaining('insufficient_scope')])
})

test('the code of a loopback client comes back to whatever port it asked for (RFC 8252 §7.3)', async () => {
  const answer = await authorize(it, {
    client_id: 'cli',
    redirect_uri: 'http://127.0.0.1:51004/callback',
    scope: 'invoice:read',
    nonce: undefined,
  })
  expect(answer.origin).toBe('http://127.0.0.1:51004')
  const reply = await redeem(it, codeOf(answer), { client_id: 'cli', redirect_uri: 'http://127.0.0.1:51004/callback' })
  expect(reply.status).toBe(200)
  expect((await redeem(it, codeOf(await authorize(it)), { redirect_uri: `${CALLBACK}/` })).status).toBe(400)
})
