import {
  constants,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign as signBytes,
} from 'node:crypto'
import { importJWK, type JWK } from 'jose'
import {
  type Algorithm,
  type AsymmetricAlgorithm,
  createKeySet,
  importHmacKey,
  importVerificationKey,
  type KeySource,
} from '../src/index.ts'
import { b64, START } from './support.ts'

export const issuer = 'https://issuer.example'
export const audiences: readonly string[] = ['https://api.example', 'https://api2.example']
export const epoch: number = START / 1000

type Sign = (input: string) => Uint8Array

/** A good token of one algorithm, with what it takes to make others like it. */
export interface Base {
  readonly alg: Algorithm
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
  readonly token: string
  readonly sign: Sign
  readonly publicJwk: JWK | undefined
  /** Other ways of signing with the same private key. */
  readonly otherwise: readonly Sign[]
  readonly keys: KeySource
  readonly joseKey: Awaited<ReturnType<typeof importJWK>>
}

const P1363 = { dsaEncoding: 'ieee-p1363' } as const

export async function base(alg: 'ES256' | 'RS256' | 'PS256' | 'EdDSA' | 'HS256'): Promise<Base> {
  const header = { alg, typ: 'at+jwt', kid: 'k1' }
  const claims = {
    iss: issuer,
    aud: audiences[0],
    sub: 'user-1',
    client_id: 'web',
    iat: epoch,
    exp: epoch + 300,
    jti: 'j1',
    n: 1.5,
  }
  const made = alg === 'HS256' ? await hmacBase() : await asymmetricBase(alg)
  const sign = remembered(made.sign)
  return { alg, header, claims, ...made, sign, token: put(b64(header), b64(claims), sign) }
}

type Made = Pick<Base, 'sign' | 'publicJwk' | 'otherwise' | 'keys' | 'joseKey'>

async function hmacBase(): Promise<Made> {
  const secret = randomBytes(64)
  const mac =
    (hash: string, key: Uint8Array = secret): Sign =>
    (input) =>
      createHmac(hash, key).update(input).digest()
  return {
    sign: mac('sha256'),
    publicJwk: undefined,
    otherwise: [mac('sha512'), mac('sha384'), mac('sha1'), mac('sha256', Buffer.alloc(0)), mac('sha256', secret.subarray(0, 32))],
    keys: createKeySet([importHmacKey(secret, { alg: 'HS256', kid: 'k1' })]),
    joseKey: await crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']),
  }
}

async function asymmetricBase(alg: 'ES256' | 'RS256' | 'PS256' | 'EdDSA'): Promise<Made> {
  const key = generate(alg)
  const publicJwk = { ...(createPublicKey(key).export({ format: 'jwk' }) as JWK), kid: 'k1', alg }
  const other = generate(alg)
  return {
    sign: signer(alg, key),
    publicJwk,
    otherwise: [signer(alg, other), ...variants(alg, key)],
    keys: createKeySet([await importVerificationKey(publicJwk)]),
    joseKey: await importJWK(publicJwk, alg),
  }
}

function generate(alg: AsymmetricAlgorithm): KeyObject {
  if (alg === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519').privateKey
  return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
}

function signer(alg: AsymmetricAlgorithm, key: KeyObject): Sign {
  if (alg === 'ES256') return (input) => signBytes('sha256', Buffer.from(input), { key, ...P1363 })
  if (alg === 'EdDSA') return (input) => signBytes(null, Buffer.from(input), key)
  return alg === 'RS256' ? rsa('sha256', key) : pss('sha256', key, 32)
}

function rsa(hash: string, key: KeyObject): Sign {
  return (input) => signBytes(hash, Buffer.from(input), key)
}

function pss(hash: string, key: KeyObject, saltLength: number): Sign {
  const padding = constants.RSA_PKCS1_PSS_PADDING
  return (input) => signBytes(hash, Buffer.from(input), { key, padding, saltLength })
}

/** The right key, used in a way that is not the algorithm's. */
function variants(alg: AsymmetricAlgorithm, key: KeyObject): readonly Sign[] {
  if (alg === 'RS256') return [rsa('sha512', key), rsa('sha1', key), pss('sha256', key, 32)]
  if (alg === 'PS256') return [pss('sha256', key, 0), pss('sha256', key, 20), pss('sha512', key, 32), rsa('sha256', key)]
  if (alg !== 'ES256') return []
  return [
    (input) => signBytes('sha256', Buffer.from(input), key),
    (input) => signBytes('sha512', Buffer.from(input), { key, ...P1363 }),
  ]
}

/** Signing with RSA is slow, and most mutations make one of a few texts. */
function remembered(sign: Sign): Sign {
  const made = new Map<string, Uint8Array>()
  return (input) => {
    const signature = made.get(input) ?? sign(input)
    if (made.size < 5000) made.set(input, signature)
    return signature
  }
}

export function put(header: string, payload: string, sign: Sign): string {
  return `${header}.${payload}.${b64(sign(`${header}.${payload}`))}`
}

/** Numbers below 2^32 out of a seed: mulberry32. */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % limit
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }
}

/** One way of making another token out of a good one. */
export interface Mutation {
  readonly name: string
  make(of: Base, dice: Dice): string
}

export function resigned(
  of: Base,
  header: object | string | Uint8Array,
  payload: object | string | Uint8Array = of.claims,
): string {
  return put(b64(header), b64(payload), of.sign)
}

export function parts(of: Base): [string, string, string] {
  return of.token.split('.') as [string, string, string]
}
