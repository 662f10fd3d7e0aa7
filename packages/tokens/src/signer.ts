import { type KeyObject, sign as signBytes } from 'node:crypto'
import type { JWK } from 'jose'
import type { AsymmetricAlgorithm } from './algorithms.ts'
import { fromDer } from './ecdsa-signature.ts'
import { algorithmOf, checkPurpose, privateMembers, publicMembers, refuseKey } from './jwk-checks.ts'
import { type ImportOptions, importKeyObject, importVerificationKey, signatureParameters } from './keys.ts'

/**
 * Signs with one key. A key ring gives one; a key management service, whose keys never leave it, is another: `sign` may be
 * asynchronous.
 */
export interface Signer {
  readonly kid: string
  readonly alg: AsymmetricAlgorithm
  /** The signature over `data` in the form of JWS: for ECDSA, R and S side by side (RFC 7518 §3.4). */
  sign(data: Uint8Array): Uint8Array | Promise<Uint8Array>
}

/**
 * Makes a signer of a private JWK. It signs and verifies once, so that halves which do not belong together are found at start-up.
 *
 * @throws TokenError as `importVerificationKey` for the public half; `tokens.key_public` without a private half;
 * `tokens.key_malformed` without a `kid`, or when the halves do not belong together
 */
export async function importSigner(jwk: JWK, options: ImportOptions = {}): Promise<Signer> {
  const alg = algorithmOf(jwk, options.rsaAlgorithm ?? 'RS256')
  if (typeof jwk.d !== 'string') throw refuseKey('tokens.key_public', jwk, 'a public key stands where a private one belongs')
  if (typeof jwk.kid !== 'string') throw refuseKey('tokens.key_malformed', jwk, 'a key that signs needs a kid')
  checkPurpose(jwk, 'sign')
  const members = publicMembers(jwk, alg)
  const signer = signWith(jwk.kid, alg, await importKeyObject({ ...members, ...privateMembers(jwk) }, alg, jwk))
  const check = await importVerificationKey({ ...members, kid: jwk.kid, alg }, options)
  const probe = Buffer.from('portcullis')
  if (!check.verify(probe, await signer.sign(probe))) {
    throw refuseKey('tokens.key_malformed', jwk, 'its private half does not belong to its public one')
  }
  return signer
}

function signWith(kid: string, alg: AsymmetricAlgorithm, key: KeyObject): Signer {
  const { hash, input, signatureBytes, ecdsa } = signatureParameters(alg, key)
  const sign = (data: Uint8Array): Uint8Array => signBytes(hash, data, input)
  return Object.freeze({ kid, alg, sign: ecdsa ? (data: Uint8Array) => fromDer(sign(data), signatureBytes >> 1) : sign })
}
