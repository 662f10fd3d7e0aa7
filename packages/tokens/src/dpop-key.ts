import { calculateJwkThumbprint, type JWK } from 'jose'
import { type AsymmetricAlgorithm, algorithmTraits } from './algorithms.ts'
import { TokenError } from './errors.ts'
import { PRIVATE_MEMBERS, publicMembers } from './jwk-checks.ts'
import { type ImportOptions, importVerificationKey, type VerificationKey } from './keys.ts'

/** The public key that came in a proof's header, ready to verify that proof. */
export interface ProofKey {
  /** Its thumbprint (RFC 7638), SHA-256, base64url: what a token that is bound to it names. */
  readonly jkt: string
  readonly verify: VerificationKey['verify']
}

/**
 * Imports the `jwk` of a proof's header for the algorithm that the header names.
 * @throws TokenError as `importVerificationKey`, and `tokens.key_algorithm_mismatch`
 */
export async function importProofKey(jwk: JWK, alg: AsymmetricAlgorithm): Promise<ProofKey> {
  // RFC 9449 §4.3: no private key, in whole or in part.
  if (PRIVATE_MEMBERS.some((name) => Object.hasOwn(jwk, name))) {
    throw new TokenError('tokens.key_private', 'the key in a proof has private members')
  }
  const isRsa = algorithmTraits(alg)?.kind === 'rsa'
  const key = await importVerificationKey(jwk, isRsa ? { rsaAlgorithm: alg as NonNullable<ImportOptions['rsaAlgorithm']> } : {})
  if (key.alg !== alg)
    throw new TokenError('tokens.key_algorithm_mismatch', 'the key in a proof is not for the alg of its header')
  return { jkt: await calculateJwkThumbprint(publicMembers(jwk, alg)), verify: key.verify }
}

const MAX_KEYS = 1024
const MAX_HEADER_LENGTH = 2048

/**
 * Keys by the header segment that they came in, which a client writes the same into every proof: a key depends on nothing else.
 * Those used longest ago go first; losing one costs an import, and nothing more.
 */
export class ProofKeyCache {
  readonly #keys = new Map<string, ProofKey>()

  find(headerSegment: string): ProofKey | undefined {
    const key = this.#keys.get(headerSegment)
    if (key === undefined) return undefined
    this.#keys.delete(headerSegment)
    this.#keys.set(headerSegment, key)
    return key
  }

  /** Only for a key whose proof was good: a flood of invented ones pushes nothing out. */
  remember(headerSegment: string, key: ProofKey): void {
    if (headerSegment.length > MAX_HEADER_LENGTH || this.#keys.has(headerSegment)) return
    if (this.#keys.size >= MAX_KEYS) this.#keys.delete(this.#keys.keys().next().value as string)
    // A copy: the segment is a window onto the proof, and would keep all of it in memory.
    this.#keys.set(Buffer.from(headerSegment, 'latin1').toString('latin1'), key)
  }
}
