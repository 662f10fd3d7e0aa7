import type { JWK } from 'jose'
import type { AsymmetricAlgorithm } from './algorithms.ts'
import { type ParsedJws, parseJws } from './jws.ts'
import { type ClientAnswer, type Refused, refused } from './refused.ts'
import { type JsonObject, parseJsonSegment } from './strict-json.ts'

/** Why a DPoP proof is refused. */
export type DpopReasonCode =
  | 'tokens.proof_missing'
  | 'tokens.proof_malformed'
  | 'tokens.proof_type_mismatch'
  | 'tokens.proof_algorithm_refused'
  | 'tokens.proof_key_refused'
  | 'tokens.proof_key_mismatch'
  | 'tokens.proof_signature_invalid'
  | 'tokens.proof_claims_malformed'
  | 'tokens.proof_method_mismatch'
  | 'tokens.proof_url_mismatch'
  | 'tokens.proof_token_mismatch'
  | 'tokens.proof_expired'
  | 'tokens.proof_issued_in_future'
  | 'tokens.proof_nonce_missing'
  | 'tokens.proof_nonce_invalid'
  | 'tokens.proof_replayed'

/** The answer to every proof that is not taken (RFC 9449 §7.1, §5). */
const INVALID_DPOP_PROOF: ClientAnswer = Object.freeze({
  error: 'invalid_dpop_proof',
  description: 'The DPoP proof is missing, expired, used before or not valid here',
})

/** The answer to a proof that lacks nothing but our nonce (RFC 9449 §8, §9). */
const USE_DPOP_NONCE: ClientAnswer = Object.freeze({
  error: 'use_dpop_nonce',
  description: 'The DPoP proof needs the nonce that the header DPoP-Nonce gives',
})

/** A refusal of a proof. */
export function refusedProof(code: DpopReasonCode, message: string): Refused<DpopReasonCode> {
  return refused(code, message, INVALID_DPOP_PROOF)
}

/** A refusal for want of a nonce that we gave. */
export function refusedNonce(code: DpopReasonCode, message: string): Refused<DpopReasonCode> {
  return refused(code, message, USE_DPOP_NONCE)
}

/** The claims of a proof that are looked at (RFC 9449 §4.2). */
export interface ProofClaims {
  readonly jti: string
  readonly htm: string
  readonly htu: string
  /** Seconds since the epoch. */
  readonly iat: number
  readonly ath?: string
  readonly nonce?: string
}

/** A proof, taken apart; nothing of it is believed yet. */
export interface ParsedProof {
  readonly ok: true
  readonly jws: ParsedJws
  readonly alg: AsymmetricAlgorithm
  readonly jwk: JWK
  readonly claims: ProofClaims
}

const MISSING = refusedProof('tokens.proof_missing', 'the request has no DPoP proof')
const SEVERAL = refusedProof('tokens.proof_malformed', 'the request has more than one DPoP header')
const MALFORMED = refusedProof('tokens.proof_malformed', 'the DPoP header is not one well-formed JWT')
const TYPE = refusedProof('tokens.proof_type_mismatch', 'typ is not dpop+jwt')
const ALGORITHM = refusedProof('tokens.proof_algorithm_refused', 'the algorithm is not allowed')
const NO_KEY = refusedProof('tokens.proof_key_refused', 'the header has no jwk')
const CLAIMS = refusedProof('tokens.proof_claims_malformed', 'jti, htm, htu or iat is missing, or a claim has the wrong type')

/** The form of a proof: RFC 9449 §4.3, checks 1 to 5. Never throws. */
export function parseProof(
  header: string | readonly string[] | undefined,
  allowed: ReadonlySet<string>,
  maxLength: number,
): ParsedProof | Refused<DpopReasonCode> {
  if (header === undefined) return MISSING
  // Node joins several lines by commas, which no JWT has; another server may give a list.
  if (typeof header !== 'string') return SEVERAL
  const jws = parseJws(header, maxLength)
  if (!jws.ok) return MALFORMED
  const { typ, alg, jwk } = jws.header
  if (typ !== 'dpop+jwt') return TYPE
  // `none` and secrets are in no list.
  if (!allowed.has(alg)) return ALGORITHM
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk)) return NO_KEY
  const claims = parseJsonSegment(jws.payload)
  if (claims === 'not base64url') return MALFORMED
  if (claims === 'not an object' || !isProofClaims(claims)) return CLAIMS
  return { ok: true, jws, alg: alg as AsymmetricAlgorithm, jwk: jwk as JWK, claims }
}

function isProofClaims(claims: JsonObject): claims is JsonObject & ProofClaims {
  const { jti, htm, htu, iat, ath, nonce } = claims
  if (!isText(jti) || !isText(htm) || !isText(htu)) return false
  if (typeof iat !== 'number' || iat < 0 || iat > Number.MAX_SAFE_INTEGER) return false
  return (ath === undefined || isText(ath)) && (nonce === undefined || isText(nonce))
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
