import { createHmac, type KeyObject, timingSafeEqual, verify } from 'node:crypto'
import { type Algorithm, createKeySet, createVerifier, importHmacKey, importVerificationKey } from '@portcullis/tokens'
import { createVerifier as fastJwtVerifier } from 'fast-jwt'
import { jwtVerify } from 'jose'
import jsonwebtoken from 'jsonwebtoken'
import { type Bench, compare, type Peer } from '../bench.ts'
import { expectAnswer } from '../errors.ts'
import type { Subject } from '../harness.ts'
import { AUDIENCE, ISSUER, type Material, material } from './tokens-material.ts'

async function ours({ alg, key, token, forged, expired }: Material, cache: false | undefined): Promise<Subject> {
  const imported = Buffer.isBuffer(key)
    ? importHmacKey(key, { kid: 'k1', alg: 'HS256' })
    : await importVerificationKey({ ...key.export({ format: 'jwk' }), kid: 'k1', alg })
  const algorithms: readonly Algorithm[] = [alg]
  const keys = createKeySet([imported])
  const verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE, keys, algorithms, ...(cache === false && { cache }) })
  for (const [given, right] of [
    [token, true],
    [forged, false],
    [expired, false],
  ] as const) {
    expectAnswer(`tokens ${alg}`, (await verifier.verify(given)).ok === right)
  }
  return {
    name: 'ours',
    run(iterations) {
      let valid = 0
      for (let n = 0; n < iterations; n++) {
        const result = verifier.verify(token)
        if (!(result instanceof Promise) && result.ok) valid++
      }
      return valid
    },
  }
}

/** The signature alone: base64url, and one call into OpenSSL. No claims are looked at. */
function raw({ alg, key, token, forged }: Material, target?: number): Peer {
  const check = (given: string): boolean => {
    const end = given.lastIndexOf('.')
    const [input, signature] = [Buffer.from(given.slice(0, end)), Buffer.from(given.slice(end + 1), 'base64url')]
    if (Buffer.isBuffer(key)) return timingSafeEqual(createHmac('sha256', key).update(input).digest(), signature)
    if (alg === 'ES256') return verify('sha256', input, { key, dsaEncoding: 'ieee-p1363' }, signature)
    return verify(alg === 'EdDSA' ? null : 'sha256', input, key, signature)
  }
  expectAnswer('node:crypto', check(token) && !check(forged))
  return {
    name: 'node:crypto (limit)',
    ...(target === undefined ? {} : { target }),
    run(iterations) {
      let valid = 0
      for (let n = 0; n < iterations; n++) if (check(token)) valid++
      return valid
    },
  }
}

async function jose({ alg, key, token, forged, expired }: Material, target: number): Promise<Peer> {
  const options = { issuer: ISSUER, audience: AUDIENCE, algorithms: [alg], typ: 'at+jwt' }
  const accepts = (given: string): Promise<boolean> =>
    jwtVerify(given, key, options).then(
      () => true,
      () => false,
    )
  expectAnswer('jose', (await accepts(token)) && !(await accepts(forged)) && !(await accepts(expired)))
  return {
    name: 'jose',
    target,
    async run(iterations) {
      let valid = 0
      for (let n = 0; n < iterations; n++) if ((await jwtVerify(token, key, options)).payload.sub === 'user-4711') valid++
      return valid
    },
  }
}

function throws(work: () => unknown): boolean {
  try {
    work()
    return false
  } catch {
    return true
  }
}

function pem(key: KeyObject | Buffer): string | Buffer {
  return Buffer.isBuffer(key) ? key : key.export({ format: 'pem', type: 'spki' })
}

function fastJwt({ alg, key, token, forged, expired }: Material, target: number, cache = false): Peer {
  const check = fastJwtVerifier({
    key: pem(key),
    algorithms: [alg],
    allowedIss: ISSUER,
    allowedAud: AUDIENCE,
    cache,
  }) as (token: string) => { readonly sub: string }
  expectAnswer('fast-jwt', check(token).sub === 'user-4711' && throws(() => check(forged)) && throws(() => check(expired)))
  return {
    name: cache ? 'fast-jwt with its cache' : 'fast-jwt',
    target,
    run(iterations) {
      let valid = 0
      for (let n = 0; n < iterations; n++) if (check(token).sub === 'user-4711') valid++
      return valid
    },
  }
}

/** jsonwebtoken does not know EdDSA. */
function classic({ alg, key, token, forged, expired }: Material): readonly Peer[] {
  if (alg === 'EdDSA') return []
  const options = { issuer: ISSUER, audience: AUDIENCE, algorithms: [alg] }
  const check = (given: string): unknown => jsonwebtoken.verify(given, key, options).sub
  expectAnswer('jsonwebtoken', check(token) === 'user-4711' && throws(() => check(forged)) && throws(() => check(expired)))
  return [
    {
      name: 'jsonwebtoken',
      run(iterations) {
        let valid = 0
        for (let n = 0; n < iterations; n++) if (check(token) === 'user-4711') valid++
        return valid
      },
    },
  ]
}

/** Signature and claims of one token, without a cache. */
export const tokensVerify: readonly Bench[] = (['RS256', 'ES256', 'EdDSA', 'HS256'] as const).map((alg) => ({
  name: `tokens.verify.${alg}`,
  async run(options) {
    const made = material(alg)
    const limit = alg === 'HS256' ? raw(made) : raw(made, 0.9)
    const peers = [limit, await jose(made, 1.5), fastJwt(made, 1), ...classic(made)]
    return { rows: await compare(`tokens.verify.${alg}`, await ours(made, false), peers, options) }
  },
}))

/** The same token again. Its algorithm does not matter any more. */
export const tokensVerifyCached: Bench = {
  name: 'tokens.verify.cached',
  async run(options) {
    const made = material('ES256')
    return { rows: await compare('tokens.verify.cached', await ours(made, undefined), [fastJwt(made, 1.5, true)], options) }
  },
}
