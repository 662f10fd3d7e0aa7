import type { JWK } from 'jose'
import { type AlgorithmTraits, type AsymmetricAlgorithm, algorithmTraits } from './algorithms.ts'
import { decodeBase64url } from './base64url.ts'
import { TokenError, type TokenErrorCode } from './errors.ts'

/*
 * What must hold of a JWK before it becomes a key. Each failure has its own code, so that whoever rotates keys reads in the log
 * which one was refused, and why; nothing of the key's material is in the message.
 */

const CURVES: Readonly<Record<string, AsymmetricAlgorithm>> = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' }
const RSA_MIN_BITS = 2048
// Verifying takes time that grows with the square of the modulus: a huge one is a way to keep a server busy.
const RSA_MAX_BITS = 8192

/** An error about one key, which is named by its `kid`. */
export function refuseKey(code: TokenErrorCode, jwk: JWK, why: string, cause?: unknown): TokenError {
  const name = typeof jwk.kid === 'string' ? `key ${JSON.stringify(jwk.kid.slice(0, 64))}` : 'a key without kid'
  return new TokenError(code, `${name} is refused: ${why}`, cause === undefined ? {} : { cause })
}

/** What a key may be marked for (RFC 7517 §4.3). */
export type KeyOperation = 'sign' | 'verify' | 'encrypt' | 'decrypt' | 'wrapKey' | 'unwrapKey' | 'deriveKey' | 'deriveBits'

/**
 * Checks `kid`, `use` and `key_ops` (RFC 7517 §4.2, §4.3, §4.5). `key_ops` must have one of the operations: JWE has two names for some.
 * @throws TokenError `tokens.key_malformed`, `tokens.key_use`, `tokens.key_operations`
 */
export function checkPurpose(jwk: JWK, ...wanted: readonly [KeyOperation, ...KeyOperation[]]): void {
  if (jwk.kid !== undefined && (typeof jwk.kid !== 'string' || jwk.kid === '')) {
    throw refuseKey('tokens.key_malformed', jwk, 'its kid is not a string with something in it')
  }
  const use = wanted[0] === 'sign' || wanted[0] === 'verify' ? 'sig' : 'enc'
  if (jwk.use !== undefined && jwk.use !== use) throw refuseKey('tokens.key_use', jwk, `its use is not ${use}`)
  const operations: unknown = jwk.key_ops
  if (operations === undefined) return
  if (!Array.isArray(operations) || !operations.every((one) => typeof one === 'string')) {
    throw refuseKey('tokens.key_operations', jwk, 'its key_ops is not an array of strings')
  }
  if (!wanted.some((one) => operations.includes(one))) {
    throw refuseKey('tokens.key_operations', jwk, `its key_ops does not have ${wanted.join(' or ')}`)
  }
  if (new Set(operations).size !== operations.length) {
    throw refuseKey('tokens.key_operations', jwk, 'its key_ops names one operation twice')
  }
}

/**
 * The one algorithm that a key is for. A key says it by `alg` or by its curve; an RSA key that says nothing is for `rsaDefault`.
 * @throws TokenError `tokens.key_malformed`, `tokens.key_unsupported`, `tokens.key_algorithm_mismatch`, `tokens.key_symmetric`
 */
export function algorithmOf(jwk: JWK, rsaDefault: AsymmetricAlgorithm): AsymmetricAlgorithm {
  if (typeof jwk !== 'object' || jwk === null) throw new TokenError('tokens.key_malformed', 'a key is not an object')
  if (jwk.kty === 'oct') throw refuseKey('tokens.key_symmetric', jwk, 'a secret stands where a public key belongs')
  const implied = impliedAlgorithm(jwk, rsaDefault)
  if (jwk.alg === undefined) return implied
  const traits: AlgorithmTraits | undefined = typeof jwk.alg === 'string' ? algorithmTraits(jwk.alg) : undefined
  if (traits === undefined) throw refuseKey('tokens.key_unsupported', jwk, 'its alg is not a signature algorithm we verify')
  const fits = traits.kind === 'rsa' ? jwk.kty === 'RSA' : jwk.alg === implied
  if (!fits) throw refuseKey('tokens.key_algorithm_mismatch', jwk, `its alg is not one for a ${jwk.kty} key of its curve`)
  return jwk.alg as AsymmetricAlgorithm
}

function impliedAlgorithm(jwk: JWK, rsaDefault: AsymmetricAlgorithm): AsymmetricAlgorithm {
  if (jwk.kty === 'RSA') return rsaDefault
  const byCurve = jwk.kty === 'EC' && typeof jwk.crv === 'string' && Object.hasOwn(CURVES, jwk.crv) ? CURVES[jwk.crv] : undefined
  if (byCurve !== undefined) return byCurve
  if (jwk.kty === 'OKP' && jwk.crv === 'Ed25519') return 'EdDSA'
  throw refuseKey('tokens.key_unsupported', jwk, 'its kty or crv is not one we verify with')
}

/**
 * Checks the public members that belong to the algorithm, and gives back those alone.
 * @throws TokenError `tokens.key_malformed`, `tokens.key_size`, `tokens.key_exponent`, `tokens.key_weak`
 */
export function publicMembers(jwk: JWK, alg: AsymmetricAlgorithm): JWK {
  const traits = algorithmTraits(alg)
  if (traits?.kind === 'rsa') return rsaMembers(jwk)
  if (traits?.kind === 'ec') return ecMembers(jwk, traits.coordinateBytes)
  const members = okpMembers(jwk, 'Ed25519')
  if (isSmallOrder(bytesOf(jwk, jwk.x)))
    throw refuseKey('tokens.key_weak', jwk, 'its point has a small order: signatures can be made without a key')
  return members
}

/**
 * Checks the public members of a key that encrypts, for RSA or for a key agreement on P-256, P-384, P-521 or X25519, and gives back
 * those alone.
 * @throws TokenError as {@link publicMembers}, and `tokens.key_unsupported`
 */
export function encryptionMembers(jwk: JWK): JWK {
  if (jwk.kty === 'RSA') return rsaMembers(jwk)
  const signing = jwk.kty === 'EC' ? algorithmTraits(impliedAlgorithm(jwk, 'RS256')) : undefined
  if (signing?.kind === 'ec') return ecMembers(jwk, signing.coordinateBytes)
  if (jwk.kty === 'OKP' && jwk.crv === 'X25519') return okpMembers(jwk, 'X25519')
  throw refuseKey('tokens.key_unsupported', jwk, 'its kty or crv is not one we encrypt with')
}

/** What a private JWK has beyond the public one (RFC 7518 §6.2.2, §6.3.2). */
export const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const

/** The private members of a JWK that has a private half; they are checked by using them. */
export function privateMembers(jwk: JWK): Partial<JWK> {
  return Object.fromEntries(PRIVATE_MEMBERS.filter((name) => jwk[name] !== undefined).map((name) => [name, jwk[name]]))
}

/**
 * The bytes of an `oct` JWK (RFC 7518 §6.4).
 * @throws TokenError `tokens.key_malformed`
 */
export function secretBytes(jwk: JWK): Buffer {
  return bytesOf(jwk, jwk.k)
}

function rsaMembers(jwk: JWK): JWK {
  checkRsa(jwk)
  return { kty: 'RSA', n: jwk.n as string, e: jwk.e as string }
}

function ecMembers(jwk: JWK, coordinateBytes: number): JWK {
  // RFC 7518 §6.2.1.2: a coordinate has the full length of the field.
  for (const coordinate of [jwk.x, jwk.y]) {
    if (bytesOf(jwk, coordinate).length !== coordinateBytes) {
      throw refuseKey('tokens.key_malformed', jwk, `a coordinate does not have ${coordinateBytes} bytes`)
    }
  }
  return { kty: 'EC', crv: jwk.crv as string, x: jwk.x as string, y: jwk.y as string }
}

function okpMembers(jwk: JWK, crv: 'Ed25519' | 'X25519'): JWK {
  if (bytesOf(jwk, jwk.x).length !== 32) throw refuseKey('tokens.key_malformed', jwk, 'its point does not have 32 bytes')
  return { kty: 'OKP', crv, x: jwk.x as string }
}

function bytesOf(jwk: JWK, member: unknown): Buffer {
  const bytes = typeof member === 'string' ? decodeBase64url(member) : undefined
  if (bytes === undefined) throw refuseKey('tokens.key_malformed', jwk, 'a member is missing or is not base64url')
  return bytes
}

function checkRsa(jwk: JWK): void {
  const n = integer(bytesOf(jwk, jwk.n))
  const e = integer(bytesOf(jwk, jwk.e))
  const bits = n.toString(2).length
  if (bits < RSA_MIN_BITS || bits > RSA_MAX_BITS) {
    throw refuseKey('tokens.key_size', jwk, `its modulus has ${bits} bits, outside ${RSA_MIN_BITS} to ${RSA_MAX_BITS}`)
  }
  // With an exponent of 1 a signature is the padded hash itself: anybody can write it down.
  if (e < 3n || e % 2n === 0n || e >= 1n << 64n)
    throw refuseKey('tokens.key_exponent', jwk, 'its exponent is even, below 3 or huge')
  if (n % 2n === 0n) throw refuseKey('tokens.key_weak', jwk, 'its modulus is even')
  if (hasRocaFingerprint(n)) throw refuseKey('tokens.key_weak', jwk, 'its modulus can be factored (ROCA, CVE-2017-15361)')
}

function integer(bytes: Buffer): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${bytes.toString('hex')}`)
}

// Moduli of the broken generator are powers of 65537 modulo each of these primes; others are with a chance of about 2^-27.
// Nemec and others, "The Return of Coppersmith's Attack", CCS 2017, §2.3.
const ROCA_PRIMES = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131,
  137, 139, 149, 151, 157, 163, 167,
]

function hasRocaFingerprint(n: bigint): boolean {
  return ROCA_PRIMES.every((prime) => {
    const residue = Number(n % BigInt(prime))
    let power = 1
    do {
      if (power === residue) return true
      power = (power * 65537) % prime
    } while (power !== 1)
    return false
  })
}

// Every encoding of a point whose order divides 8, without its sign bit.
const SMALL_ORDER = new Set([
  `00${'00'.repeat(31)}`,
  `01${'00'.repeat(31)}`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
])

function isSmallOrder(point: Buffer): boolean {
  const unsigned = Buffer.from(point)
  unsigned[31] = (unsigned[31] ?? 0) & 0x7f
  return SMALL_ORDER.has(unsigned.toString('hex'))
}
