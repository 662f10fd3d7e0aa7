import {
  bearer,
  createMemoryRevocationFeed,
  createRefreshTokens,
  createRevocations,
  createVerifier,
  type Revocations,
  type Verifier,
} from '@portcullis/tokens'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { authorize, claimsOf, codeOf, type Kit, kit, PKCE, post, redeem, SECRET, type TokenReply } from './kit.ts'

let it: Kit
let revocations: Revocations
let verifier: Verifier

beforeAll(async () => {
  it = await kit({
    assemble({ store, sealer, clock }) {
      revocations = createRevocations({ feed: createMemoryRevocationFeed({ clock }), clock })
      return { revocations, refreshTokens: createRefreshTokens({ store, sealer, clock, revocations }) }
    },
  })
  await revocations.start()
  verifier = createVerifier({
    issuer: it.url,
    audience: `${it.url}/api`,
    keys: it.ring.keys,
    revocations,
    clock: it.clock,
  })
})
afterAll(async () => {
  await revocations.close()
  await it.close()
})

async function verdict(reply: TokenReply): Promise<string> {
  const result = await verifier.verify(reply.body['access_token'] ?? '')
  return result.ok ? 'accepted' : result.reason.code
}

function revoke(token: string | undefined, form: Record<string, string> = { client_id: 'web' }): Promise<TokenReply> {
  return post(it, { token, ...form }, { path: it.server.paths.revocation })
}

async function userinfo(reply: TokenReply): Promise<number> {
  const headers = { authorization: `Bearer ${reply.body['access_token']}` }
  return (await fetch(`${it.url}${it.server.paths.userinfo}`, { headers })).status
}

describe('an access token', () => {
  test('names its session and its grant, so that their end is its end', async () => {
    const { body } = await redeem(it, codeOf(await authorize(it)))
    const claims = claimsOf(body['access_token'])
    expect(claims['sid']).toBe(claimsOf(body['id_token'])['sid'])
    expect(claims['grant_id']).toEqual(expect.any(String))
    // A refreshed one belongs to the same.
    const next = await post(it, { grant_type: 'refresh_token', client_id: 'web', refresh_token: body['refresh_token'] })
    expect(claimsOf(next.body['access_token'])['grant_id']).toBe(claims['grant_id'])
  })

  test('is revoked by its client (RFC 7009): refused at once, here and at userinfo', async () => {
    const reply = await redeem(it, codeOf(await authorize(it)))
    expect([await verdict(reply), await userinfo(reply)]).toEqual(['accepted', 200])
    expect((await revoke(reply.body['access_token'])).status).toBe(200)
    expect([await verdict(reply), await userinfo(reply)]).toEqual(['tokens.revoked', 401])
  })

  test("is not another client's to revoke, and the answer does not tell", async () => {
    const reply = await redeem(it, codeOf(await authorize(it)))
    const answer = await revoke(reply.body['access_token'], { client_id: 'partner', client_secret: SECRET })
    expect([answer.status, await verdict(reply)]).toEqual([200, 'accepted'])
  })

  test('that is forged, expired or of another issuer is answered 200, and remembered nowhere', async () => {
    const reply = await redeem(it, codeOf(await authorize(it)))
    const token = reply.body['access_token'] ?? ''
    const before = revocations.status().entries
    const [header, payload] = token.split('.')
    expect((await revoke(`${header}.${payload}.${'A'.repeat(86)}`)).status).toBe(200)
    expect((await revoke('a.b.c')).status).toBe(200)
    expect(revocations.status().entries).toEqual(before)
  })

  test('ends with its refresh token (RFC 7009 §2.1), and others of the person do not', async () => {
    const [one, other] = [await redeem(it, codeOf(await authorize(it))), await redeem(it, codeOf(await authorize(it)))]
    await revoke(one.body['refresh_token'])
    expect([await verdict(one), await verdict(other)]).toEqual(['tokens.revoked', 'accepted'])
  })

  test.each([
    ['with a refresh token', 'openid offline_access'],
    ['without one', 'openid'],
  ])('ends when its code is presented once more (RFC 6749 §4.1.2), %s', async (_, scope) => {
    const code = codeOf(await authorize(it, { scope }))
    const reply = await redeem(it, code)
    expect(await verdict(reply)).toBe('accepted')
    expect((await redeem(it, code)).body['error']).toBe('invalid_grant')
    expect(await verdict(reply)).toBe('tokens.revoked')
  })

  test('ends when its refresh token is used again by somebody (RFC 9700 §4.14.2)', async () => {
    const first = await redeem(it, codeOf(await authorize(it)))
    const form = { grant_type: 'refresh_token', client_id: 'web', refresh_token: first.body['refresh_token'] }
    const second = await post(it, form)
    it.clock.forward(60)
    expect((await post(it, form)).body['error']).toBe('invalid_grant')
    expect([await verdict(first), await verdict(second)]).toEqual(['tokens.revoked', 'tokens.revoked'])
  })

  test('of a client itself is revoked by that client', async () => {
    const basic = `partner:${SECRET}`
    const reply = await post(it, { grant_type: 'client_credentials' }, { basic })
    await post(it, { token: reply.body['access_token'] }, { basic, path: it.server.paths.revocation })
    expect(await verdict(reply)).toBe('tokens.revoked')
  })
})

test('a server without revocations says that an access token can not be called back', async () => {
  const plain = await kit()
  const reply = await redeem(plain, codeOf(await authorize(plain)))
  const form = { token: reply.body['access_token'], client_id: 'web' }
  const answer = await post(plain, form, { path: plain.server.paths.revocation })
  expect([answer.status, answer.body['error']]).toEqual([400, 'unsupported_token_type'])
  await plain.close()
})

test('while the feed is lost, nothing passes that nobody can vouch for', async () => {
  const lost = createRevocations({ feed: createMemoryRevocationFeed({ clock: it.clock }), clock: it.clock })
  const guard = bearer({
    verifier: createVerifier({
      issuer: it.url,
      audience: `${it.url}/api`,
      keys: it.ring.keys,
      revocations: lost,
      clock: it.clock,
    }),
  })
  const reply = await redeem(it, codeOf(await authorize(it)), { code_verifier: PKCE.verifier })
  const decision = await guard({
    method: 'GET',
    target: '/api/me',
    headers: { authorization: `Bearer ${reply.body['access_token']}` },
    client: { ip: '192.0.2.1', secure: true, host: 'api.example' },
    socket: undefined,
    route: undefined,
    body: () => Promise.reject(new TypeError('a guard reads no body')),
    signal: new AbortController().signal,
  })
  expect(decision.type === 'reply' && decision.reply.status).toBe(503)
})
