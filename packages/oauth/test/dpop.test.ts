import { generateKeyPairSync } from 'node:crypto'
import { createDpopNonces, createDpopProver, createDpopVerifier, type DpopProver } from '@portcullis/tokens'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hashClientSecret } from '../src/index.ts'
import { authorize, claimsOf, codeOf, type Kit, kit, type Parts, post, redeem, SECRET, type TokenReply } from './kit.ts'

let it: Kit
let withNonces: Kit
let key: DpopProver
let thief: DpopProver

async function prover(): Promise<DpopProver> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return createDpopProver({ privateJwk: privateKey.export({ format: 'jwk' }) })
}

beforeAll(async () => {
  it = await kit({ assemble: ({ url, store, clock }: Parts) => ({ dpop: createDpopVerifier({ store, origin: url, clock }) }) })
  withNonces = await kit({
    assemble: ({ url, store, sealer, clock }) => ({
      dpop: createDpopVerifier({ store, origin: url, clock, nonces: createDpopNonces({ sealer, clock }) }),
    }),
  })
  key = await prover()
  thief = await prover()
})
afterAll(async () => {
  await it.close()
  await withNonces.close()
})

function proofBy(one: DpopProver, of: Kit = it): Promise<string> {
  return one.proof({ method: 'POST', url: `${of.url}${of.server.paths.token}` })
}

async function bound(parameters: Record<string, string> = {}): Promise<TokenReply> {
  const code = codeOf(await authorize(it, parameters))
  return redeem(it, code, {}, { proof: await proofBy(key) })
}

function refresh(token: string | undefined, proof?: string): Promise<TokenReply> {
  const form = { grant_type: 'refresh_token', client_id: 'web', refresh_token: token }
  return post(it, form, proof === undefined ? {} : { proof })
}

describe('a client that proves to hold a key (RFC 9449 §5)', () => {
  test('gets a token that is bound to it, and says so', async () => {
    const reply = await bound()
    expect([reply.status, reply.body['token_type']]).toEqual([200, 'DPoP'])
    expect(claimsOf(reply.body['access_token'])['cnf']).toEqual({ jkt: key.jkt })
  })

  test('that can not authenticate refreshes with that key alone, and whoever stole the token ends nothing', async () => {
    const { body } = await bound()
    const stolen = body['refresh_token']
    for (const proof of [undefined, await proofBy(thief)]) {
      const reply = await refresh(stolen, proof)
      expect([reply.status, reply.body['error']]).toEqual([400, 'invalid_grant'])
    }
    const reply = await refresh(stolen, await proofBy(key))
    expect([reply.status, reply.body['token_type']]).toEqual([200, 'DPoP'])
    expect(claimsOf(reply.body['access_token'])['cnf']).toEqual({ jkt: key.jkt })
  })

  test('that authenticates itself may change its key', async () => {
    const basic = `partner:${SECRET}`
    const code = codeOf(await authorize(it, { client_id: 'partner' }))
    const first = await redeem(it, code, { client_id: undefined }, { basic, proof: await proofBy(key) })
    const form = { grant_type: 'refresh_token', refresh_token: first.body['refresh_token'] }
    const second = await post(it, form, { basic, proof: await proofBy(thief) })
    expect(claimsOf(second.body['access_token'])['cnf']).toEqual({ jkt: thief.jkt })
  })

  test('for itself', async () => {
    const reply = await post(it, { grant_type: 'client_credentials' }, { basic: `partner:${SECRET}`, proof: await proofBy(key) })
    expect(claimsOf(reply.body['access_token'])['cnf']).toEqual({ jkt: key.jkt })
  })

  test('and uses the token at userinfo with a proof, and not without', async () => {
    const token = (await bound()).body['access_token'] ?? ''
    const url = `${it.url}${it.server.paths.userinfo}`
    const ask = (headers: Record<string, string>): Promise<Response> => fetch(url, { headers })
    expect((await ask({ authorization: `Bearer ${token}` })).status).toBe(401)
    const proof = await key.proof({ method: 'GET', url, accessToken: token })
    expect((await ask({ authorization: `DPoP ${token}`, dpop: proof })).status).toBe(200)
    expect((await ask({ authorization: `DPoP ${token}`, dpop: proof })).status).toBe(401)
  })
})

describe('a code', () => {
  test('that was asked for with a key is for the holder of that key (RFC 9449 §10)', async () => {
    const code = codeOf(await authorize(it, { dpop_jkt: key.jkt }))
    for (const options of [{}, { proof: await proofBy(thief) }]) {
      const reply = await redeem(it, code, {}, options)
      expect([reply.status, reply.body['error']]).toEqual([400, 'invalid_grant'])
    }
    // Nor was it used up by them.
    expect((await redeem(it, code, {}, { proof: await proofBy(key) })).status).toBe(200)
  })

  test('is not used up by a proof that is refused, or lacks a nonce', async () => {
    const code = codeOf(await authorize(withNonces))
    const without = await redeem(withNonces, code, {}, { proof: await proofBy(key, withNonces) })
    expect([without.status, without.body['error']]).toEqual([400, 'use_dpop_nonce'])
    const nonce = without.headers.get('dpop-nonce') ?? ''
    const url = `${withNonces.url}${withNonces.server.paths.token}`
    const broken = await redeem(withNonces, code, {}, { proof: await thief.proof({ method: 'GET', url, nonce }) })
    expect([broken.status, broken.body['error']]).toEqual([400, 'invalid_dpop_proof'])
    const reply = await redeem(withNonces, code, {}, { proof: await key.proof({ method: 'POST', url, nonce }) })
    expect(reply.status).toBe(200)
  })
})

describe('a proof', () => {
  test('is good once', async () => {
    const proof = await proofBy(key)
    const ask = (): Promise<TokenReply> => post(it, { grant_type: 'client_credentials' }, { basic: `partner:${SECRET}`, proof })
    expect((await ask()).status).toBe(200)
    const again = await ask()
    expect([again.status, again.body['error']]).toEqual([400, 'invalid_dpop_proof'])
  })

  test('is looked at only when the client is known', async () => {
    const reply = await post(it, { grant_type: 'client_credentials' }, { basic: 'partner:wrong', proof: 'x' })
    expect([reply.status, reply.body['error']]).toEqual([401, 'invalid_client'])
  })

  test('is passed over by a server that takes none, and its answer says Bearer', async () => {
    const plain = await kit()
    const code = codeOf(await authorize(plain))
    const reply = await redeem(plain, code, {}, { proof: await proofBy(key, plain) })
    expect(reply.body['token_type']).toBe('Bearer')
    expect(claimsOf(reply.body['access_token'])).not.toHaveProperty('cnf')
    await plain.close()
  })
})

test('a client that always must send one gets nothing without (RFC 9449 §5.2)', async () => {
  const strict = await kit({
    clientList: [
      {
        clientId: 'strict',
        name: 'Strict',
        kind: 'confidential',
        authentication: ['client_secret_post'],
        secretHashes: [hashClientSecret(SECRET)],
        grants: ['client_credentials'],
        clientCredentialsScopes: ['invoice:read'],
        dpopBoundAccessTokens: true,
      },
    ],
    assemble: ({ url, store, clock }) => ({ dpop: createDpopVerifier({ store, origin: url, clock }) }),
  })
  const form = { grant_type: 'client_credentials', client_id: 'strict', client_secret: SECRET }
  const without = await post(strict, form)
  expect([without.status, without.body['error']]).toEqual([400, 'invalid_dpop_proof'])
  expect((await post(strict, form, { proof: await proofBy(key, strict) })).status).toBe(200)
  await strict.close()
})

test('discovery says what proofs may be signed with (RFC 9449 §5.1)', async () => {
  const response = await fetch(`${it.url}/.well-known/oauth-authorization-server`)
  const metadata = (await response.json()) as Record<string, unknown>
  expect(metadata['dpop_signing_alg_values_supported']).toContain('ES256')
})
