import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type ApiKeys,
  bearer,
  chooseVerifier,
  createApiKeys,
  createIntrospectionVerifier,
  createKeySet,
  createOpaqueTokens,
  createRemoteJwks,
  createTokenIssuer,
  createVerifier,
  importSigner,
  importVerificationKey,
  type OpaqueTokens,
  type Verifier,
} from '../src/index.ts'
import { codeOf, forge, manualClock, memoryStore, now, request, type TestKey, testKey } from './support.ts'

const A = 'https://a.example'
const B = 'https://b.example'
const audience = 'https://api.example'

let clock: ReturnType<typeof manualClock>
let keyA: TestKey
let keyB: TestKey
let jwtA: Verifier
let jwtB: Verifier
let apiKeys: ApiKeys
let opaque: OpaqueTokens
let asked: string[]

beforeAll(async () => {
  keyA = await testKey('ES256', 'same-kid')
  keyB = await testKey('ES256', 'same-kid')
})

beforeEach(async () => {
  clock = manualClock()
  asked = []
  jwtA = watched('A', await jwtVerifier(A, keyA))
  jwtB = watched('B', await jwtVerifier(B, keyB))
  const store = memoryStore(clock)
  apiKeys = createApiKeys({ store, prefix: 'pc_live', issuer: A, audience, clock })
  opaque = createOpaqueTokens({ store, issuer: A, audience, clock })
})

async function jwtVerifier(issuer: string, { publicJwk }: TestKey): Promise<Verifier> {
  return createVerifier({ issuer, audience, keys: createKeySet([await importVerificationKey(publicJwk)]), clock })
}

function watched<Code extends string>(name: string, verifier: Verifier<Code>): Verifier<Code> {
  return {
    ...verifier,
    verify(token) {
      asked.push(name)
      return verifier.verify(token)
    },
  }
}

async function signed(issuer: string, { privateJwk }: TestKey, lifetime = 300): Promise<string> {
  const signer = await importSigner(privateJwk)
  const tokens = createTokenIssuer({ issuer, signer: () => signer, clock })
  return (await tokens.accessToken({ subject: 'u', audience, clientId: 'c', scopes: [], lifetime })).token
}

function introspection(prefix?: string): Verifier<string> {
  const credentials = { clientId: 'a', clientSecret: 'b' }
  const options = { endpoint: 'https://b.example/i', issuer: B, audience, credentials, clock }
  return createIntrospectionVerifier(prefix === undefined ? options : { ...options, prefix })
}

describe('several verifiers', () => {
  it('each decide about their own', async () => {
    const all = chooseVerifier([apiKeys, opaque, jwtA, jwtB])
    const issued = await apiKeys.issue({ subject: 'u', scopes: [], within: undefined })
    const { token } = await opaque.accessToken({ subject: 'u', clientId: 'c', audience, scopes: [] })
    for (const good of [issued.ok ? issued.key : '', token, await signed(A, keyA), await signed(B, keyB)]) {
      expect(all.accepts(good)).toBe(true)
      expect(codeOf(await all.verify(good))).toBe('accepted')
      expect(await bearer({ verifier: all })(request({ authorization: `Bearer ${good}` }))).toMatchObject({ type: 'continue' })
    }
    expect(asked.filter((_, at) => at % 2 === 0)).toEqual(['A', 'B'])
    expect(all.issuer).toBe(`${A} ${B}`)
    expect(chooseVerifier([apiKeys, jwtA]).issuer).toBe(A)
  })

  it.each(['', 'x', 'pc_test_x', 'a.b.c', undefined, null, 7, {}])('%j is nobody’s, and refused as such', (token) => {
    const all = chooseVerifier([apiKeys, opaque, jwtA, jwtB])
    expect(all.accepts(token as never)).toBe(false)
    const result = now(all.verify(token as never))
    expect(result).toMatchObject({ reason: { code: 'tokens.verifier_missing' }, answer: { error: 'invalid_token' } })
    expect(asked).toEqual([])
  })

  it('a token of an issuer that nobody knows is shown to no verifier', async () => {
    expect(codeOf(now(chooseVerifier([jwtA, jwtB]).verify(await signed('https://c.example', keyA))))).toBe(
      'tokens.verifier_missing',
    )
    expect(asked).toEqual([])
  })

  it.each([
    ['claims A, signed with the key of B, whose kid is the same', () => signed(A, keyB), 'A', 'tokens.signature_invalid'],
    ['claims B, signed with the key of A, whose kid is the same', () => signed(B, keyA), 'B', 'tokens.signature_invalid'],
    [
      'claims A, and names a kid of B alone',
      async () => signed(A, { ...keyB, privateJwk: { ...keyB.privateJwk, kid: 'of-b' } }),
      'A',
      'tokens.key_unknown',
    ],
    [
      'claims both issuers at once',
      async () => forge({ alg: 'ES256', kid: 'same-kid', typ: 'at+jwt' }, { iss: [A, B] }, () => Buffer.alloc(64)),
      undefined,
      'tokens.verifier_missing',
    ],
    [
      'claims one issuer after the other',
      async () => forge({ alg: 'ES256', typ: 'at+jwt' }, `{"iss":"${A}","iss":"${B}"}`, () => Buffer.alloc(64)),
      undefined,
      'tokens.verifier_missing',
    ],
    [
      'has expired',
      async () => {
        const old = await signed(A, keyA, 1)
        clock.advance(10)
        return old
      },
      'A',
      'tokens.expired',
    ],
  ] as const)('a token that %s is refused, and by one of them alone', async (_, make, who, code) => {
    const all = chooseVerifier([apiKeys, opaque, jwtA, jwtB])
    expect(codeOf(await all.verify(await make()))).toBe(code)
    expect(asked).toEqual(who === undefined ? [] : [who])
  })

  it('what one refuses, no laxer one is shown, nor what one has accepted (lua-resty-openidc 1.9.0)', async () => {
    const lax: Verifier<string> = { issuer: 'lax', accepts: () => true, verify: () => ({ ok: true, claims: {} as never }) }
    const all = chooseVerifier<string>([apiKeys, jwtA, watched('lax', lax)])
    expect(codeOf(await all.verify(`pc_live_${'a'.repeat(65)}`))).toBe('tokens.reference_checksum')
    expect(codeOf(await all.verify(await signed(A, keyB)))).toBe('tokens.signature_invalid')
    expect(asked).toEqual(['A'])
    const other = createVerifier({
      ...{ issuer: A, audience: 'https://other.example', clock },
      keys: createKeySet([await importVerificationKey(keyA.publicJwk)]),
    })
    const token = await signed(A, keyA)
    expect(codeOf(await all.verify(token))).toBe('accepted')
    expect(codeOf(await chooseVerifier([other]).verify(token))).toBe('tokens.audience_mismatch')
  })

  it('one that fails is no reason to ask the next', async () => {
    const broken: Verifier<string> = { ...jwtA, verify: () => Promise.reject(new Error('down')) }
    await expect(chooseVerifier<string>([broken, introspection()]).verify(await signed(A, keyA))).rejects.toThrow('down')
  })

  it('are one again', async () => {
    const all = chooseVerifier([chooseVerifier([apiKeys, jwtA]), chooseVerifier([jwtB])])
    expect(codeOf(await all.verify(await signed(B, keyB)))).toBe('accepted')
  })
})

describe('key sets of two issuers', () => {
  let server: Server
  let base: string
  let sets: Record<string, unknown[]>

  beforeEach(async () => {
    sets = { '/a': [keyA.publicJwk], '/b': [keyB.publicJwk] }
    server = createServer((req, res) => res.end(JSON.stringify({ keys: sets[req.url ?? ''] })))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })

  afterEach(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  it('never mix: a kid that one was seen with opens nothing at the other (get-jwks, jwkset GHSA-675f-rq2r-jw82)', async () => {
    const of = (issuer: string, path: string): Verifier =>
      createVerifier({ issuer, audience, keys: createRemoteJwks({ url: `${base}${path}`, clock }), clock })
    const all = chooseVerifier([of(A, '/a'), of(B, '/b')])
    for (let round = 0; round < 2; round++) {
      expect(codeOf(await all.verify(await signed(B, keyB)))).toBe('accepted')
      expect(codeOf(await all.verify(await signed(A, keyB)))).toBe('tokens.signature_invalid')
      expect(codeOf(await all.verify(await signed(A, keyA)))).toBe('accepted')
      expect(codeOf(await all.verify(await signed(B, keyA)))).toBe('tokens.signature_invalid')
    }
    sets['/a'] = [{ ...keyB.publicJwk, kid: 'planted' }]
    clock.advance(300)
    expect(codeOf(await all.verify(await signed(A, keyA)))).toBe('tokens.key_unknown')
    expect(codeOf(await all.verify(await signed(B, keyB)))).toBe('accepted')
  })
})

describe('a choice that could not be made', () => {
  it('is found when it is configured', async () => {
    const twin = await jwtVerifier(A, keyB)
    for (const verifiers of [[], undefined, [{}], [undefined], [jwtA, twin], [introspection(), jwtA], [jwtA, jwtB, jwtA]]) {
      expect(() => chooseVerifier(verifiers as never)).toThrow(expect.objectContaining({ code: 'tokens.options_invalid' }))
    }
  })

  it('is none where introspection takes what is left, or has a form of its own', async () => {
    for (const verifiers of [
      [jwtA, introspection()],
      [jwtB, introspection()],
      [introspection('b_'), jwtA, jwtB],
    ]) {
      expect(() => chooseVerifier<string>(verifiers)).not.toThrow()
    }
  })

  it('can not be made later: the list is taken as it was', () => {
    const list: Verifier<string>[] = [apiKeys]
    const all = chooseVerifier(list)
    list.push(introspection())
    expect(codeOf(now(all.verify('x')))).toBe('tokens.verifier_missing')
  })
})
