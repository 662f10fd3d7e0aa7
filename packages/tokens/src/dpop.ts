import { createHash } from 'node:crypto'
import { type Clock, type Collection, type Store, systemClock } from '@portcullis/core'
import { ASYMMETRIC_ALGORITHMS, type AsymmetricAlgorithm } from './algorithms.ts'
import { importProofKey, type ProofKey, ProofKeyCache } from './dpop-key.ts'
import type { DpopNonces } from './dpop-nonce.ts'
import { type DpopReasonCode, type ParsedProof, parseProof, refusedNonce, refusedProof } from './dpop-proof.ts'
import { createUrlCheck, type UrlCheck } from './dpop-url.ts'
import { TokenError } from './errors.ts'
import { checkSignatureOf } from './jws.ts'
import { seconds, wholeNumber } from './options.ts'
import type { Refused } from './refused.ts'

/** Options of {@link createDpopVerifier}. */
export interface DpopVerifierOptions {
  /** Remembers proofs until they have expired: one that all processes share. */
  readonly store: Store
  /** What clients call us, such as `https://api.example.com`, or several: `htu` is held against it, and against no header. */
  readonly origin: string | readonly string[]
  /** What a proxy in front cuts off the paths, such as `/v1`. Default: nothing. */
  readonly pathPrefix?: string
  /** What proofs may be signed with. Default: `ES256`, `EdDSA`, `PS256`. */
  readonly algorithms?: readonly AsymmetricAlgorithm[]
  /** Seconds after its `iat` for which a proof is taken. Default: 60; at most 600. */
  readonly maxAge?: number
  /** Seconds by which the clocks of clients may differ from ours. Default: 10; at most 60. */
  readonly clockTolerance?: number
  /** With it, every proof must have a nonce of ours as well. Default: none is asked for. */
  readonly nonces?: DpopNonces | undefined
  /** The longest proof to look at, in characters. Default: 4096. */
  readonly maxLength?: number
  readonly clock?: Clock
}

/** A proof, and the request that it came with. */
export interface PresentedProof {
  /** The header `DPoP` as the request has it: absent, one, or several. */
  readonly proof: string | readonly string[] | undefined
  readonly method: string
  /** Path and query of the request, as sent: `RequestView.target`. */
  readonly target: string
  /** The access token beside the proof; a resource server must give it. At a token endpoint there is none. */
  readonly accessToken?: string
  /** The thumbprint that the access token names: another key is refused. */
  readonly jkt?: string
}

/** What {@link DpopVerifier.verify} found. `nonce`: what to send in `DPoP-Nonce` with the answer. */
export type DpopResult =
  | {
      readonly ok: true
      /** The thumbprint of the key that was proven (RFC 7638): what an access token carries as `cnf.jkt`. */
      readonly jkt: string
      readonly nonce?: string
    }
  | (Refused<DpopReasonCode> & { readonly nonce?: string })

/** Verifies proofs of possession: at a resource server, and at a token endpoint. */
export interface DpopVerifier {
  /** What proofs may be signed with: for challenges and metadata. */
  readonly algorithms: readonly AsymmetricAlgorithm[]
  /**
   * The checks of RFC 9449 §4.3. A proof that passes all others is recorded, and by that one of any number of uses passes. Never
   * throws because of what a proof says.
   * @throws TokenError `tokens.proofs_unavailable` (503) when the store does not answer: nobody can tell a replay then
   */
  verify(presented: PresentedProof): Promise<DpopResult>
}

// FAPI 2.0 Security Profile §5.4: these, and no RSA with PKCS #1 v1.5.
const DEFAULT_ALGORITHMS: readonly AsymmetricAlgorithm[] = ['ES256', 'EdDSA', 'PS256']

// The store's clock decides when a record is gone, and may run ahead of ours. Milliseconds.
const STORE_CLOCK_MARGIN = 60_000

const KEY = refusedProof('tokens.proof_key_mismatch', 'the proof is made with another key than the token is bound to')
const SIGNATURE = refusedProof('tokens.proof_signature_invalid', 'the signature is not one of the key in the header')
const METHOD = refusedProof('tokens.proof_method_mismatch', 'htm is not the method of the request')
const URL_MISMATCH = refusedProof('tokens.proof_url_mismatch', 'htu is not the URL of the request')
const TOKEN = refusedProof('tokens.proof_token_mismatch', 'ath is missing, or is not the hash of the access token')
const EXPIRED = refusedProof('tokens.proof_expired', 'the proof was made too long ago')
const FUTURE = refusedProof('tokens.proof_issued_in_future', 'iat lies in the future')
const REPLAYED = refusedProof('tokens.proof_replayed', 'the proof was used before')
const NO_NONCE = refusedNonce('tokens.proof_nonce_missing', 'the proof has no nonce')
const NONCE = refusedNonce('tokens.proof_nonce_invalid', 'the nonce is too old, or was not given by us')

/**
 * @throws TokenError `tokens.options_invalid`
 * @example const dpop = createDpopVerifier({ store, origin: 'https://api.example.com' }); bearer({ verifier, dpop })
 */
export function createDpopVerifier(options: DpopVerifierOptions): DpopVerifier {
  return new StoredDpopVerifier(options)
}

class StoredDpopVerifier implements DpopVerifier {
  readonly algorithms: readonly AsymmetricAlgorithm[]
  readonly #allowed: ReadonlySet<string>
  readonly #proofs: Collection<true>
  readonly #isOurUrl: UrlCheck
  readonly #nonces: DpopNonces | undefined
  readonly #clock: Clock
  readonly #maxAge: number
  readonly #tolerance: number
  readonly #maxLength: number
  readonly #keys = new ProofKeyCache()

  constructor(options: DpopVerifierOptions) {
    const { algorithms = DEFAULT_ALGORITHMS, maxLength = 4096 } = options
    if (
      !Array.isArray(algorithms) ||
      algorithms.length === 0 ||
      !algorithms.every((alg) => ASYMMETRIC_ALGORITHMS.includes(alg))
    ) {
      throw new TokenError('tokens.options_invalid', `algorithms must name some of ${ASYMMETRIC_ALGORITHMS.join(', ')}`)
    }
    if (typeof options.store?.collection !== 'function') throw new TokenError('tokens.options_invalid', 'store must be a store')
    this.algorithms = Object.freeze([...algorithms])
    this.#allowed = new Set(algorithms)
    this.#maxLength = wholeNumber('maxLength', maxLength, { min: 1, max: 1_048_576 })
    this.#isOurUrl = createUrlCheck(options.origin, options.pathPrefix)
    this.#nonces = options.nonces
    this.#clock = options.clock ?? systemClock
    this.#maxAge = 1000 * seconds('maxAge', options.maxAge ?? 60, { min: 1, max: 600 })
    // FAPI 2.0 Security Profile §5.3.2.1: 10 seconds ahead are taken, more than 60 are not.
    this.#tolerance = 1000 * seconds('clockTolerance', options.clockTolerance ?? 10, { min: 0, max: 60 })
    this.#proofs = options.store.collection<true>({ name: 'tokens.proofs', keep: 'hot' })
  }

  async verify(presented: PresentedProof): Promise<DpopResult> {
    const proof = parseProof(presented.proof, this.#allowed, this.#maxLength)
    if (!proof.ok) return proof
    const key = this.#checkClaims(proof, presented) ?? (await this.#key(proof))
    if ('ok' in key) return key
    if (presented.jkt !== undefined && presented.jkt !== key.jkt) return KEY
    if (checkSignatureOf(key, proof.jws) !== undefined) return SIGNATURE
    this.#keys.remember(headerOf(proof), key)
    const { standing, next } = this.#nonce(proof.claims.nonce)
    if (standing === 'missing') return { ...NO_NONCE, ...next }
    if (standing === 'refused') return { ...NONCE, ...next }
    // Last: a proof that is refused for anything else stays unused, and fills no store.
    if (!(await this.#record(key.jkt, proof))) return REPLAYED
    return { ok: true, jkt: key.jkt, ...next }
  }

  #checkClaims({ claims }: ParsedProof, { method, target, accessToken }: PresentedProof): Refused<DpopReasonCode> | undefined {
    // RFC 9110 §9.1: methods have letter case.
    if (claims.htm !== method) return METHOD
    if (!this.#isOurUrl(claims.htu, target)) return URL_MISMATCH
    if (accessToken !== undefined && claims.ath !== sha256(accessToken)) return TOKEN
    const now = this.#clock.now()
    if (now + this.#tolerance < claims.iat * 1000) return FUTURE
    return now >= this.#acceptableUntil(claims.iat) ? EXPIRED : undefined
  }

  /** Milliseconds since the epoch. */
  #acceptableUntil(iat: number): number {
    return iat * 1000 + this.#maxAge + this.#tolerance
  }

  async #key(proof: ParsedProof): Promise<ProofKey | Refused<DpopReasonCode>> {
    try {
      return this.#keys.find(headerOf(proof)) ?? (await importProofKey(proof.jwk, proof.alg))
    } catch (error) {
      const code = error instanceof TokenError ? error.code : 'tokens.key_malformed'
      return refusedProof('tokens.proof_key_refused', `the key in the header is refused: ${code}`)
    }
  }

  #nonce(given: string | undefined): {
    readonly standing: 'missing' | 'refused' | 'aging' | 'good'
    readonly next: { readonly nonce?: string }
  } {
    const nonces = this.#nonces
    if (nonces === undefined) return { standing: 'good', next: {} }
    const standing = given === undefined ? 'missing' : nonces.check(given)
    return { standing, next: standing === 'good' ? {} : { nonce: nonces.current() } }
  }

  /** False: it is there already. A record outlives the time in which its proof is acceptable. */
  async #record(jkt: string, { claims }: ParsedProof): Promise<boolean> {
    const expiresAt = Math.ceil(this.#acceptableUntil(claims.iat)) + STORE_CLOCK_MARGIN
    try {
      // Of the key and not of the URL (RFC 9449 §11.1): a jti is used once (§4.2), wherever that was. A thumbprint has 43 characters.
      return await this.#proofs.create(sha256(`${jkt}.${claims.jti}`), true, { expiresAt })
    } catch (cause) {
      throw new TokenError('tokens.proofs_unavailable', 'proofs can not be recorded', { cause, status: 503 })
    }
  }
}

/** The text of the header, which holds key and algorithm. */
function headerOf({ jws }: ParsedProof): string {
  return jws.compact.slice(0, jws.headerLength)
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
