import { createHmac } from 'node:crypto'
import { type Collection, createMemoryStore, type Store } from '@portcullis/core'
import { describe, expect, it, vi } from 'vitest'
import { type ProofKey, ProofKeyCache } from '../src/dpop-key.ts'
import {
  createDpopNonces,
  createDpopVerifier,
  type DpopResult,
  type DpopVerifier,
  type DpopVerifierOptions,
  type PresentedProof,
} from '../src/index.ts'
import { ath, proofMaker } from './proofs.ts'
import { codeOf, manualClock, memoryStore, START, testSealer } from './support.ts'

const origin = 'https://api.example.com'
const accessToken = 'at.of-somebody'
const client = await proofMaker()
const stranger = await proofMaker()
const weak = await proofMaker('RS256')
const now = START / 1000
const good = { htm: 'GET', htu: `${origin}/invoices`, iat: now, ath: ath(accessToken) }
const request = { method: 'GET', target: '/invoices?page=2', accessToken, jkt: client.jkt }

function verifier(options: Partial<DpopVerifierOptions> = {}): DpopVerifier {
  const clock = options.clock ?? manualClock()
  return createDpopVerifier({ store: memoryStore(clock), origin, clock, ...options })
}

function present(proof: PresentedProof['proof'], over: Partial<PresentedProof> = {}, dpop = verifier()): Promise<DpopResult> {
  return dpop.verify({ ...request, proof, ...over })
}

function answerOf(result: DpopResult): string {
  return result.ok ? 'accepted' : result.answer.error
}

const RFC_HEADER =
  'eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdC' +
  'RnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19'
const RFC_JKT = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I'

describe('the examples of RFC 9449', () => {
  it.each([
    [
      '§4.1, figure 2',
      1562262616,
      'https://server.example.com',
      { method: 'POST', target: '/token' },
      `${RFC_HEADER}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg`,
    ],
    [
      '§5, figure 7',
      1562265296,
      'https://server.example.com',
      { method: 'POST', target: '/token' },
      `${RFC_HEADER}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjY1Mjk2fQ.pAqut2IRDm_De6PR93SYmGBPXpwrAk90e8cP2hjiaG5QsGSuKDYW7_X620BxqhvYC8ynrrvZLTk41mSRroapUA`,
    ],
    [
      '§7.1, figure 13, with ath and the key that the token names',
      1562262618,
      'https://resource.example.org',
      {
        method: 'GET',
        target: '/protectedresource',
        accessToken: 'Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU',
        jkt: RFC_JKT,
      },
      `${RFC_HEADER}.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA`,
    ],
  ])('%s is accepted at its time, once', async (_, iat, at, presented, proof) => {
    const dpop = verifier({ origin: at, clock: manualClock(iat * 1000) })
    expect(await dpop.verify({ ...presented, proof })).toEqual({ ok: true, jkt: RFC_JKT })
    expect(codeOf(await dpop.verify({ ...presented, proof }))).toBe('tokens.proof_replayed')
  })
})

describe('a proof is accepted', () => {
  it.each(['ES256', 'EdDSA', 'PS256', 'RS256'] as const)('%s, where it is allowed', async (alg) => {
    const other = await proofMaker(alg)
    const dpop = verifier({ algorithms: [alg] })
    const proof = other.proof(good)
    expect(await present(proof, { jkt: other.jkt }, dpop)).toEqual({ ok: true, jkt: other.jkt })
    // From the second on, the key comes out of the cache.
    expect(await present(other.proof(good), { jkt: other.jkt }, dpop)).toMatchObject({ ok: true })
    expect(codeOf(await present(`${other.proof(good).slice(0, -8)}AAAAAAAA`, { jkt: other.jkt }, dpop))).toBe(
      'tokens.proof_signature_invalid',
    )
  })

  it('without an access token and without ath, at a token endpoint: the key is what comes out', async () => {
    const proof = client.proof({ ...good, ath: undefined })
    const { accessToken: _, jkt: __, ...tokenRequest } = request
    expect(await verifier().verify({ ...tokenRequest, proof })).toEqual({ ok: true, jkt: client.jkt })
  })

  it('with claims and header parameters that nobody knows', async () => {
    expect(codeOf(await present(client.proof({ ...good, foo: 1 }, { bar: 2 })))).toBe('accepted')
  })
})

describe('a proof is refused (RFC 9449 §4.3)', () => {
  const p = client.proof
  const hs256 = (input: string): string => `${input}.${createHmac('sha256', 'secret').update(input).digest('base64url')}`
  const [head, body, signature] = p(good).split('.')

  const cases: [string, string, PresentedProof['proof'], Partial<PresentedProof>?][] = [
    ['1: no header', 'missing', undefined],
    ['1: two headers, as a list', 'malformed', [p(good), p(good)]],
    ['1: two headers, as Node joins them', 'malformed', `${p(good)}, ${p(good)}`],
    ['2: an empty header', 'malformed', ''],
    ['2: no JWT', 'malformed', 'x'],
    ['2: white space around it', 'malformed', ` ${p(good)}`],
    ['2: padding after the signature', 'signature_invalid', `${p(good)}=`],
    ['2: an unsecured JWT', 'algorithm_refused', `${p(good, { alg: 'none' }).split('.').slice(0, 2).join('.')}.`],
    ['2: longer than allowed', 'malformed', p({ ...good, pad: 'x'.repeat(4096) })],
    ['2: a critical extension', 'malformed', p(good, { crit: ['b64'], b64: false })],
    ['3: no jti', 'claims_malformed', p({ ...good, jti: undefined })],
    ['3: an empty jti', 'claims_malformed', p({ ...good, jti: '' })],
    ['3: a jti that is a number', 'claims_malformed', p({ ...good, jti: 1 })],
    ['3: no htm', 'claims_malformed', p({ ...good, htm: undefined })],
    ['3: no htu', 'claims_malformed', p({ ...good, htu: undefined })],
    ['3: no iat', 'claims_malformed', p({ ...good, iat: undefined })],
    ['3: an iat that is text', 'claims_malformed', p({ ...good, iat: String(now) })],
    ['3: an ath that is a list', 'claims_malformed', p({ ...good, ath: [good.ath] })],
    ['4: typ JWT', 'type_mismatch', p(good, { typ: 'JWT' })],
    ['4: typ at+jwt', 'type_mismatch', p(good, { typ: 'at+jwt' })],
    ['4: no typ', 'type_mismatch', p(good, { typ: undefined })],
    ['5: none', 'algorithm_refused', p(good, { alg: 'none' })],
    ['5: an algorithm that is not allowed', 'algorithm_refused', weak.proof(good)],
    [
      '5: HS256 with a secret in jwk',
      'algorithm_refused',
      hs256(
        p(good, { alg: 'HS256', jwk: { kty: 'oct', k: 'c2VjcmV0' } })
          .split('.')
          .slice(0, 2)
          .join('.'),
      ),
    ],
    ['6: the signature of another key', 'signature_invalid', `${head}.${body}.${stranger.proof(good).split('.')[2]}`],
    ['6: claims changed after signing', 'signature_invalid', `${head}.${p({ ...good, foo: 1 }).split('.')[1]}.${signature}`],
    ['6: no signature', 'signature_invalid', `${head}.${body}.`],
    ['6: no jwk', 'key_refused', p(good, { jwk: undefined })],
    ['6: a list for jwk', 'key_refused', p(good, { jwk: [client.publicJwk] })],
    ['6: a kid instead of a jwk', 'key_refused', p(good, { jwk: undefined, kid: 'k1' })],
    ['6: a key for encryption', 'key_refused', p(good, { jwk: { ...client.publicJwk, use: 'enc' } })],
    ['6: key_ops without verify', 'key_refused', p(good, { jwk: { ...client.publicJwk, key_ops: ['sign'] } })],
    ['6: a point off the curve', 'key_refused', p(good, { jwk: { ...client.publicJwk, x: client.publicJwk.y } })],
    ['6: a curve for another algorithm', 'key_refused', p(good, { jwk: { ...client.publicJwk, crv: 'P-384' } })],
    [
      '6: a point of small order (signatures without a key)',
      'key_refused',
      p(good, { alg: 'EdDSA', jwk: { kty: 'OKP', crv: 'Ed25519', x: Buffer.alloc(32).toString('base64url') } }),
    ],
    ['6: an RSA key under ES256', 'key_refused', p(good, { jwk: weak.publicJwk })],
    [
      '6: an RS256 key and signature under the name of PS256',
      'key_refused',
      weak.proof(good, { alg: 'PS256', jwk: { ...weak.publicJwk, alg: 'RS256' } }),
      { jkt: weak.jkt },
    ],
    ['7: a private key in jwk', 'key_refused', p(good, { jwk: client.privateJwk })],
    ['7: half of a private key', 'key_refused', p(good, { alg: 'PS256', jwk: { ...weak.publicJwk, p: weak.privateJwk.p } })],
    ['8: another method', 'method_mismatch', p({ ...good, htm: 'POST' })],
    ['8: the method in another letter case', 'method_mismatch', p({ ...good, htm: 'get' })],
    ['8: GET for HEAD', 'method_mismatch', p(good), { method: 'HEAD' }],
    ['9: another path', 'url_mismatch', p({ ...good, htu: `${origin}/users` })],
    ['9: another host', 'url_mismatch', p({ ...good, htu: 'https://evil.example/invoices' })],
    ['9: another scheme', 'url_mismatch', p({ ...good, htu: 'http://api.example.com/invoices' })],
    ['9: another port', 'url_mismatch', p({ ...good, htu: 'https://api.example.com:8443/invoices' })],
    ['11: too old', 'expired', p({ ...good, iat: now - 70 })],
    ['11: from the future', 'issued_in_future', p({ ...good, iat: now + 11 })],
    ['12: no ath', 'token_mismatch', p({ ...good, ath: undefined })],
    ['12: the ath of another token', 'token_mismatch', p({ ...good, ath: ath('another') })],
    ['12: the token in place of its hash', 'token_mismatch', p({ ...good, ath: accessToken })],
    ['12: another key than the token names', 'key_mismatch', stranger.proof(good)],
  ]

  it.each(cases)('%s: tokens.proof_%s', async (_, code, proof, over) => {
    const result = await present(proof, over)
    expect([codeOf(result), answerOf(result)]).toEqual([`tokens.proof_${code}`, 'invalid_dpop_proof'])
    const { reason, answer } = result as Extract<DpopResult, { ok: false }>
    const told = JSON.stringify([reason, answer])
    for (const secret of [accessToken, client.publicJwk.x!, good.ath]) expect(told).not.toContain(secret)
  })

  it('which key was refused is in the log, and that there was none', async () => {
    const why = async (jwk: unknown) => {
      const result = await present(p(good, { jwk }))
      return result.ok ? undefined : result.reason.message
    }
    for (const none of [undefined, null, 'x', [client.publicJwk]]) expect(await why(none)).toBe('the header has no jwk')
    expect(await why(client.privateJwk)).toBe('the key in the header is refused: tokens.key_private')
    expect(await why({})).toBe('the key in the header is refused: tokens.key_unsupported')
  })

  it('with a member named twice, which two readers would read in two ways', async () => {
    const [, , ...rest] = p(good).split('.')
    const twice = Buffer.from(`{"jti":"a","htm":"GET","htm":"POST","htu":"${good.htu}","iat":${now}}`).toString('base64url')
    expect(codeOf(await present([head, twice, ...rest].join('.')))).toBe('tokens.proof_claims_malformed')
  })

  it('whatever is wrong with it, the proof is not used up: only a good one is recorded', async () => {
    const dpop = verifier()
    const proof = p(good)
    expect(codeOf(await present(proof, { method: 'POST' }, dpop))).toBe('tokens.proof_method_mismatch')
    expect(codeOf(await present(proof, { jkt: stranger.jkt }, dpop))).toBe('tokens.proof_key_mismatch')
    expect(codeOf(await present(proof, { accessToken: 'another' }, dpop))).toBe('tokens.proof_token_mismatch')
    expect(codeOf(await present(`${proof.slice(0, -4)}AAAA`, {}, dpop))).toBe('tokens.proof_signature_invalid')
    expect(codeOf(await present(proof, {}, dpop))).toBe('accepted')
  })
})

describe('the key in a proof', () => {
  it('that is remembered verifies its own proofs and no others', async () => {
    const dpop = verifier()
    expect(codeOf(await present(client.proof(good), {}, dpop))).toBe('accepted')
    const [head, body] = client.proof(good).split('.')
    const other = (await proofMaker()).proof(good).split('.')[2]
    expect(codeOf(await present(`${head}.${body}.${other}`, {}, dpop))).toBe('tokens.proof_signature_invalid')
  })

  it('under another header of the same key has the same thumbprint: a replay stays one', async () => {
    const dpop = verifier()
    expect(codeOf(await present(client.proof({ ...good, jti: 'one' }), {}, dpop))).toBe('accepted')
    const respelled = client.proof({ ...good, jti: 'one' }, { jwk: { ...client.publicJwk, kid: 'x' } })
    expect(codeOf(await present(respelled, {}, dpop))).toBe('tokens.proof_replayed')
  })
})

describe('the keys that are remembered', () => {
  const key: ProofKey = { jkt: 'x', verify: () => false }

  it('are so many, and the one used longest ago goes first', () => {
    const cache = new ProofKeyCache()
    for (let at = 0; at < 1024; at += 1) cache.remember(`header-${at}`, key)
    expect(cache.find('header-0')).toBe(key)
    cache.remember('one-more', key)
    expect([cache.find('header-0'), cache.find('header-1'), cache.find('one-more')]).toEqual([key, undefined, key])
  })

  it('are none under a header that is huge', () => {
    const cache = new ProofKeyCache()
    cache.remember('x'.repeat(2049), key)
    expect(cache.find('x'.repeat(2049))).toBeUndefined()
  })

  it('come from good proofs alone: a flood of invented keys pushes nothing out', async () => {
    const remember = vi.spyOn(ProofKeyCache.prototype, 'remember')
    const dpop = verifier()
    await present(`${client.proof(good).slice(0, -4)}AAAA`, {}, dpop)
    await present(stranger.proof(good), {}, dpop)
    expect(remember).not.toHaveBeenCalled()
    await present(client.proof(good), {}, dpop)
    expect(remember).toHaveBeenCalledOnce()
    remember.mockRestore()
  })
})

describe('the time window', () => {
  it.each([
    [now + 10, 'accepted'],
    [now + 10.5, 'tokens.proof_issued_in_future'],
    [now - 69.5, 'accepted'],
    [now - 70, 'tokens.proof_expired'],
  ])('by default takes 60 seconds, and 10 to both sides for clocks: %d → %s', async (iat, code) => {
    expect(codeOf(await present(client.proof({ ...good, iat })))).toBe(code)
  })

  it('is what the options say', async () => {
    const dpop = verifier({ maxAge: 5, clockTolerance: 0 })
    expect(codeOf(await present(client.proof({ ...good, iat: now - 4 }), {}, dpop))).toBe('accepted')
    expect(codeOf(await present(client.proof({ ...good, iat: now - 5 }), {}, dpop))).toBe('tokens.proof_expired')
    expect(codeOf(await present(client.proof({ ...good, iat: now + 1 }), {}, dpop))).toBe('tokens.proof_issued_in_future')
  })
})

describe('a proof is used once', () => {
  it('of 200 parallel uses of one proof, one is accepted', async () => {
    const dpop = verifier()
    const proof = client.proof(good)
    const results = await Promise.all(Array.from({ length: 200 }, () => present(proof, {}, dpop)))
    const codes = results.map(codeOf)
    expect(codes.filter((code) => code === 'accepted').length).toBe(1)
    expect(codes.filter((code) => code === 'tokens.proof_replayed').length).toBe(199)
  })

  it('also by two processes on one store, and for two URLs', async () => {
    const clock = manualClock()
    const store = memoryStore(clock)
    const [a, b] = [verifier({ store, clock }), verifier({ store, clock })]
    const proof = client.proof(good)
    expect(codeOf(await present(proof, {}, a))).toBe('accepted')
    expect(codeOf(await present(proof, {}, b))).toBe('tokens.proof_replayed')
    const elsewhere = client.proof({
      ...good,
      jti: JSON.parse(Buffer.from(proof.split('.')[1]!, 'base64url').toString()).jti,
      htu: origin,
    })
    expect(codeOf(await present(elsewhere, { target: '/' }, b))).toBe('tokens.proof_replayed')
  })

  it('another client may use the same jti', async () => {
    const dpop = verifier()
    const other = await proofMaker()
    expect(codeOf(await present(client.proof({ ...good, jti: 'same' }), {}, dpop))).toBe('accepted')
    expect(codeOf(await present(other.proof({ ...good, jti: 'same' }), { jkt: other.jkt }, dpop))).toBe('accepted')
  })

  it('is not forgotten while it is acceptable, also by a store whose clock runs ahead', async () => {
    const clock = manualClock()
    const ahead = { now: () => clock.now() + 30_000 }
    const dpop = verifier({ clock, store: createMemoryStore({ clock: ahead }) })
    const proof = client.proof({ ...good, iat: now + 10 })
    expect(codeOf(await present(proof, {}, dpop))).toBe('accepted')
    const seen = []
    for (let second = 0; second < 85; second += 1) {
      seen.push(codeOf(await present(proof, {}, dpop)))
      clock.advance(1)
    }
    expect(new Set(seen)).toEqual(new Set(['tokens.proof_replayed', 'tokens.proof_expired']))
    expect(seen.at(-1)).toBe('tokens.proof_expired')
  })

  it('leaves the store in the end', async () => {
    const clock = manualClock()
    const dpop = verifier({ clock, store: createMemoryStore({ clock, maxEntries: 1 }) })
    expect(codeOf(await present(client.proof(good), {}, dpop))).toBe('accepted')
    clock.advance(200)
    expect(codeOf(await present(client.proof({ ...good, iat: now + 200 }), {}, dpop))).toBe('accepted')
  })

  it.each([
    ['a store that is full', createMemoryStore({ clock: manualClock(), maxEntries: 1 })],
    ['a store that is down', brokenStore()],
  ])('%s fails closed, with 503', async (_, store) => {
    const dpop = verifier({ store })
    const outcome = (): Promise<unknown> => present(client.proof(good), {}, dpop).catch((error: unknown) => error)
    await outcome()
    expect(await outcome()).toMatchObject({ name: 'TokenError', code: 'tokens.proofs_unavailable', status: 503 })
  })

  it('what is kept tells neither the key nor the jti', async () => {
    const ids: string[] = []
    const store: Store = {
      collection: <T>() => ({ create: async (id: string) => ids.push(id) > 0 }) as unknown as Collection<T & never>,
    }
    await present(client.proof({ ...good, jti: 'visible' }), {}, verifier({ store }))
    expect(ids).toEqual([expect.stringMatching(/^[A-Za-z0-9_-]{43}$/)])
    expect(ids[0]).not.toBe(client.jkt)
  })
})

describe('with nonces (RFC 9449 §8, §9)', () => {
  const clock = manualClock()
  const sealer = testSealer()
  const nonces = createDpopNonces({ sealer, clock, lifetime: 120 })
  const dpop = verifier({ clock, nonces, maxAge: 600 })
  const at = (): number => clock.now() / 1000

  it('a proof without one is told which to use, and is not used up', async () => {
    const proof = client.proof(good)
    const first = await present(proof, {}, dpop)
    expect([codeOf(first), answerOf(first), first.nonce]).toEqual([
      'tokens.proof_nonce_missing',
      'use_dpop_nonce',
      nonces.current(),
    ])
    expect(await present(client.proof({ ...good, nonce: first.nonce }), {}, dpop)).toEqual({ ok: true, jkt: client.jkt })
  })

  it('only a proof that is otherwise right is told', async () => {
    const result = await present(`${client.proof(good).slice(0, -4)}AAAA`, {}, dpop)
    expect([answerOf(result), result.nonce]).toEqual(['invalid_dpop_proof', undefined])
  })

  it.each([
    ['an invented one', 'v1.k1.AAAA'],
    ['no sealed value', 'x'],
    ['one of another server', createDpopNonces({ sealer: testSealer(), clock }).current()],
    ['a value sealed for something else', sealer.seal(Buffer.from(String(START)), 'tokens.refresh:x')],
    ['a sealed text that is no time', sealer.seal(Buffer.from('never'), 'tokens.dpop_nonce')],
  ])('%s is refused, and replaced', async (_, nonce) => {
    const result = await present(client.proof({ ...good, nonce }), {}, dpop)
    expect([codeOf(result), answerOf(result), result.nonce]).toEqual([
      'tokens.proof_nonce_invalid',
      'use_dpop_nonce',
      nonces.current(),
    ])
  })

  it('one that is not text is refused', async () => {
    expect(codeOf(await present(client.proof({ ...good, nonce: 1 }), {}, dpop))).toBe('tokens.proof_claims_malformed')
  })

  it('is renewed with a good answer before it expires, and refused after', async () => {
    const nonce = nonces.current()
    clock.advance(59)
    expect(await present(client.proof({ ...good, iat: at(), nonce }), {}, dpop)).toEqual({ ok: true, jkt: client.jkt })
    clock.advance(1)
    const renewed = await present(client.proof({ ...good, iat: at(), nonce }), {}, dpop)
    expect(renewed).toEqual({ ok: true, jkt: client.jkt, nonce: nonces.current() })
    expect(renewed.nonce).not.toBe(nonce)
    clock.advance(59)
    expect(codeOf(await present(client.proof({ ...good, iat: at(), nonce }), {}, dpop))).toBe('accepted')
    clock.advance(1)
    expect(codeOf(await present(client.proof({ ...good, iat: at(), nonce }), {}, dpop))).toBe('tokens.proof_nonce_invalid')
  })

  it('a proof made long before it is used has no nonce that fits: iat alone does not stop that', async () => {
    const later = client.proof({ ...good, iat: at() + 3600 })
    clock.advance(3600)
    expect(answerOf(await present(later, {}, dpop))).toBe('use_dpop_nonce')
  })
})

describe('createDpopNonces', () => {
  it('seals one for each half of a lifetime, however many ask', () => {
    const clock = manualClock()
    const sealer = testSealer()
    let sealed = 0
    const counting = {
      ...sealer,
      seal: (...args: Parameters<typeof sealer.seal>) => [sealed++, sealer.seal(...args)][1] as string,
    }
    const nonces = createDpopNonces({ sealer: counting, clock, lifetime: 120 })
    const seen = new Set<string>()
    for (let second = 0; second < 120; second += 1) {
      seen.add(nonces.current())
      clock.advance(1)
    }
    expect([seen.size, sealed]).toEqual([2, 2])
  })

  it('each process takes those of the others, also when their clocks differ a little', () => {
    const sealer = testSealer()
    const [here, there] = [manualClock(), manualClock(START + 3000)]
    const [a, b] = [createDpopNonces({ sealer, clock: here }), createDpopNonces({ sealer, clock: there })]
    expect(a.current()).not.toBe(b.current())
    expect([a.check(b.current()), b.check(a.current())]).toEqual(['good', 'good'])
  })

  it('a clock that was set back does not keep a nonce for longer', () => {
    const clock = manualClock()
    const nonces = createDpopNonces({ sealer: testSealer(), clock })
    const nonce = nonces.current()
    clock.advance(-3600)
    expect(nonces.check(nonce)).toBe('refused')
    expect(nonces.current()).not.toBe(nonce)
  })

  it('has the syntax of RFC 9449 §8.1', () => {
    expect(createDpopNonces({ sealer: testSealer() }).current()).toMatch(/^[\x21\x23-\x5b\x5d-\x7e]+$/)
  })

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 3601])('a lifetime of %d is refused', (lifetime) => {
    expect(() => createDpopNonces({ sealer: testSealer(), lifetime })).toThrow(
      expect.objectContaining({ code: 'tokens.options_invalid' }),
    )
  })
})

describe('options of createDpopVerifier', () => {
  it.each<[string, Partial<DpopVerifierOptions>]>([
    ['a path in the origin', { origin: `${origin}/v1` }],
    ['a slash after the origin', { origin: `${origin}/` }],
    ['a default port', { origin: `${origin}:443` }],
    ['a host alone', { origin: 'api.example.com' }],
    ['plain HTTP', { origin: 'http://api.example.com' }],
    ['credentials', { origin: 'https://u:p@api.example.com' }],
    ['no origin', { origin: undefined as never }],
    ['an empty list', { origin: [] }],
    ['a prefix without a slash', { pathPrefix: 'v1' }],
    ['a prefix with a slash at its end', { pathPrefix: '/v1/' }],
    ['no algorithm', { algorithms: [] }],
    ['HS256', { algorithms: ['HS256' as never] }],
    ['none', { algorithms: ['none' as never] }],
    ['maxAge NaN', { maxAge: Number.NaN }],
    ['maxAge 0', { maxAge: 0 }],
    ['maxAge 601', { maxAge: 601 }],
    ['a negative tolerance', { clockTolerance: -1 }],
    ['a tolerance above 60', { clockTolerance: 61 }],
    ['maxLength 0', { maxLength: 0 }],
    ['no store', { store: undefined as never }],
  ])('%s is refused', (_, options) => {
    expect(() => verifier(options)).toThrow(expect.objectContaining({ code: 'tokens.options_invalid' }))
  })
})

function brokenStore(): Store {
  return {
    collection: <T>() => ({ create: () => Promise.reject(new Error('down')) }) as unknown as Collection<T & never>,
  }
}
