import {
  constants,
  createHmac,
  createSecretKey,
  KeyObject,
  timingSafeEqual,
  type VerifyKeyObjectInput,
  verify as verifySignature,
} from 'node:crypto'
import { importJWK, type JWK } from 'jose'
import { type Algorithm, type AsymmetricAlgorithm, algorithmTraits, type HmacAlgorithm } from './algorithms.ts'
import { toDer } from './ecdsa-signature.ts'
import { TokenError } from './errors.ts'
import { algorithmOf, checkPurpose, publicMembers, refuseKey, secretBytes } from './jwk-checks.ts'

/** A key that verifies, prepared once. It is for one algorithm: the key decides which, never the token. */
export interface VerificationKey {
  readonly kid: string | undefined
  readonly alg: Algorithm
  /**
   * @param data lent for the call alone: its memory is used again for the next token
   * @returns whether the signature is one of this key over `data`; never throws because of what a token says
   */
  verify(data: Uint8Array, signature: Uint8Array): boolean
}

/** Options of {@link importVerificationKey}. */
export interface ImportOptions {
  /** What an RSA key without `alg` is for. Default: `RS256`. */
  readonly rsaAlgorithm?: 'RS256' | 'RS384' | 'RS512' | 'PS256' | 'PS384' | 'PS512'
}

/**
 * Imports a public JWK (RFC 7517) for verifying. Everything that is wrong with it is found here, and not at the first token.
 *
 * @throws TokenError `tokens.key_malformed`, `tokens.key_use`, `tokens.key_operations`, `tokens.key_unsupported`,
 * `tokens.key_algorithm_mismatch`, `tokens.key_size`, `tokens.key_exponent`, `tokens.key_weak`, `tokens.key_off_curve`,
 * `tokens.key_private`, `tokens.key_symmetric`
 */
export async function importVerificationKey(jwk: JWK, options: ImportOptions = {}): Promise<VerificationKey> {
  const alg = algorithmOf(jwk, options.rsaAlgorithm ?? 'RS256')
  // A private key here means that it was published, or is about to be.
  if (jwk.d !== undefined) throw refuseKey('tokens.key_private', jwk, 'a private key stands where a public one belongs')
  checkPurpose(jwk, 'verify')
  const key = await importKeyObject(publicMembers(jwk, alg), alg, jwk)
  return Object.freeze({ kid: jwk.kid, alg, verify: signatureCheck(alg, key) })
}

/** @throws TokenError `tokens.key_off_curve`, `tokens.key_malformed` */
export async function importKeyObject(members: JWK, alg: string, named: JWK): Promise<KeyObject> {
  try {
    const key = await importJWK(members, alg, { extractable: true })
    if (!(key instanceof Uint8Array)) return KeyObject.from(key as Parameters<typeof KeyObject.from>[0])
  } catch (cause) {
    // Sizes and encodings were checked before: of an EC key, the point is what remains.
    if (members.kty === 'EC') throw refuseKey('tokens.key_off_curve', named, 'its point is not on its curve', cause)
    throw refuseKey('tokens.key_malformed', named, 'it can not be imported', cause)
  }
  throw refuseKey('tokens.key_malformed', named, 'it can not be imported')
}

/**
 * Imports a secret for HMAC. Only a verifier that has nothing but such keys takes it; prefer a key pair wherever the one who
 * verifies is not the one who signs.
 *
 * There is no signer for HMAC, on purpose. It would be for one process that issues for itself, which a key ring does as well, and
 * the day another process has to verify, its secret could issue too; a ring has public keys to give out, and never a secret to leak.
 * Where another system demands HMAC tokens of ours, jose signs them.
 *
 * @param secret an `oct` JWK, or the bytes; at least as long as the hash (RFC 7518 §3.2)
 * @throws TokenError `tokens.key_size`, `tokens.key_use`, `tokens.key_operations`, `tokens.key_unsupported`,
 * `tokens.key_algorithm_mismatch`, `tokens.key_malformed`
 */
export function importHmacKey(
  secret: JWK | Uint8Array,
  options: { readonly alg?: HmacAlgorithm; readonly kid?: string } = {},
): VerificationKey {
  const jwk: JWK = secret instanceof Uint8Array ? { kty: 'oct', ...options } : secret
  if (typeof jwk !== 'object' || jwk === null || jwk.kty !== 'oct') {
    throw new TokenError('tokens.key_malformed', 'a key for HMAC is neither bytes nor a JWK of kty oct')
  }
  checkPurpose(jwk, 'verify')
  if (options.alg !== undefined && jwk.alg !== undefined && options.alg !== jwk.alg) {
    throw refuseKey('tokens.key_algorithm_mismatch', jwk, 'its alg is not the one that was asked for')
  }
  const alg = options.alg ?? jwk.alg
  const traits = typeof alg === 'string' ? algorithmTraits(alg) : undefined
  if (traits?.kind !== 'hmac') throw refuseKey('tokens.key_unsupported', jwk, 'its alg is none of HS256, HS384, HS512')
  const bytes = secret instanceof Uint8Array ? secret : secretBytes(jwk)
  if (bytes.length < traits.hashBytes) {
    throw refuseKey('tokens.key_size', jwk, `it has ${bytes.length} bytes; ${alg} takes ${traits.hashBytes} or more`)
  }
  const kid = options.kid ?? jwk.kid
  return Object.freeze({ kid, alg: alg as HmacAlgorithm, verify: macCheck(traits.hash, createSecretKey(bytes)) })
}

function macCheck(hash: string, key: KeyObject): VerificationKey['verify'] {
  return (data, signature) => {
    const expected = createHmac(hash, key).update(data).digest()
    return signature.length === expected.length && timingSafeEqual(signature, expected)
  }
}

function signatureCheck(alg: AsymmetricAlgorithm, key: KeyObject): VerificationKey['verify'] {
  const { hash, input, signatureBytes, ecdsa } = signatureParameters(alg, key)
  if (ecdsa) {
    return (data, signature) => signature.length === signatureBytes && verifySignature(hash, data, input, toDer(signature))
  }
  return (data, signature) => signature.length === signatureBytes && verifySignature(hash, data, input, signature)
}

/** What node:crypto needs to sign or verify with a key, made once. */
export interface SignatureParameters {
  readonly hash: string | null
  readonly input: KeyObject | VerifyKeyObjectInput
  readonly signatureBytes: number
  /** Whether node:crypto takes and gives DER where JWS has R and S side by side. */
  readonly ecdsa: boolean
}

export function signatureParameters(alg: AsymmetricAlgorithm, key: KeyObject): SignatureParameters {
  const traits = algorithmTraits(alg)
  if (traits?.kind === 'ec') return { hash: traits.hash, input: key, signatureBytes: 2 * traits.coordinateBytes, ecdsa: true }
  if (traits?.kind === 'rsa') {
    // PKCS #1 v1.5 is the default of node:crypto, and a bare key the faster way to say it.
    const input = traits.pss ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: traits.hashBytes } : key
    // RFC 8017 §8.1.2, §8.2.2: a signature has the length of the modulus.
    const signatureBytes = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8)
    return { hash: traits.hash, input, signatureBytes, ecdsa: false }
  }
  return { hash: null, input: key, signatureBytes: 64, ecdsa: false }
}
