import { type Algorithm, ASYMMETRIC_ALGORITHMS, HMAC_ALGORITHMS } from './algorithms.ts'
import { decodeBase64url, decodedLength, isPlain, writeBase64url } from './base64url.ts'
import { deepFreeze } from './deep-freeze.ts'
import { TokenError } from './errors.ts'
import type { KeyHint, KeySource } from './key-source.ts'
import type { VerificationKey } from './keys.ts'
import { wholeNumber } from './options.ts'
import { type Refused, refused } from './refused.ts'
import { parseJsonSegment } from './strict-json.ts'

/** The protected header of a JWS (RFC 7515 §4). `jku`, `x5u`, `jwk` and `x5c` may be in it, and nothing here reads them. */
export interface JwsHeader {
  readonly alg: string
  readonly kid?: string
  readonly typ?: string
  readonly [parameter: string]: unknown
}

/** Why a JWS is refused. */
export type JwsReasonCode =
  | 'tokens.too_long'
  | 'tokens.malformed'
  | 'tokens.header_invalid'
  | 'tokens.critical_unknown'
  | 'tokens.algorithm_refused'
  | 'tokens.key_unknown'
  | 'tokens.signature_invalid'

/** What {@link verifyJws} found. */
export type JwsResult = { readonly ok: true; readonly header: JwsHeader; readonly payload: Uint8Array } | Refused<JwsReasonCode>

/** Options of {@link verifyJws}. */
export interface JwsOptions {
  /** Default: all of the kind that the source has. */
  readonly algorithms?: readonly Algorithm[]
  /** The longest text to look at, in characters. Default: 8192. */
  readonly maxLength?: number
}

/** The default of `maxLength`, in characters. Node lets all headers of a request together have 16 KiB. */
export const MAX_TOKEN_LENGTH = 8192

const ALL_HMAC: ReadonlySet<string> = new Set(HMAC_ALGORITHMS)
const ALL_ASYMMETRIC: ReadonlySet<string> = new Set(ASYMMETRIC_ALGORITHMS)

const TOO_LONG = refused('tokens.too_long', 'the token is longer than allowed')
/** A segment that is spelled in another way than the one. */
export const MALFORMED: Refused<'tokens.malformed'> = refused(
  'tokens.malformed',
  'the token is not three segments of canonical base64url',
)
const NO_HEADER = refused('tokens.malformed', 'the header is not a JSON object, or names a member twice')
const HEADER = refused('tokens.header_invalid', 'alg is missing, or a header parameter has the wrong type')
const CRITICAL = refused('tokens.critical_unknown', 'the header demands an extension, and none is understood')
const ALGORITHM = refused('tokens.algorithm_refused', 'the algorithm is not allowed, or is not that of the key')
const NO_KEY = refused('tokens.key_unknown', 'no key is known, or more than one could be meant')
const SIGNATURE = refused('tokens.signature_invalid', 'the signature does not match')

/** A compact JWS, taken apart; nothing of it is believed yet. */
export interface ParsedJws {
  readonly ok: true
  readonly compact: string
  readonly header: JwsHeader
  /** Characters. */
  readonly headerLength: number
  /** Characters of header and payload with the point between them: what is signed (RFC 7515 §5.1). */
  readonly signingLength: number
  /** base64url; not decoded yet. */
  readonly payload: string
  /** base64url; not decoded yet. */
  readonly signature: string
}

/**
 * Verifies a compact JWS (RFC 7515 §5.2) with any payload: the layer below `createVerifier`, which is what tokens want.
 * Synchronous whenever the source is.
 * @throws TokenError `tokens.options_invalid`; `tokens.keys_unavailable`
 */
export function verifyJws(compact: string, keys: KeySource, options: JwsOptions = {}): JwsResult | Promise<JwsResult> {
  const allowed = allowedAlgorithms(keys, options.algorithms)
  const maxLength = wholeNumber('maxLength', options.maxLength ?? MAX_TOKEN_LENGTH, { min: 1, max: 1_048_576 })
  const parsed = parseJws(compact, maxLength)
  if (!parsed.ok) return parsed
  const payload = decodeBase64url(parsed.payload)
  if (payload === undefined) return MALFORMED
  const finish = (key: VerificationKey | Refused<JwsReasonCode>): JwsResult => {
    // A copy: the decoded bytes lie in memory that Node shares among small buffers.
    return isRefused(key) ? key : { ok: true, header: parsed.header, payload: new Uint8Array(payload) }
  }
  const key = checkSignature(parsed, keys, allowed)
  return key instanceof Promise ? key.then(finish) : finish(key)
}

/**
 * The algorithms that a source may be used with: of one kind, never of two.
 * @throws TokenError `tokens.options_invalid`
 */
export function allowedAlgorithms(keys: KeySource, algorithms?: readonly Algorithm[]): ReadonlySet<string> {
  const possible: readonly Algorithm[] = keys.kind === 'hmac' ? HMAC_ALGORITHMS : ASYMMETRIC_ALGORITHMS
  if (algorithms === undefined) return keys.kind === 'hmac' ? ALL_HMAC : ALL_ASYMMETRIC
  if (!Array.isArray(algorithms) || algorithms.length === 0 || !algorithms.every((alg) => possible.includes(alg))) {
    throw new TokenError('tokens.options_invalid', `algorithms must name some of ${possible.join(', ')}, and no others`)
  }
  return new Set(algorithms)
}

/** Takes a compact JWS apart, strictly, before any cryptography. Never throws. */
export function parseJws(compact: string, maxLength: number): ParsedJws | Refused<JwsReasonCode> {
  if (typeof compact !== 'string') return MALFORMED
  if (compact.length > maxLength) return TOO_LONG
  if (!isPlain(compact)) return MALFORMED
  const known = lastHeader !== undefined && compact.startsWith(lastHeader.start) ? lastHeader : undefined
  const first = known === undefined ? compact.indexOf('.') : known.start.length - 1
  const second = compact.indexOf('.', first + 1)
  if (first < 1 || second < 0 || compact.indexOf('.', second + 1) >= 0) return MALFORMED
  const parsed = known ?? headerOf(compact.slice(0, first))
  if (!parsed.ok) return parsed
  return {
    ok: true,
    compact,
    header: parsed.header,
    headerLength: first,
    signingLength: second,
    payload: compact.slice(first + 1, second),
    signature: compact.slice(second + 1),
  }
}

interface ParsedHeader {
  readonly ok: true
  readonly header: JwsHeader
  /** Its segment and the point behind it: how a token begins that has this header. */
  readonly start: string
}

function headerOf(segment: string): ParsedHeader | Refused<JwsReasonCode> {
  return headers.get(segment) ?? parseHeader(segment)
}

function parseHeader(segment: string): ParsedHeader | Refused<JwsReasonCode> {
  const header = parseJsonSegment(segment)
  if (header === 'not base64url') return MALFORMED
  if (header === 'not an object') return NO_HEADER
  const { alg, kid, typ } = header as Partial<JwsHeader>
  if (typeof alg !== 'string') return HEADER
  if (kid !== undefined && typeof kid !== 'string') return HEADER
  if (typ !== undefined && typeof typ !== 'string') return HEADER
  // RFC 7515 §4.1.11: what is critical and not understood is refused, and no extension is understood here. RFC 7797 §6: `b64`
  // counts only where it is critical; one that is not would be read in two ways.
  if (Object.hasOwn(header, 'crit') || Object.hasOwn(header, 'b64')) return CRITICAL
  return { ok: true, header: header as JwsHeader, start: `${segment}.` }
}

/**
 * Finds the key and checks the signature.
 * @returns the key, when the signature is good
 */
export function checkSignature(
  parsed: ParsedJws,
  keys: KeySource,
  allowed: ReadonlySet<string>,
): VerificationKey | Refused<JwsReasonCode> | Promise<VerificationKey | Refused<JwsReasonCode>> {
  // `none` is in no list.
  if (!allowed.has(parsed.header.alg)) return ALGORITHM
  const found = keys.find(hintOf(parsed.header))
  return found instanceof Promise ? found.then((key) => checkWith(key, parsed, allowed)) : checkWith(found, parsed, allowed)
}

/** What a source is told of a token: by whatever else is in a header, keys are not found. */
export function hintOf({ kid, alg }: JwsHeader): KeyHint {
  return kid === undefined ? { alg } : { kid, alg }
}

/** Whether something was refused, rather than found. */
export function isRefused<Code extends string>(one: VerificationKey | Refused<Code>): one is Refused<Code> {
  return 'reason' in one
}

function checkWith(
  key: VerificationKey | undefined,
  parsed: ParsedJws,
  allowed: ReadonlySet<string>,
): VerificationKey | Refused<JwsReasonCode> {
  if (key === undefined) return NO_KEY
  // The key decides. Both halves matter: a source is somebody else's code.
  if (key.alg !== parsed.header.alg || !allowed.has(key.alg)) return ALGORITHM
  const refusal = checkSignatureOf(key, parsed)
  if (refusal !== undefined) return refusal
  rememberHeader(parsed)
  return key
}

// One of each for all tokens: a key is done with them when it answers. No signature is longer than that of RSA with 8192 bits.
let signingInput = Buffer.allocUnsafeSlow(MAX_TOKEN_LENGTH)
const signatureBytes = Buffer.allocUnsafeSlow(1024)
let signatureView = signatureBytes

/**
 * Checks the signature by one key, whatever the header says of algorithm and key.
 * @returns `undefined` when it is good
 */
export function checkSignatureOf(
  key: Pick<VerificationKey, 'verify'>,
  { compact, signingLength, signature }: ParsedJws,
): Refused<JwsReasonCode> | undefined {
  if (decodedLength(signature) > signatureBytes.length) return SIGNATURE
  const signatureLength = writeBase64url(signatureBytes, signature)
  if (signatureLength === undefined) return MALFORMED
  if (signingLength > signingInput.length) signingInput = Buffer.allocUnsafeSlow(signingLength)
  signingInput.write(compact, 0, signingLength, 'latin1')
  // Signatures of one algorithm are of one length.
  if (signatureView.length !== signatureLength) signatureView = signatureBytes.subarray(0, signatureLength)
  return key.verify(signingInput.subarray(0, signingLength), signatureView) ? undefined : SIGNATURE
}

/*
 * Issuers write the same header into every token until they rotate. It is kept parsed, by its text; what it means depends on
 * nothing else. Only headers under a good signature are kept, so that a flood of invented ones pushes nothing out. Mostly it is the
 * one of the token before.
 */
const headers = new Map<string, ParsedHeader>()
let lastHeader: ParsedHeader | undefined
const MAX_HEADERS = 64
const MAX_HEADER_LENGTH = 1024

function rememberHeader({ compact, header, headerLength }: ParsedJws): void {
  if (lastHeader?.header === header || headerLength > MAX_HEADER_LENGTH) return
  // A copy: the segment is a window onto the token, and would keep all of it in memory.
  const segment = Buffer.from(compact.slice(0, headerLength), 'latin1').toString('latin1')
  lastHeader = headers.get(segment)
  if (lastHeader !== undefined) return
  if (headers.size >= MAX_HEADERS) headers.delete(headers.keys().next().value as string)
  lastHeader = { ok: true, header: deepFreeze(header), start: `${segment}.` }
  headers.set(segment, lastHeader)
}
