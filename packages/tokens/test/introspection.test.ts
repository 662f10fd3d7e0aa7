import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { subscribe } from '@portcullis/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  bearer,
  createIntrospectionVerifier,
  createOpaqueTokens,
  type IntrospectionReasonCode,
  type IntrospectionVerifierOptions,
  type Verifier,
} from '../src/index.ts'
import { refused } from '../src/refused.ts'
import { b64, claimsOf, codeOf, manualClock, memoryStore, now, request } from './support.ts'

const issuer = 'https://login.example'
const audience = 'https://api.example'
const credentials = { clientId: 'api:1', clientSecret: 'p w/%' }

interface Question {
  readonly method: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly form: URLSearchParams
}

let clock: ReturnType<typeof manualClock>
let server: Server
let base: string
let questions: Question[]
let answer: (res: ServerResponse, form: URLSearchParams) => unknown

beforeEach(async () => {
  clock = manualClock()
  questions = []
  say(good())
  server = createServer((req, res) => {
    void (async () => {
      let body = ''
      for await (const chunk of req) body += chunk
      const form = new URLSearchParams(body)
      questions.push({ method: req.method, headers: req.headers, form })
      await answer(res, form)
    })()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

function good(changes: object = {}): Record<string, unknown> {
  const iat = Math.floor(clock.now() / 1000)
  const claims = { iss: issuer, aud: audience, sub: 'u', client_id: 'c', scope: 'a b', iat, exp: iat + 3600 }
  return { active: true, token_type: 'Bearer', ...claims, ...changes }
}

function say(body: unknown, status = 200, headers: Record<string, string> = {}): void {
  answer = (res) => {
    res.writeHead(status, { 'content-type': 'application/json', ...headers })
    res.end(typeof body === 'string' ? body : JSON.stringify(body))
  }
}

function asking(options: Partial<IntrospectionVerifierOptions> = {}): Verifier<IntrospectionReasonCode> {
  return createIntrospectionVerifier({ endpoint: `${base}/introspect`, issuer, audience, credentials, clock, ...options })
}

/** Whether a verification leads to a question. */
async function isAsked(verifier: Verifier<IntrospectionReasonCode>, token: string): Promise<boolean> {
  const before = questions.length
  await verifier.verify(token)
  return questions.length > before
}

const DOWN = { code: 'tokens.introspection_unavailable', status: 503 }

describe('the question', () => {
  it('is a form, with the token in it and our credentials in the header (RFC 7662 §2.1, RFC 6749 §2.3.1)', async () => {
    expect(codeOf(await asking().verify('token.~+/-_=='))).toBe('accepted')
    const [{ method, headers, form } = {} as Question] = questions
    expect(method).toBe('POST')
    expect(headers['content-type']).toMatch(/^application\/x-www-form-urlencoded/)
    expect([...form]).toEqual([
      ['token', 'token.~+/-_=='],
      ['token_type_hint', 'access_token'],
    ])
    expect(headers.authorization).toBe(`Basic ${Buffer.from('api%3A1:p+w%2F%25').toString('base64')}`)
  })

  it('can carry any other credentials; what gives them is asked each time', async () => {
    let count = 0
    const verifier = asking({ credentials: { authorization: async () => `Bearer own-${count++}` } })
    await verifier.verify('one')
    await verifier.verify('two')
    expect(questions.map(({ headers }) => headers.authorization)).toEqual(['Bearer own-0', 'Bearer own-1'])
  })

  it.each(['', 'Bearer a\r\nX: 1', 'Bearer sécret', undefined])(
    'is not asked with the header %j, nor is that quoted',
    async (value) => {
      const heard: unknown[] = []
      const stop = subscribe((event) => heard.push(event))
      const failure = await Promise.resolve(asking({ credentials: { authorization: () => value as never } }).verify('one')).catch(
        (error: Error) => error,
      )
      stop()
      expect(failure).toMatchObject(DOWN)
      expect(`${failure} ${(failure as Error).cause} ${JSON.stringify(heard)}`).not.toMatch(/Bearer/)
      expect(questions).toEqual([])
    },
  )

  it('is asked once for a token that comes 200 times at once, and each gets claims of its own', async () => {
    const verifier = asking()
    const results = await Promise.all(Array.from({ length: 200 }, () => verifier.verify('one')))
    expect(results.every(({ ok }) => ok)).toBe(true)
    expect(questions).toHaveLength(1)
    ;(claimsOf(results[0] as never) as { scope: string }).scope = 'admin'
    expect(claimsOf(results[1] as never)['scope']).toBe('a b')
    ;(claimsOf(now(verifier.verify('one')) as never) as { scope: string }).scope = 'admin'
    expect(claimsOf(now(verifier.verify('one')) as never)['scope']).toBe('a b')
  })

  it.each(['', 'a b', 'a\n', 'ä', 'a=b', '\0', 'a'.repeat(8193), undefined, null, 7, {}])('is not asked about %j', (token) => {
    const verifier = asking()
    expect(verifier.accepts(token as never)).toBe(false)
    expect(codeOf(now(verifier.verify(token as never)))).toMatch(/^tokens\.(malformed|too_long)$/)
    expect(questions).toEqual([])
  })

  it('is not asked about a token without the prefix, where there is one', async () => {
    const verifier = asking({ prefix: 'at_' })
    expect(codeOf(now(verifier.verify('pc_live_x')))).toBe('tokens.malformed')
    expect(codeOf(await verifier.verify('at_x'))).toBe('accepted')
  })

  it('shows no issuer a token of another, which it could use', async () => {
    const verifier = asking()
    const jwt = (claims: object): string => `${b64({ alg: 'ES256' })}.${b64(claims)}.${b64('x')}`
    expect(codeOf(now(verifier.verify(jwt({ iss: 'https://other.example' }))))).toBe('tokens.issuer_mismatch')
    expect(questions).toEqual([])
    expect(codeOf(await verifier.verify(jwt({ iss: issuer })))).toBe('accepted')
  })

  it('is asked about so many tokens at once, and no more: a flood of junk is no flood of questions', async () => {
    let waiting: (() => void)[] = []
    answer = (res) => new Promise<void>((resolve) => waiting.push(() => resolve(void res.end('{"active":false}'))))
    const verifier = asking({ maxConcurrent: 5 })
    const flood = Array.from({ length: 200 }, (_, i) => Promise.resolve(verifier.verify(`junk${i}`)).then(codeOf, (e) => e.code))
    while (waiting.length < 5) await new Promise(setImmediate)
    const release = waiting
    waiting = []
    for (const one of release) one()
    const codes = await Promise.all(flood)
    expect(questions).toHaveLength(5)
    expect(codes.filter((code) => code === 'tokens.inactive')).toHaveLength(5)
    expect(codes.filter((code) => code === DOWN.code)).toHaveLength(195)
    say(good())
    expect(codeOf(await verifier.verify('good'))).toBe('accepted')
  })
})

describe('the answer', () => {
  it.each([
    ['not active', { active: false, sub: 'u' }, 'tokens.inactive'],
    ['of another issuer', { iss: 'https://other.example' }, 'tokens.issuer_mismatch'],
    ['for another audience', { aud: 'https://other.example' }, 'tokens.audience_mismatch'],
    ['for nobody', { aud: undefined }, 'tokens.audience_mismatch'],
    ['with an audience that is none', { aud: [7, audience] }, 'tokens.audience_mismatch'],
    ['over', { exp: 1 }, 'tokens.expired'],
    ['over, as text', { exp: '9999999999' }, 'tokens.claims_malformed'],
    ['without an end', { exp: undefined }, 'tokens.claim_missing'],
    ['not good yet', { nbf: 9_999_999_999 }, 'tokens.not_active'],
    ['issued in the future', { iat: 9_999_999_999 }, 'tokens.issued_in_future'],
    ['of no type: a refresh token', { token_type: undefined }, 'tokens.type_mismatch'],
    ['of a type that is no access token', { token_type: 'refresh_token' }, 'tokens.type_mismatch'],
    ['DPoP, and no key', { token_type: 'dpop' }, 'tokens.type_mismatch'],
  ])('%s: the token is refused', async (_, changes, code) => {
    say(good(changes))
    const result = await asking().verify('one')
    expect(codeOf(result)).toBe(code)
    expect(result).toMatchObject({ answer: { error: 'invalid_token' } })
  })

  it.each([
    ['without active', good0({ active: undefined }), 200],
    ['active as text', good0({ active: 'true' }), 200],
    ['active as a number', good0({ active: 1 }), 200],
    ['no JSON', 'active', 200],
    ['an array', '[true]', 200],
    ['a member named twice', '{"active":false,"active":true}', 200],
    ['a JWT (RFC 9701)', 'eyJhbGciOiJub25lIn0.e30.', 200],
    ['401', { error: 'invalid_client' }, 401],
    ['201', good0(), 201],
    ['500', '', 500],
    ['larger than allowed', `{"active":true,"x":"${'x'.repeat(70_000)}"}`, 200],
  ])('that is none (%s) is an outage, and never a refusal', async (_, body, status) => {
    say(body, status)
    const verifier = asking()
    await expect(verifier.verify('one')).rejects.toMatchObject(DOWN)
    say(good())
    expect(codeOf(await verifier.verify('one'))).toBe('accepted')
  })

  it('leads nowhere else: a redirect is an outage', async () => {
    say('', 307, { location: `${base}/elsewhere` })
    await expect(asking().verify('one')).rejects.toMatchObject(DOWN)
    expect(questions).toHaveLength(1)
  })

  it('comes in time, or not at all', async () => {
    answer = () => undefined
    await expect(asking({ timeout: 50 }).verify('one')).rejects.toMatchObject(DOWN)
    await expect(asking({ timeout: 50, fetch: () => new Promise(() => {}) }).verify('one')).rejects.toMatchObject(DOWN)
  })

  it('may leave out the issuer, whose endpoint it is', async () => {
    say(good({ iss: undefined }))
    expect(claimsOf((await asking().verify('one')) as never)['iss']).toBe(issuer)
  })

  it('may leave out more, where that is said, and each by itself', async () => {
    const takes = async (member: 'aud' | 'exp' | 'token_type', left: object): Promise<string> => {
      say(good(left))
      return codeOf(await asking({ dangerouslyTakeWithout: [member] }).verify('one'))
    }
    expect(await takes('aud', { aud: undefined })).toBe('accepted')
    expect(await takes('exp', { exp: undefined })).toBe('accepted')
    expect(await takes('token_type', { token_type: undefined })).toBe('accepted')
    expect(await takes('aud', { aud: 'https://other.example' })).toBe('tokens.audience_mismatch')
    expect(await takes('aud', { aud: null })).toBe('tokens.audience_mismatch')
    expect(await takes('exp', { exp: 1 })).toBe('tokens.expired')
    expect(await takes('exp', { aud: undefined })).toBe('tokens.audience_mismatch')
    expect(await takes('token_type', { token_type: 'refresh_token' })).toBe('tokens.type_mismatch')
  })

  it('that names a key keeps it: bearer demands the proof', async () => {
    say(good({ token_type: 'DPoP', cnf: { jkt: 'A'.repeat(43) } }))
    const decision = await bearer({ verifier: asking() })(request({ authorization: 'Bearer one' }))
    expect(decision).toMatchObject({ type: 'reply', cause: { code: 'tokens.proof_missing' } })
  })

  it('has the claims that must be there', async () => {
    expect(codeOf(await asking({ requiredClaims: ['tenant'] }).verify('one'))).toBe('tokens.claim_missing')
  })
})

describe('an answer that is kept', () => {
  it('is used for cacheMaxAge: so long, and no longer, a revoked token passes', async () => {
    const verifier = asking()
    await verifier.verify('one')
    say({ active: false })
    clock.advance(29.999)
    expect(codeOf(now(verifier.verify('one')))).toBe('accepted')
    clock.advance(0.001)
    expect(codeOf(await verifier.verify('one'))).toBe('tokens.inactive')
    expect(questions).toHaveLength(2)
  })

  it('counts from when the question was asked: a slow answer is older than it looks', async () => {
    const verifier = asking()
    answer = (res) => {
      clock.advance(20)
      res.end(JSON.stringify(good()))
    }
    await verifier.verify('one')
    clock.advance(10)
    say({ active: false })
    expect(codeOf(await verifier.verify('one'))).toBe('tokens.inactive')
  })

  it('is never used beyond exp (fast-jwt 6.3.2: a cached token after its exp)', async () => {
    say(good({ exp: clock.now() / 1000 + 10 }))
    const verifier = asking({ clockTolerance: 0 })
    await verifier.verify('one')
    clock.advance(10)
    expect(codeOf(now(verifier.verify('one')))).toBe('tokens.expired')
  })

  it('that says inactive is kept for 10 seconds, and pushes out none that says active', async () => {
    const verifier = asking({ cacheMaxEntries: 3 })
    await verifier.verify('good')
    say({ active: false })
    for (let i = 0; i < 20; i++) await verifier.verify(`junk${i}`)
    expect(codeOf(now(verifier.verify('good')))).toBe('accepted')
    expect(codeOf(now(verifier.verify('junk19')))).toBe('tokens.inactive')
    expect(await isAsked(verifier, 'junk0')).toBe(true)
    clock.advance(10)
    expect(await isAsked(verifier, 'junk19')).toBe(true)
  })

  it('is one of so many: those kept longest go first', async () => {
    const verifier = asking({ cacheMaxEntries: 2 })
    for (const token of ['one', 'two', 'three']) await verifier.verify(token)
    expect(codeOf(now(verifier.verify('three')))).toBe('accepted')
    expect(codeOf(now(verifier.verify('two')))).toBe('accepted')
    expect(await isAsked(verifier, 'one')).toBe(true)
  })

  it('is not stretched by a clock that was set back', async () => {
    const verifier = asking()
    await verifier.verify('one')
    clock.advance(-3600)
    expect(await isAsked(verifier, 'one')).toBe(true)
  })

  it('is not used beyond its age while the endpoint is down', async () => {
    const heard: unknown[] = []
    const stop = subscribe((event) => heard.push(event))
    const verifier = asking()
    await verifier.verify('secret-token')
    say('', 503)
    expect(codeOf(now(verifier.verify('secret-token')))).toBe('accepted')
    clock.advance(30)
    await expect(verifier.verify('secret-token')).rejects.toMatchObject(DOWN)
    stop()
    expect(heard).toMatchObject([{ type: 'tokens.introspection_failed', data: { endpoint: `${base}/introspect` } }])
    expect(JSON.stringify(heard)).not.toContain('secret-token')
  })

  it('is kept by nobody where cacheMaxAge is 0', async () => {
    const verifier = asking({ cacheMaxAge: 0 })
    await verifier.verify('one')
    await verifier.verify('one')
    expect(questions).toHaveLength(2)
  })

  it('does not keep a token from being revoked here: that is looked at each time', async () => {
    let revoked = false
    const against = refused('tokens.revoked', 'revoked')
    const verifier = asking({ revocations: { check: () => (revoked ? against : undefined) } })
    expect(codeOf(await verifier.verify('one'))).toBe('accepted')
    revoked = true
    expect(codeOf(now(verifier.verify('one')))).toBe('tokens.revoked')
  })

  it('is for one verifier: a hit skips no check of a stricter one (lua-resty-openidc 1.9.0)', async () => {
    await asking().verify('one')
    const strict = asking({ audience: 'https://other.example' })
    expect(codeOf(await strict.verify('one'))).toBe('tokens.audience_mismatch')
    expect(questions).toHaveLength(2)
  })

  it('is for one token: two never share it (fast-jwt CVE-2026-35039)', async () => {
    answer = (res, form) => res.end(JSON.stringify(good({ sub: form.get('token') })))
    const verifier = asking()
    for (const token of ['a', 'A', 'a=', 'a.', 'aa']) {
      expect(claimsOf((await verifier.verify(token)) as never)['sub']).toBe(token)
      expect(claimsOf(now(verifier.verify(token)) as never)['sub']).toBe(token)
    }
  })
})

describe('options', () => {
  it.each([
    ['endpoint', ['', 'http://login.example/introspect', 'https://u:p@login.example/', undefined]],
    ['issuer', ['', undefined]],
    ['audience', ['', [], undefined]],
    ['credentials', [undefined, {}, { clientId: 'a' }, { clientId: '', clientSecret: 'x' }, { clientId: 'a', clientSecret: '' }]],
    ['cacheMaxAge', [-1, 301, Number.NaN, Number.POSITIVE_INFINITY]],
    ['cacheMaxEntries', [0, 1.5, Number.NaN, Number.POSITIVE_INFINITY]],
    ['timeout', [0, Number.NaN, 60_001]],
    ['maxBytes', [0, Number.NaN, Number.POSITIVE_INFINITY]],
    ['maxConcurrent', [0, Number.NaN, Number.POSITIVE_INFINITY]],
    ['maxLength', [0, Number.NaN, Number.POSITIVE_INFINITY]],
    ['clockTolerance', [-1, 301, Number.NaN]],
    ['prefix', ['']],
  ] as [keyof IntrospectionVerifierOptions, unknown[]][])('%s', (name, values) => {
    for (const value of values) {
      expect(() => asking({ [name]: value }), String(value)).toThrow(expect.objectContaining({ code: 'tokens.options_invalid' }))
    }
  })
})

describe('our own tokens through an endpoint', () => {
  it('are good until they are revoked, and an answer is too old', async () => {
    const tokens = createOpaqueTokens({ store: memoryStore(clock), issuer, audience, clock })
    answer = async (res, form) => res.end(JSON.stringify(await tokens.introspect(form.get('token') ?? '', { audience })))
    const verifier = asking({ prefix: 'at_' })
    const { token, jti } = await tokens.accessToken({ subject: 'u', clientId: 'c', audience, scopes: ['a'] })
    expect(claimsOf((await verifier.verify(token)) as never)).toMatchObject({ jti, sub: 'u', scope: 'a' })
    await tokens.revoke(token, { clientId: 'c' })
    clock.advance(30)
    expect(codeOf(await verifier.verify(token))).toBe('tokens.inactive')
  })
})

/** As `good`, before there is a clock. */
function good0(changes: object = {}): Record<string, unknown> {
  return { active: true, token_type: 'Bearer', iss: issuer, aud: audience, exp: 9_999_999_999, ...changes }
}
