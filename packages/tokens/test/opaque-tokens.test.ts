import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Json, type Store, subscribe } from '@portcullis/core'
import * as oauth from 'oauth4webapi'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { type AccessTokenRequest, bearer, createOpaqueTokens, type OpaqueTokens, type OpaqueTokensOptions } from '../src/index.ts'
import { claimsOf, codeOf, manualClock, memoryStore, now, request } from './support.ts'

const issuer = 'https://login.example'
const audience = 'https://api.example'
const asked: AccessTokenRequest = {
  ...{ subject: 'user-1', clientId: 'web', audience, scopes: ['invoice:read', 'openid'] },
  ...{ sessionId: 's1', grantId: 'g1', tenant: 't1', amr: ['pwd'], claims: { plan: 'gold' } },
}
const jkt = createHash('sha256').update('key').digest('base64url')

let clock: ReturnType<typeof manualClock>
let store: Store
let tokens: OpaqueTokens

beforeEach(() => {
  clock = manualClock()
  store = memoryStore(clock)
  tokens = tokensOf()
})

function tokensOf(options: Partial<OpaqueTokensOptions> = {}): OpaqueTokens {
  return createOpaqueTokens({ store, issuer, audience, clock, ...options })
}

async function issue(changes: Partial<AccessTokenRequest> = {}): Promise<string> {
  return (await tokens.accessToken({ ...asked, ...changes })).token
}

describe('an opaque access token', () => {
  it('stands for the claims that a signed one would have', async () => {
    const issued = await tokens.accessToken(asked)
    const iat = clock.now() / 1000
    expect(issued).toMatchObject({ expiresIn: 300, expiresAt: clock.now() + 300_000 })
    expect(claimsOf((await tokens.verify(issued.token)) as never)).toEqual({
      ...{ iss: issuer, aud: audience, sub: 'user-1', client_id: 'web', scope: 'invoice:read openid', sid: 's1', grant_id: 'g1' },
      ...{ tenant: 't1', amr: ['pwd'], plan: 'gold', iat, exp: iat + 300, jti: issued.jti },
    })
    expect(await bearer({ verifier: tokens })(request({ authorization: `Bearer ${issued.token}` }))).toMatchObject({
      principal: { subject: 'user-1', clientId: 'web' },
    })
  })

  it('has 256 random bits, and is in the store as a hash, in events by its id', async () => {
    const heard: unknown[] = []
    const stop = subscribe((event) => heard.push(event))
    const { token, jti } = await tokens.accessToken(asked)
    await tokens.revoke(token, { clientId: 'web' })
    stop()
    expect(token).toMatch(/^at_[0-9A-Za-z]{65}$/)
    expect(token).toMatch(new RegExp(`^${tokens.pattern}$`))
    const { token: other, jti: id } = await tokens.accessToken(asked)
    const collection = store.collection<Json>({ name: 'tokens.opaque', indexes: ['grant', 'session', 'subject'] })
    const kept = JSON.stringify(await collection.get(id))
    expect(kept).toContain(createHash('sha256').update(other).digest('base64url'))
    expect(kept + JSON.stringify(heard)).not.toMatch(new RegExp(`${token.slice(20, 30)}|${other.slice(20, 30)}`))
    expect(heard).toMatchObject([
      { type: 'tokens.issued', data: { typ: 'opaque', jti, subject: 'user-1', clientId: 'web' } },
      { type: 'tokens.opaque_revoked', data: { jti, subject: 'user-1', clientId: 'web' } },
    ])
  })

  it('is over when its time is', async () => {
    const token = await issue({ lifetime: 10 })
    clock.advance(9.999)
    expect((await tokens.verify(token)).ok).toBe(true)
    clock.advance(0.001)
    expect(codeOf(await tokens.verify(token))).toBe('tokens.reference_unknown')
    const ahead = manualClock()
    const another = await issue()
    ahead.set(clock.now() + 300_000)
    expect(codeOf(await tokensOf({ clock: ahead }).verify(another))).toBe('tokens.expired')
  })

  it('for another audience or of another issuer is refused, also where the store is one', async () => {
    expect(codeOf(await tokens.verify(await issue({ audience: 'https://other.example' })))).toBe('tokens.audience_mismatch')
    expect(codeOf(await tokensOf({ issuer: 'https://other.example' }).verify(await issue()))).toBe('tokens.issuer_mismatch')
  })

  it('that is bound to a key keeps its binding: bearer refuses it without a proof', async () => {
    const token = await issue({ confirmation: { jkt } })
    expect(claimsOf((await tokens.verify(token)) as never)['cnf']).toEqual({ jkt })
    const decision = await bearer({ verifier: tokens })(request({ authorization: `Bearer ${token}` }))
    expect(decision).toMatchObject({ type: 'reply', cause: { code: 'tokens.proof_missing' } })
  })

  it.each(['', 'at_', `at_${'a'.repeat(65)}`, undefined, null, 7, {}])('%j is none', async (token) => {
    expect(codeOf(now(tokens.verify(token as never)))).toMatch(/^tokens\.reference_(malformed|checksum)$/)
    expect(await tokens.revoke(token as never, { clientId: 'web' })).toBe(false)
    expect(await tokens.introspect(token as never, { audience })).toEqual({ active: false })
  })

  it('is not issued with options or claims that a signed one would not have', async () => {
    await expect(issue({ scopes: ['a b'] })).rejects.toMatchObject({ code: 'tokens.claim_invalid' })
    await expect(issue({ claims: { iss: 'x' } })).rejects.toMatchObject({ code: 'tokens.claim_reserved' })
    await expect(issue({ lifetime: 31_536_001 })).rejects.toMatchObject({ code: 'tokens.lifetime_too_long' })
    expect(() => tokensOf({ lifetime: Number.NaN })).toThrow(expect.objectContaining({ code: 'tokens.options_invalid' }))
  })
})

describe('a revocation', () => {
  it('holds from the next look-up on, and is for the client that the token was issued to (RFC 7009 §2.1)', async () => {
    const token = await issue()
    expect(await tokens.revoke(token, { clientId: 'another' })).toBe(false)
    expect((await tokens.verify(token)).ok).toBe(true)
    expect(await tokens.revoke(token, { clientId: 'web' })).toBe(true)
    expect(codeOf(await tokens.verify(token))).toBe('tokens.reference_unknown')
    expect(await tokens.revoke(token, { clientId: 'web' })).toBe(false)
  })

  it('takes a token for any audience: the authorization server is asked, and not whom the token is for', async () => {
    expect(await tokens.revoke(await issue({ audience: 'https://other.example' }), { clientId: 'web' })).toBe(true)
  })

  it.each([
    ['revokeSubject', 'user-1', { subject: 'user-2' }],
    ['revokeSession', 's1', { sessionId: 's2' }],
    ['revokeGrant', 'g1', { grantId: 'g2' }],
  ] as const)('%s ends what belongs to it, and nothing else', async (verb, key, other) => {
    const [first, second, kept] = [await issue(), await issue(), await issue(other)]
    expect(await tokens[verb](key)).toBe(2)
    for (const token of [first, second]) expect((await tokens.verify(token)).ok).toBe(false)
    expect((await tokens.verify(kept)).ok).toBe(true)
    expect(await tokens[verb](key)).toBe(0)
  })

  it('of 200 at once, one ends the token', async () => {
    const token = await issue()
    const ended = await Promise.all(Array.from({ length: 200 }, () => tokens.revoke(token, { clientId: 'web' })))
    expect(ended.filter(Boolean)).toHaveLength(1)
  })
})

describe('introspection', () => {
  it('says what a token stands for (RFC 7662 §2.2)', async () => {
    const { token, jti } = await tokens.accessToken(asked)
    expect(await tokens.introspect(token, { audience })).toMatchObject({
      ...{ active: true, token_type: 'Bearer', iss: issuer, aud: audience, sub: 'user-1', client_id: 'web', jti },
      ...{ scope: 'invoice:read openid', exp: clock.now() / 1000 + 300 },
    })
    expect(await tokens.introspect(await issue({ confirmation: { jkt } }), { audience })).toMatchObject({
      ...{ token_type: 'DPoP', cnf: { jkt } },
    })
    expect(await tokens.introspect(await issue({ claims: { active: false, token_type: 'x' } }), { audience })).toMatchObject({
      ...{ active: true, token_type: 'Bearer' },
    })
  })

  it('says nothing but active: false about any other, be it expired, ended, invented, or for another resource (§4)', async () => {
    const over = await issue({ lifetime: 1 })
    clock.advance(1)
    const ended = await issue()
    await tokens.revoke(ended, { clientId: 'web' })
    const foreign = await issue({ audience: 'https://other.example' })
    for (const token of [over, ended, foreign, `${await issue()}x`, 'x']) {
      expect(await tokens.introspect(token, { audience })).toEqual({ active: false })
    }
    expect(await tokens.introspect(foreign, { audience: 'https://other.example' })).toMatchObject({ active: true })
    await expect(tokens.introspect(foreign, { audience: [] })).rejects.toMatchObject({ code: 'tokens.options_invalid' })
  })

  it('is understood by oauth4webapi', async () => {
    const base = await endpoint()
    const as = { issuer, introspection_endpoint: `${base}/introspect` }
    const client = { client_id: 'api' }
    const ask = async (token: string): Promise<oauth.IntrospectionResponse> => {
      const response = await oauth.introspectionRequest(as, client, oauth.ClientSecretBasic('secret'), token, {
        [oauth.allowInsecureRequests]: true,
      })
      return oauth.processIntrospectionResponse(as, client, response)
    }
    const token = await issue()
    expect(await ask(token)).toMatchObject({ active: true, sub: 'user-1', scope: 'invoice:read openid' })
    await tokens.revoke(token, { clientId: 'web' })
    expect(await ask(token)).toEqual({ active: false })
  })
})

/** The least that an introspection endpoint is. */
async function endpoint(): Promise<string> {
  const server: Server = createServer((req, res) => {
    void (async () => {
      let body = ''
      for await (const chunk of req) body += chunk
      const answer = await tokens.introspect(new URLSearchParams(body).get('token') ?? '', { audience })
      res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
    })()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
