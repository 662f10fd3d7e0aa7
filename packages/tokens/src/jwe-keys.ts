import { CompactEncrypt, compactDecrypt, type JWK } from 'jose'
import { TokenError } from './errors.ts'
import { contentKeyBytes, type JweAlgorithm, type JweEncryption, type JweTraits, jweTraits } from './jwe-algorithms.ts'
import { checkPurpose, encryptionMembers, type KeyOperation, privateMembers, refuseKey, secretBytes } from './jwk-checks.ts'
import { importKeyObject } from './keys.ts'

/** A key that decrypts, prepared once. It is for one algorithm: the key decides which, never the token. */
export interface DecryptionKey {
  readonly kid: string | undefined
  readonly alg: JweAlgorithm
  /** The content encryption that a key for `dir` is for; others are for any. */
  readonly enc: JweEncryption | undefined
  /**
   * Decrypts a compact JWE whose header has been checked. What fails is a rejection, of no particular kind.
   * @param limits `maxPbes2Count` in rounds, `maxInflated` in bytes
   */
  decrypt(compact: string, limits: { readonly maxPbes2Count: number; readonly maxInflated: number }): Promise<Uint8Array>
}

/** A key that encrypts for one reader. */
export interface EncryptionKey {
  readonly kid: string | undefined
  readonly alg: JweAlgorithm
  readonly enc: JweEncryption
  /** A compact JWE with `alg`, `enc`, `kid` and `header` as its protected header. */
  encrypt(plaintext: Uint8Array, header: Readonly<Record<string, unknown>>): Promise<string>
}

/** Options of {@link importDecryptionKey} and {@link importEncryptionKey}. */
export interface JweKeyOptions {
  /** What a key without `alg` is for; one that has an `alg` must agree. */
  readonly alg?: JweAlgorithm
  /** How the content is encrypted. For `dir`: needed where the key's `alg` does not say it. Encrypting: default `A256GCM`. */
  readonly enc?: JweEncryption
}

type Key = Awaited<ReturnType<typeof importKeyObject>> | Uint8Array

const TO_DECRYPT: Record<JweTraits['kind'], readonly [KeyOperation, ...KeyOperation[]]> = {
  rsa: ['unwrapKey', 'decrypt'],
  agreement: ['deriveBits', 'deriveKey'],
  wrapping: ['unwrapKey', 'decrypt'],
  direct: ['decrypt'],
  password: ['deriveBits', 'deriveKey'],
}
const TO_ENCRYPT: typeof TO_DECRYPT = {
  ...TO_DECRYPT,
  rsa: ['wrapKey', 'encrypt'],
  wrapping: ['wrapKey', 'encrypt'],
  direct: ['encrypt'],
}

// What is made of it is a key for anyone who can guess it, offline, from one token.
const MIN_PASSWORD_BYTES = 16
const MAX_PASSWORD_BYTES = 128

/**
 * Imports a key for decrypting: a private JWK of RSA, of P-256, P-384, P-521 or X25519, or a secret (`kty: oct`). Everything that is
 * wrong with it is found here: a private key decrypts once what its public half encrypted.
 *
 * Its `alg` is a key management algorithm, or for `dir` the content encryption, as RFC 7520 §5.6 writes it.
 *
 * @throws TokenError `tokens.key_malformed`, `tokens.key_use`, `tokens.key_operations`, `tokens.key_unsupported`,
 * `tokens.key_algorithm_mismatch`, `tokens.key_size`, `tokens.key_exponent`, `tokens.key_weak`, `tokens.key_off_curve`,
 * `tokens.key_public`
 */
export async function importDecryptionKey(jwk: JWK, options: JweKeyOptions = {}): Promise<DecryptionKey> {
  const { alg, enc, traits } = purposeOf(jwk, options)
  checkPurpose(jwk, ...TO_DECRYPT[traits.kind])
  if (isSecret(traits)) return decryptionKey(jwk, alg, enc, secretFor(jwk, traits, enc))
  const members = encryptionMembers(jwk)
  if (typeof jwk.d !== 'string') throw refuseKey('tokens.key_public', jwk, 'a public key stands where a private one belongs')
  const key = await importKeyObject({ ...members, ...privateMembers(jwk) }, alg, jwk)
  const imported = decryptionKey(jwk, alg, enc, key)
  if (!(await areHalvesOfOne(imported, await publicEncryptionKey(members, alg, 'A256GCM', jwk)))) {
    throw refuseKey('tokens.key_malformed', jwk, 'its private half does not belong to its public one')
  }
  return imported
}

/**
 * Imports a key for encrypting: a reader's public JWK, or the secret that is shared with him (`kty: oct`). No password: PBES2 is only
 * read, where an allow-list names it.
 *
 * @throws TokenError as {@link importDecryptionKey}, and `tokens.key_private`
 */
export async function importEncryptionKey(jwk: JWK, options: JweKeyOptions = {}): Promise<EncryptionKey> {
  const { alg, enc = 'A256GCM', traits } = purposeOf(jwk, options)
  if (traits.kind === 'password') throw refuseKey('tokens.key_unsupported', jwk, 'a password is not what we encrypt with')
  // A public key for an agreement takes part in no operation of its own: WebCrypto exports it with an empty list.
  const marked = !(traits.kind === 'agreement' && Array.isArray(jwk.key_ops) && jwk.key_ops.length === 0)
  const { key_ops: _, ...unmarked } = jwk
  checkPurpose(marked ? jwk : unmarked, ...TO_ENCRYPT[traits.kind])
  if (isSecret(traits)) return encryptionKey(jwk, alg, enc, secretFor(jwk, traits, enc))
  if (jwk.d !== undefined) throw refuseKey('tokens.key_private', jwk, 'a private key stands where a public one belongs')
  return publicEncryptionKey(encryptionMembers(jwk), alg, enc, jwk)
}

interface Purpose {
  readonly alg: JweAlgorithm
  readonly enc: JweEncryption | undefined
  readonly traits: JweTraits
}

function purposeOf(jwk: JWK, options: JweKeyOptions): Purpose {
  if (typeof jwk !== 'object' || jwk === null) throw new TokenError('tokens.key_malformed', 'a key is not an object')
  const own =
    typeof jwk.alg === 'string' && contentKeyBytes(jwk.alg) !== undefined ? { alg: 'dir', enc: jwk.alg } : { alg: jwk.alg }
  const alg: unknown = own.alg ?? options.alg
  const enc: unknown = own.enc ?? options.enc
  const traits = typeof alg === 'string' ? jweTraits(alg) : undefined
  if (traits === undefined) throw refuseKey('tokens.key_unsupported', jwk, 'no alg, or none that we encrypt and decrypt with')
  if ((options.alg ?? alg) !== alg || (options.enc ?? enc) !== enc) {
    throw refuseKey('tokens.key_algorithm_mismatch', jwk, 'its alg is not the one that was asked for')
  }
  if (enc !== undefined && (typeof enc !== 'string' || contentKeyBytes(enc) === undefined)) {
    throw new TokenError('tokens.options_invalid', 'enc is no content encryption of ours')
  }
  if (traits.kind === 'direct' && enc === undefined) {
    throw refuseKey('tokens.key_unsupported', jwk, 'a key for dir is for one enc, and this one names none')
  }
  if (!isKeyType(traits, jwk.kty)) throw refuseKey('tokens.key_algorithm_mismatch', jwk, `its alg is not one for its kty`)
  return { alg: alg as JweAlgorithm, enc: enc as JweEncryption | undefined, traits }
}

function isKeyType(traits: JweTraits, kty: unknown): boolean {
  if (isSecret(traits)) return kty === 'oct'
  return traits.kind === 'rsa' ? kty === 'RSA' : kty === 'EC' || kty === 'OKP'
}

type SecretTraits = Exclude<JweTraits, { readonly kind: 'rsa' | 'agreement' }>

function isSecret(traits: JweTraits): traits is SecretTraits {
  return traits.kind !== 'rsa' && traits.kind !== 'agreement'
}

function secretFor(jwk: JWK, traits: SecretTraits, enc: JweEncryption | undefined): Uint8Array {
  const bytes = secretBytes(jwk)
  const exact = traits.kind === 'wrapping' ? traits.keyBytes : traits.kind === 'direct' ? contentKeyBytes(enc ?? '') : undefined
  const [least, most] = exact === undefined ? [MIN_PASSWORD_BYTES, MAX_PASSWORD_BYTES] : [exact, exact]
  if (bytes.length < least || bytes.length > most) {
    throw refuseKey('tokens.key_size', jwk, `it has ${bytes.length} bytes; its algorithm takes ${least} to ${most}`)
  }
  return bytes
}

function decryptionKey(jwk: JWK, alg: JweAlgorithm, enc: JweEncryption | undefined, key: Key): DecryptionKey {
  return Object.freeze({
    kid: jwk.kid,
    alg,
    enc: alg === 'dir' ? enc : undefined,
    decrypt: async (compact: string, limits: { readonly maxPbes2Count: number; readonly maxInflated: number }) => {
      const decrypted = await compactDecrypt(compact, key, {
        keyManagementAlgorithms: [alg],
        maxPBES2Count: limits.maxPbes2Count,
        maxDecompressedLength: limits.maxInflated,
      })
      return decrypted.plaintext
    },
  })
}

function encryptionKey(jwk: JWK, alg: JweAlgorithm, enc: JweEncryption, key: Key): EncryptionKey {
  const own = { alg, enc, ...(jwk.kid !== undefined && { kid: jwk.kid }) }
  return Object.freeze({
    kid: jwk.kid,
    alg,
    enc,
    encrypt: (plaintext: Uint8Array, header: Readonly<Record<string, unknown>>) =>
      new CompactEncrypt(plaintext).setProtectedHeader({ ...header, ...own }).encrypt(key),
  })
}

const PROBE = Buffer.from('portcullis')

async function publicEncryptionKey(members: JWK, alg: JweAlgorithm, enc: JweEncryption, jwk: JWK): Promise<EncryptionKey> {
  const key = encryptionKey(jwk, alg, enc, await importKeyObject(members, alg, jwk))
  try {
    await key.encrypt(PROBE, {})
  } catch (cause) {
    // RFC 7748 §6.1: with a point of small order the shared secret is zero, whatever the private key.
    throw refuseKey('tokens.key_weak', jwk, 'nothing can be encrypted with it', cause)
  }
  return key
}

async function areHalvesOfOne(decrypting: DecryptionKey, encrypting: EncryptionKey): Promise<boolean> {
  try {
    const opened = await decrypting.decrypt(await encrypting.encrypt(PROBE, {}), { maxPbes2Count: 1, maxInflated: 0 })
    return PROBE.equals(opened)
  } catch {
    return false
  }
}
