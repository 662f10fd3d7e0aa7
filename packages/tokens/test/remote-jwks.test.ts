import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { JWK } from 'jose'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  createRemoteJwks,
  createTokenIssuer,
  createVerifier,
  importSigner,
  jwksFailedEvent,
  jwksRefreshedEvent,
  type RemoteJwksOptions,
  type Verifier,
} from '../src/index.ts'
import { codeOf, forge, manualClock, now, type TestKey, testKey } from './support.ts'

const issuer = 'https://issuer.example'
const audience = 'https://api.example'

let one: TestKey
let two: TestKey
let server: Server
let base: string
let fetches: string[]
let answer: (req: IncomingMessage, res: ServerResponse) => void
let clock: ReturnType<typeof manualClock>

beforeAll(async () => {
  one = await testKey('ES256', 'k1')
  two = await testKey('EdDSA', 'k2')
})

beforeEach(async () => {
  clock = manualClock()
  fetches = []
  serve(one.publicJwk)
  server = createServer((req, res) => {
    fetches.push(req.url ?? '')
    answer(req, res)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

function serve(...keys: readonly JWK[]): void {
  reply(200, { keys })
}

function reply(status: number, body: unknown): void {
  answer = (_, res) => {
    res.writeHead(status, { 'content-type': 'application/json' }).end(typeof body === 'string' ? body : JSON.stringify(body))
  }
}

function remote(options: Partial<RemoteJwksOptions> = {}): Verifier {
  const keys = createRemoteJwks({ url: `${base}/jwks`, clock, ...options } as RemoteJwksOptions)
  return createVerifier({ issuer, audience, keys, clock })
}

async function tokenBy(key: TestKey, lifetime = 86_400): Promise<string> {
  const signer = await importSigner(key.privateJwk)
  const tokens = createTokenIssuer({ issuer, signer: () => signer, clock })
  return (await tokens.accessToken({ subject: 'u', audience, clientId: 'c', scopes: [], lifetime })).token
}

async function unknownKids(count: number): Promise<string[]> {
  const now = Math.floor(clock.now() / 1000)
  const claims = { iss: issuer, aud: audience, sub: 'u', client_id: 'c', jti: 'j', iat: now, exp: now + 60 }
  return Array.from({ length: count }, (_, i) =>
    forge({ alg: 'ES256', typ: 'at+jwt', kid: `invented-${i}` }, claims, () => Buffer.alloc(64)),
  )
}

describe('keys of an issuer elsewhere', () => {
  it('are fetched once for any number of tokens at once, and then answer synchronously', async () => {
    const verifier = remote()
    const token = await tokenBy(one)
    const results = await Promise.all(Array.from({ length: 200 }, () => verifier.verify(token)))
    expect(results.every((result) => result.ok)).toBe(true)
    expect(codeOf(now(verifier.verify(token)))).toBe('accepted')
    expect(fetches).toEqual(['/jwks'])
  })

  it("leave out what can't or must not be used, and say why", async () => {
    const heard: unknown[] = []
    const stop = jwksRefreshedEvent.subscribe(({ data }) => heard.push(data.ignored))
    serve(
      { ...one.publicJwk, kid: 'enc', use: 'enc' },
      { kty: 'oct', k: 'AAAA', alg: 'HS256', kid: 'secret' },
      { ...one.privateJwk, kid: 'private' },
      { kty: 'future' },
      { ...one.publicJwk, kid: 'twice' },
      { ...two.publicJwk, kid: 'twice' },
      null as never,
      one.publicJwk,
    )
    const verifier = remote()
    expect(codeOf(await verifier.verify(await tokenBy(one)))).toBe('accepted')
    expect(codeOf(await verifier.verify(await tokenBy({ ...two, privateJwk: { ...two.privateJwk, kid: 'twice' } })))).toBe(
      'tokens.key_unknown',
    )
    stop()
    expect(heard).toEqual([
      [
        'tokens.key_use',
        'tokens.key_symmetric',
        'tokens.key_private',
        'tokens.key_unsupported',
        'tokens.key_malformed',
        'tokens.key_id_duplicate',
      ],
    ])
  })
})

describe('unknown kids (jwks-rsa #49)', () => {
  it('10,000 verifications with 1,000 unknown kids cause at most 2 fetches', async () => {
    const verifier = remote()
    const good = await tokenBy(one)
    const flood = await unknownKids(1000)
    const work = Array.from({ length: 10_000 }, (_, i) => verifier.verify(i % 10 === 0 ? good : flood[i % 1000]!))
    const codes = (await Promise.all(work)).map(codeOf)
    expect(codes.filter((code) => code === 'accepted')).toHaveLength(1000)
    expect(fetches.length).toBeLessThanOrEqual(2)
  })

  it('a flood after the keys are there waits for nothing more than one fetch', async () => {
    const verifier = remote({ cooldown: 30 })
    const good = await tokenBy(one)
    await verifier.verify(good)
    clock.advance(30)
    for (let round = 0; round < 3; round++) {
      await Promise.all((await unknownKids(1000)).map((token) => verifier.verify(token)))
    }
    expect(fetches).toHaveLength(2)
    expect(codeOf(now(verifier.verify(good)))).toBe('accepted')
  })

  it('one fetch for each cooldown finds a key that came by rotation', async () => {
    const verifier = remote({ cooldown: 30 })
    await verifier.verify(await tokenBy(one))
    serve(one.publicJwk, two.publicJwk)
    const token = await tokenBy(two)
    expect(codeOf(now(verifier.verify(token)))).toBe('tokens.key_unknown')
    clock.advance(29)
    expect(codeOf(now(verifier.verify(token)))).toBe('tokens.key_unknown')
    clock.advance(1)
    expect(codeOf(await verifier.verify(token))).toBe('accepted')
    expect(fetches).toHaveLength(2)
  })

  it('a failing refetch does not take away the keys that are known', async () => {
    const verifier = remote()
    const good = await tokenBy(one)
    await verifier.verify(good)
    reply(500, '')
    clock.advance(30)
    expect(codeOf(await verifier.verify(await tokenBy(two)))).toBe('tokens.key_unknown')
    expect(codeOf(now(verifier.verify(good)))).toBe('accepted')
  })
})

describe('a key that has left the set', () => {
  it('is not trusted any more, once the set is read again (get-jwks, jwkset GHSA-675f-rq2r-jw82)', async () => {
    const verifier = remote({ cacheMaxAge: 300 })
    const token = await tokenBy(one)
    expect(codeOf(await verifier.verify(token))).toBe('accepted')
    serve(two.publicJwk)
    clock.advance(299)
    expect(codeOf(now(verifier.verify(token)))).toBe('accepted')
    clock.advance(1)
    expect(codeOf(await verifier.verify(token))).toBe('tokens.key_unknown')
  })

  it('nor where the cooldown is longer than the age', async () => {
    const verifier = remote({ cacheMaxAge: 10, cooldown: 3600 })
    const token = await tokenBy(one)
    expect(codeOf(await verifier.verify(token))).toBe('accepted')
    serve(two.publicJwk)
    clock.advance(10)
    expect(codeOf(await verifier.verify(token))).toBe('tokens.key_unknown')
  })

  it('nor when none is left', async () => {
    const verifier = remote({ cacheMaxAge: 300 })
    const token = await tokenBy(one)
    await verifier.verify(token)
    serve()
    clock.advance(300)
    expect(codeOf(await verifier.verify(token))).toBe('tokens.key_unknown')
  })
})

describe('a reading again', () => {
  it('happens behind the backs of those who verify, before they would have to wait', async () => {
    const verifier = remote({ cacheMaxAge: 100, cooldown: 1 })
    const token = await tokenBy(one)
    expect(codeOf(await verifier.verify(token))).toBe('accepted')
    clock.advance(79)
    expect(codeOf(now(verifier.verify(token)))).toBe('accepted')
    expect(fetches).toHaveLength(1)
    const read = new Promise<void>((resolve) => {
      const stop = jwksRefreshedEvent.subscribe(() => {
        stop()
        resolve()
      })
    })
    clock.advance(1)
    for (let n = 0; n < 20; n++) expect(codeOf(now(verifier.verify(token)))).toBe('accepted')
    await read
    expect(fetches).toHaveLength(2)
    clock.advance(79)
    expect(codeOf(now(verifier.verify(token)))).toBe('accepted')
  })

  it('that fails is noticed by nobody, while the keys are good', async () => {
    const verifier = remote({ cacheMaxAge: 100, cooldown: 1 })
    const token = await tokenBy(one)
    expect(codeOf(await verifier.verify(token))).toBe('accepted')
    reply(500, '')
    const failed = new Promise<void>((resolve) => {
      const stop = jwksFailedEvent.subscribe(() => {
        stop()
        resolve()
      })
    })
    clock.advance(90)
    expect(codeOf(now(verifier.verify(token)))).toBe('accepted')
    await failed
    expect(codeOf(now(verifier.verify(token)))).toBe('accepted')
  })

  it('keeps the keys that have not changed, and gives up those that have gone', async () => {
    serve(one.publicJwk, two.publicJwk)
    const keys = createRemoteJwks({ url: `${base}/jwks`, clock })
    const before = [await keys.find({ kid: 'k1', alg: 'ES256' }), await keys.find({ kid: 'k2', alg: 'EdDSA' })]
    serve(one.publicJwk)
    await keys.load()
    expect(before).not.toContain(undefined)
    expect(await keys.find({ kid: 'k1', alg: 'ES256' })).toBe(before[0])
    expect(await keys.find({ kid: 'k2', alg: 'EdDSA' })).toBeUndefined()
    // Another key under the same name is another key.
    serve({ ...(await testKey('ES256', 'k1')).publicJwk })
    await keys.load()
    expect(await keys.find({ kid: 'k1', alg: 'ES256' })).not.toBe(before[0])
  })
})

describe('an issuer that does not answer', () => {
  it('is borne with the keys from before, up to a hard bound', async () => {
    const heard: boolean[] = []
    const stop = jwksFailedEvent.subscribe(({ data }) => heard.push(data.stale))
    const verifier = remote({ cacheMaxAge: 300, staleIfError: 600, cooldown: 30 })
    const token = await tokenBy(one)
    await verifier.verify(token)
    reply(503, '')
    clock.advance(300)
    expect(codeOf(await verifier.verify(token))).toBe('accepted')
    // Within the cooldown nobody asks again.
    for (let i = 0; i < 100; i++) expect(codeOf(now(verifier.verify(token)))).toBe('accepted')
    expect(fetches).toHaveLength(2)

    clock.advance(599)
    expect(codeOf(await verifier.verify(token))).toBe('accepted')
    clock.advance(1)
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'tokens.keys_unavailable', status: 503 })
    stop()
    expect(heard).toEqual([true, true])

    serve(one.publicJwk)
    clock.advance(30)
    expect(codeOf(await verifier.verify(token))).toBe('accepted')
  })

  it('from the start is an error, and is asked once for each cooldown', async () => {
    reply(500, '')
    const verifier = remote()
    const token = await tokenBy(one)
    for (let i = 0; i < 20; i++) {
      await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'tokens.keys_unavailable', status: 503 })
    }
    expect(fetches).toHaveLength(1)
  })

  it('has a deadline, also in the middle of an answer, and also with a fetch that ignores its signal', async () => {
    answer = () => {}
    const token = await tokenBy(one)
    await expect(remote({ timeout: 50 }).verify(token)).rejects.toMatchObject({ message: 'no answer within 50 ms' })
    answer = (_, res) => {
      res.writeHead(200).write('{"keys":[')
    }
    await expect(remote({ timeout: 50 }).verify(token)).rejects.toMatchObject({ message: 'no answer within 50 ms' })
    const deaf = remote({ timeout: 50, fetch: () => new Promise(() => {}) })
    await expect(deaf.verify(token)).rejects.toMatchObject({ message: 'no answer within 50 ms' })
  })
})

describe('an answer', () => {
  it.each([
    ['too large', () => reply(200, { keys: [], filler: 'x'.repeat(300_000) }), /more than 262144 bytes/],
    ['without end', () => streamForever(), /more than 262144 bytes/],
    ['a redirect', () => redirect(), /./],
    ['not JSON', () => reply(200, '<html>'), /not a JSON object/],
    ['with a member twice', () => reply(200, '{"keys":[],"keys":[]}'), /not a JSON object/],
    ['not a set', () => reply(200, { keys: {} }), /not a key set/],
    ['with too many keys', () => reply(200, { keys: Array.from({ length: 101 }, () => ({})) }), /not a key set/],
    ['of an error', () => reply(404, { keys: [one.publicJwk] }), /status 404/],
  ])('%s is refused', async (_, prepare, message) => {
    prepare()
    await expect(remote().verify(await tokenBy(one))).rejects.toThrow(message)
    expect(fetches).toEqual(['/jwks'])
  })
})

describe('a URL', () => {
  it.each([
    'http://issuer.example/jwks',
    'http://127.0.0.1.evil.example/jwks',
    'http://localhost.evil.example/jwks',
    'file:///etc/passwd',
    'data:application/json,{}',
    'https://user:secret@issuer.example/jwks',
    'https://issuer.example/jwks#x',
    'jwks',
    '',
  ])('%s is refused', (url) => {
    expect(() => createRemoteJwks({ url })).toThrow(expect.objectContaining({ code: 'tokens.options_invalid' }))
  })

  it.each(['https://issuer.example/jwks', 'http://localhost:3000/jwks', 'http://[::1]:3000/jwks'])('%s is taken', (url) => {
    expect(createRemoteJwks({ url }).kind).toBe('asymmetric')
  })

  it('an issuer with a query is refused', () => {
    expect(() => createRemoteJwks({ issuer: 'https://a.example/?tenant=1' })).toThrow('issuer has a query')
  })

  it.each([{}, { url: 'https://a.example', issuer: 'https://a.example' }])('%j is refused', (options) => {
    expect(() => createRemoteJwks(options as never)).toThrow('either url or issuer')
  })

  it.each([{ cacheMaxAge: 0 }, { cooldown: 0 }, { timeout: Number.NaN }, { staleIfError: -1 }, { maxBytes: 1.5 }])(
    '%j is a mistake',
    (options) => {
      expect(() => remote(options)).toThrow(expect.objectContaining({ code: 'tokens.options_invalid' }))
    },
  )
})

describe('discovery', () => {
  function metadata(document: object): void {
    answer = (req, res) => {
      const isMetadata = req.url?.endsWith('/.well-known/openid-configuration')
      res.end(JSON.stringify(isMetadata ? document : { keys: [one.publicJwk] }))
    }
  }

  it('finds the key set through the issuer, once', async () => {
    metadata({ issuer: base, jwks_uri: `${base}/keys` })
    const verifier = remote({ url: undefined as never, issuer: base, cacheMaxAge: 300 })
    expect(codeOf(await verifier.verify(await tokenBy(one)))).toBe('accepted')
    clock.advance(300)
    expect(codeOf(await verifier.verify(await tokenBy(one)))).toBe('accepted')
    expect(fetches).toEqual(['/.well-known/openid-configuration', '/keys', '/keys'])
  })

  it.each([
    ['', '/.well-known/oauth-authorization-server'],
    ['/tenants/acme', '/.well-known/oauth-authorization-server/tenants/acme'],
  ])(
    'finds that of an OAuth server at "%s" before its path (RFC 8414 §3.1), and pins the issuer as well',
    async (path, where) => {
      const named = `${base}${path}`
      answer = (req, res) => {
        const document = req.url === where ? { issuer: named, jwks_uri: `${base}/keys` } : { keys: [one.publicJwk] }
        res.end(JSON.stringify(document))
      }
      const oauth = { url: undefined as never, issuer: named, metadata: 'oauth' } as const
      expect(codeOf(await remote(oauth).verify(await tokenBy(one)))).toBe('accepted')
      expect(fetches).toEqual([where, '/keys'])
      answer = (_, res) => res.end(JSON.stringify({ issuer: 'https://evil.example', jwks_uri: `${base}/keys` }))
      await expect(remote(oauth).verify(await tokenBy(one))).rejects.toMatchObject({ code: 'tokens.keys_unavailable' })
    },
  )

  it.each([
    ['of another issuer', () => ({ issuer: 'https://evil.example', jwks_uri: `${base}/keys` }), 'another issuer'],
    ['of the issuer but for a slash', () => ({ issuer: `${base}/`, jwks_uri: `${base}/keys` }), 'another issuer'],
    ['that names no key set', () => ({ issuer: base }), 'jwks_uri is not a URL'],
    ['with a key set without TLS', () => ({ issuer: base, jwks_uri: 'http://evil.example/k' }), 'jwks_uri is not an https: URL'],
  ])('refuses metadata %s', async (_, document, message) => {
    metadata(document())
    const verifier = remote({ url: undefined as never, issuer: base })
    const expected = { code: 'tokens.keys_unavailable', message: expect.stringContaining(message) }
    await expect(verifier.verify(await tokenBy(one))).rejects.toMatchObject(expected)
    expect(fetches).toEqual(['/.well-known/openid-configuration'])
  })
})

it('an issuer elsewhere can not send us to what listens on this machine alone', async () => {
  const asked: string[] = []
  const fetch = async (url: string): Promise<Response> => {
    asked.push(url)
    return Response.json({ issuer, jwks_uri: 'http://127.0.0.1:6379/keys' })
  }
  const verifier = remote({ url: undefined as never, issuer, fetch })
  await expect(verifier.verify(await tokenBy(one))).rejects.toMatchObject({ code: 'tokens.keys_unavailable' })
  expect(asked).toEqual([`${issuer}/.well-known/openid-configuration`])
})

describe('two issuers', () => {
  it('share nothing: a key of one verifies nothing of the other, kid or no kid (get-jwks before 11.0.2)', async () => {
    const evil = await testKey('ES256', 'k1')
    answer = (req, res) => res.end(JSON.stringify({ keys: [req.url === '/evil' ? evil.publicJwk : one.publicJwk] }))
    const honest = remote()
    const other = remote({ url: `${base}/evil` })
    const forged = await tokenBy(evil)
    expect(codeOf(await other.verify(forged))).toBe('accepted')
    expect(codeOf(await honest.verify(forged))).toBe('tokens.signature_invalid')
    expect(codeOf(await honest.verify(await tokenBy(one)))).toBe('accepted')
  })
})

function streamForever(): void {
  answer = (_, res) => {
    const more = (): void => {
      while (!res.destroyed && res.write('x'.repeat(65_536)));
      if (!res.destroyed) res.once('drain', more)
    }
    res.writeHead(200)
    more()
  }
}

function redirect(): void {
  answer = (req, res) => {
    if (req.url === '/jwks') res.writeHead(302, { location: '/elsewhere' }).end()
    else res.end(JSON.stringify({ keys: [one.publicJwk] }))
  }
}
