import { errors } from 'jose'
import { decodeBase64url } from './base64url.ts'
import { TokenError } from './errors.ts'
import {
  JWE_ALGORITHMS,
  JWE_ENCRYPTIONS,
  type JweAlgorithm,
  type JweEncryption,
  jweTraits,
  MODERN_JWE_ALGORITHMS,
} from './jwe-algorithms.ts'
import type { DecryptionKey, EncryptionKey } from './jwe-keys.ts'
import { KeyIndex } from './key-source.ts'
import { wholeNumber } from './options.ts'
import { callersHeader, type HeaderMembers } from './protected-header.ts'
import { type Refused, refused } from './refused.ts'
import { parseJsonObject } from './strict-json.ts'

/** The protected header of a JWE (RFC 7516 §4). */
export interface JweHeader {
  readonly alg: string
  readonly enc: string
  readonly kid?: string
  readonly typ?: string
  readonly cty?: string
  readonly [parameter: string]: unknown
}

/** Options of {@link createJweDecrypter}. */
export interface JweDecrypterOptions {
  readonly keys: readonly DecryptionKey[]
  /**
   * Default: every {@link JweAlgorithm} but RSA-OAEP (over SHA-1) and PBES2, which have to be named; a key for what is not allowed is
   * refused here. The key still decides.
   */
  readonly algorithms?: readonly JweAlgorithm[]
  /** Default: every {@link JweEncryption}. */
  readonly encryptions?: readonly JweEncryption[]
  /** The longest text to look at, in characters. Default: 12,288, into which an encrypted token of 8192 fits. */
  readonly maxLength?: number
  /** The most rounds that a PBES2 header may ask for (`p2c`), at most 1,000,000. Default: 10,000. */
  readonly maxPbes2Count?: number
  /**
   * Bytes that compressed content (`zip`) may have once it is inflated. Default: 0, which refuses `zip`. Leave it so: how long compressed
   * content is tells what is in it (RFC 8725 §3.6).
   */
  readonly maxInflated?: number
}

/** Why a JWE is refused. */
export type JweReasonCode =
  | 'tokens.jwe_too_long'
  | 'tokens.jwe_malformed'
  | 'tokens.jwe_header_invalid'
  | 'tokens.jwe_critical_unknown'
  | 'tokens.jwe_algorithm_refused'
  | 'tokens.jwe_encryption_refused'
  | 'tokens.jwe_compression_refused'
  | 'tokens.jwe_key_unknown'
  | 'tokens.jwe_work_refused'
  | 'tokens.jwe_inflation_failed'
  | 'tokens.jwe_decryption_failed'

/** What a decrypter found. `reason` is for the log; the client's answer is the same whatever it was, so that nobody can ask for keys. */
export type JweResult = { readonly ok: true; readonly header: JweHeader; readonly plaintext: Uint8Array } | Refused<JweReasonCode>

/** Decrypts compact JWEs. */
export interface JweDecrypter {
  /** Never rejects because of what a token says. */
  decrypt(compact: string): Promise<JweResult>
  /**
   * The header of a JWE that names an algorithm and a key of this decrypter, for choosing among several. Nothing is decrypted, and
   * nothing of it is believed yet.
   */
  recognise(compact: string): JweHeader | undefined
}

const TOO_LONG = refused('tokens.jwe_too_long', 'the JWE is longer than allowed')
const MALFORMED = refused('tokens.jwe_malformed', 'the JWE is not five segments of canonical base64url')
const NO_HEADER = refused('tokens.jwe_malformed', 'the header is not a JSON object, or names a member twice')
const HEADER = refused('tokens.jwe_header_invalid', 'alg or enc is missing, or a header parameter has the wrong type')
const CRITICAL = refused('tokens.jwe_critical_unknown', 'the header demands an extension, and none is understood')
const ALGORITHM = refused('tokens.jwe_algorithm_refused', 'the algorithm is not allowed, or is not that of the key')
const ENCRYPTION = refused('tokens.jwe_encryption_refused', 'the content encryption is not allowed, or is not that of the key')
const COMPRESSED = refused('tokens.jwe_compression_refused', 'compressed content is not allowed')
const NO_KEY = refused('tokens.jwe_key_unknown', 'no key is known, or more than one could be meant')
const WORK = refused('tokens.jwe_work_refused', 'p2c is no number of rounds, or more than allowed')
const INFLATION = refused('tokens.jwe_inflation_failed', 'the content does not inflate, or to more than allowed')
const DECRYPTION = refused('tokens.jwe_decryption_failed', 'the JWE does not decrypt under its key')

/**
 * Compiles a decrypter. That a JWE decrypts says who may read it, and nothing about who wrote it: to a public key anybody can encrypt.
 * For tokens take `createNestedVerifier`, which verifies what is inside.
 *
 * @throws TokenError `tokens.options_invalid`, `tokens.key_id_duplicate`
 * @example const decrypter = createJweDecrypter({ keys: [await importDecryptionKey(privateJwk)] })
 */
export function createJweDecrypter(options: JweDecrypterOptions): JweDecrypter {
  const algorithms = allowed('algorithms', options.algorithms, JWE_ALGORITHMS, MODERN_JWE_ALGORITHMS)
  const encryptions = allowed('encryptions', options.encryptions, JWE_ENCRYPTIONS, JWE_ENCRYPTIONS)
  const maxLength = wholeNumber('maxLength', options.maxLength ?? 12_288, { min: 1, max: 1_048_576 })
  const maxPbes2Count = wholeNumber('maxPbes2Count', options.maxPbes2Count ?? 10_000, { min: 1, max: 1_000_000 })
  const maxInflated = wholeNumber('maxInflated', options.maxInflated ?? 0, { min: 0, max: 16_777_216 })
  const keys = indexOf(options.keys, algorithms)

  /** Everything that can be refused before there is work to do. */
  const choose = (compact: string): Chosen | Refused<JweReasonCode> => {
    const header = parseHeader(compact, maxLength)
    if ('ok' in header) return header
    const { alg, enc } = header.parameters
    if (!algorithms.has(alg)) return ALGORITHM
    if (!encryptions.has(enc)) return ENCRYPTION
    if (Object.hasOwn(header.parameters, 'zip') && (maxInflated === 0 || header.parameters['zip'] !== 'DEF')) return COMPRESSED
    const key = keys.find(header.parameters)
    if (key === undefined) return NO_KEY
    if (key.alg !== alg) return ALGORITHM
    if (key.enc !== undefined && key.enc !== enc) return ENCRYPTION
    // CVE-2024-28176 and its kin: the count is the sender's, and the work would be ours.
    if (jweTraits(alg)?.kind === 'password' && !isCount(header.parameters['p2c'], maxPbes2Count)) return WORK
    return { header: header.parameters, key }
  }

  return {
    async decrypt(compact) {
      const chosen = choose(compact)
      if ('ok' in chosen) return chosen
      const { header, key } = chosen
      try {
        return { ok: true, header, plaintext: await key.decrypt(compact, { maxPbes2Count, maxInflated }) }
      } catch (error) {
        // Content that does not authenticate is never inflated, and jose has another error for it.
        const inflating = Object.hasOwn(header, 'zip') && error instanceof errors.JWEInvalid
        return inflating ? INFLATION : DECRYPTION
      }
    },
    recognise(compact) {
      const chosen = choose(compact)
      return 'ok' in chosen ? undefined : chosen.header
    },
  }
}

/**
 * Encrypts any bytes for the reader whose key it is, as a compact JWE (RFC 7516 §5.1). Content is never compressed.
 *
 * @param header further members of the protected header, such as `cty`; it is readable for everybody
 * @throws TokenError `tokens.header_reserved`, `tokens.options_invalid` (rejections)
 */
export async function encryptJwe(plaintext: Uint8Array, key: EncryptionKey, header: HeaderMembers = {}): Promise<string> {
  return key.encrypt(plaintext, callersHeader(header))
}

interface Chosen {
  readonly header: JweHeader
  readonly key: DecryptionKey
}

function indexOf(keys: readonly DecryptionKey[], algorithms: ReadonlySet<string>): KeyIndex<DecryptionKey> {
  if (!Array.isArray(keys) || keys.length === 0) throw new TokenError('tokens.options_invalid', 'a decrypter needs a key')
  const unused = keys.find((key) => !algorithms.has(key.alg))
  if (unused !== undefined)
    throw new TokenError('tokens.options_invalid', `a key is for ${unused.alg}, which algorithms does not have`)
  const index = new KeyIndex<DecryptionKey>(keys)
  if (index.duplicates.size > 0) throw new TokenError('tokens.key_id_duplicate', 'two keys of a decrypter have one kid')
  return index
}

function allowed<T extends string>(
  name: string,
  given: readonly T[] | undefined,
  all: readonly T[],
  usual: readonly T[],
): Set<string> {
  if (given === undefined) return new Set(usual)
  if (!Array.isArray(given) || given.length === 0 || !given.every((one) => all.includes(one))) {
    throw new TokenError('tokens.options_invalid', `${name} must name some of ${all.join(', ')}, and no others`)
  }
  return new Set(given)
}

function parseHeader(compact: string, maxLength: number): { readonly parameters: JweHeader } | Refused<JweReasonCode> {
  if (typeof compact !== 'string') return MALFORMED
  if (compact.length > maxLength) return TOO_LONG
  const [first, ...rest] = compact.split('.', 6).map(decodeBase64url)
  if (first === undefined || rest.length !== 4 || rest.includes(undefined)) return MALFORMED
  const header = parseJsonObject(first)
  if (header === undefined) return NO_HEADER
  const { alg, enc, kid, typ, cty } = header as Partial<JweHeader>
  if (typeof alg !== 'string' || typeof enc !== 'string') return HEADER
  if (![kid, typ, cty].every((one) => one === undefined || typeof one === 'string')) return HEADER
  // RFC 7516 §4.1.13: what is critical and not understood is refused, and no extension is understood here.
  if (Object.hasOwn(header, 'crit')) return CRITICAL
  return { parameters: header as JweHeader }
}

function isCount(value: unknown, most: number): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= most
}
