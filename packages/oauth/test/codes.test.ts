import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { codeReplayedEvent } from '../src/index.ts'
import { authorize, CALLBACK, codeOf, type Kit, kit, PKCE, pkce, post, redeem, SECRET } from './kit.ts'

let it: Kit
beforeAll(async () => {
  it = await kit()
})
afterAll(() => it.close())

const basic = `partner:${SECRET}`

describe('a code that somebody else can not redeem is not used up by the attempt (seen in node-oauth2-server)', () => {
  test.each<[string, (code: string) => ReturnType<typeof redeem>]>([
    [
      'another client (code injection)',
      (code) =>
        post(it, { grant_type: 'authorization_code', redirect_uri: CALLBACK, code_verifier: PKCE.verifier, code }, { basic }),
    ],
    ['no verifier (PKCE downgrade)', (code) => redeem(it, code, { code_verifier: undefined })],
    ['a wrong verifier', (code) => redeem(it, code, { code_verifier: pkce().verifier })],
    ['the challenge in place of the verifier', (code) => redeem(it, code, { code_verifier: PKCE.challenge })],
    ['another redirect URI', (code) => redeem(it, code, { redirect_uri: 'http://localhost:3999/other?tenant=acme' })],
  ])('%s', async (_, attempt) => {
    const code = codeOf(await authorize(it))
    expect(await attempt(code)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect((await redeem(it, code)).status).toBe(200)
  })

  test('a verifier where the request had no challenge: somebody took it out on the way (RFC 9700 §4.8.2)', async () => {
    const code = codeOf(
      await authorize(it, { client_id: 'partner', code_challenge: undefined, code_challenge_method: undefined }),
    )
    const form = { grant_type: 'authorization_code', redirect_uri: CALLBACK, code }
    expect(await post(it, { ...form, code_verifier: PKCE.verifier }, { basic })).toMatchObject({
      body: { error: 'invalid_grant' },
    })
    expect((await post(it, form, { basic })).status).toBe(200)
  })
})

test('ASVS 10.4.3: a code is good for a minute', async () => {
  const code = codeOf(await authorize(it))
  it.clock.forward(61)
  expect(await redeem(it, code)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
})

test('of 200 redemptions of one code at once, one wins, and what it won ends (NocoDB CVE-2026-47386)', async () => {
  const code = codeOf(await authorize(it))
  const replies = await Promise.all(Array.from({ length: 200 }, () => redeem(it, code)))
  const won = replies.filter(({ status }) => status === 200)
  expect(won).toHaveLength(1)
  expect(replies.filter(({ body }) => body['error'] === 'invalid_grant')).toHaveLength(199)
  const refresh = won[0]?.body['refresh_token']
  if (refresh !== undefined) {
    expect(await post(it, { grant_type: 'refresh_token', client_id: 'web', refresh_token: refresh })).toMatchObject({
      status: 400,
    })
  }
})

test('ASVS 10.4.2: a code that is presented again ends the refresh tokens that it led to, and says so', async () => {
  const events: unknown[] = []
  const stop = codeReplayedEvent.subscribe(({ data }) => events.push(data))
  const code = codeOf(await authorize(it))
  const first = await redeem(it, code)
  expect(await redeem(it, code)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
  stop()
  expect(
    await post(it, { grant_type: 'refresh_token', client_id: 'web', refresh_token: first.body['refresh_token'] }),
  ).toMatchObject({
    status: 400,
    body: { error: 'invalid_grant' },
  })
  expect(events).toMatchObject([{ clientId: 'web', subject: 'u-grace' }])
  expect(JSON.stringify(events)).not.toContain(code)
})

test('a replay by somebody who can not redeem the code ends nothing', async () => {
  const code = codeOf(await authorize(it))
  const first = await redeem(it, code)
  await redeem(it, code, { code_verifier: pkce().verifier })
  expect(
    (await post(it, { grant_type: 'refresh_token', client_id: 'web', refresh_token: first.body['refresh_token'] })).status,
  ).toBe(200)
})
