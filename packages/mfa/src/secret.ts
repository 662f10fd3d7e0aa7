import { randomBytes } from 'node:crypto'
import { Secret } from 'otpauth'
import { MfaError } from './errors.ts'
import type { OtpAlgorithm } from './otp.ts'

// RFC 6238 §5.1 with its erratum: a key as long as the hash. RFC 4226 §4 R6 recommends 160 bits, which is the least here.
const sizes: Readonly<Record<OtpAlgorithm, number>> = { SHA1: 20, SHA256: 32, SHA512: 64 }

/** A new secret of 160, 256 or 512 bits. */
export function generateSecret(algorithm: OtpAlgorithm): Uint8Array {
  return Uint8Array.from(randomBytes(sizes[algorithm]))
}

/**
 * Reads a secret in base32 (RFC 4648 §6) as people and other systems write it: any case, groups set apart by spaces or
 * hyphens, padded or not.
 * @param shortAllowed from 80 bits instead of RFC 4226's 128
 * @throws MfaError `mfa.secret_malformed`, `mfa.secret_too_short`
 */
export function parseSecret(base32: string, shortAllowed: boolean): Uint8Array {
  const text = base32.replace(/[ -]/g, '').replace(/=+$/, '').toUpperCase()
  if (!/^[A-Z2-7]{1,256}$/.test(text)) throw new MfaError('mfa.secret_malformed', 'a secret is not in base32')
  const bytes = Uint8Array.from(Secret.fromBase32(text).bytes)
  if (isShort(bytes, shortAllowed)) {
    const bits = bytes.byteLength * 8
    throw new MfaError(
      'mfa.secret_too_short',
      `a secret has ${bits} bits; RFC 4226 §4 asks for 128, and allowShortSecrets for 80`,
    )
  }
  return bytes
}

/** Whether a secret is shorter than RFC 4226 §4 R6 allows, or than old systems made them where that is taken. */
export function isShort(bytes: Uint8Array, shortAllowed: boolean): boolean {
  return bytes.byteLength * 8 < (shortAllowed ? 80 : 128)
}

/** The arithmetic's form of a secret. */
export function toSecret(bytes: Uint8Array): Secret {
  return new Secret({ buffer: Uint8Array.from(bytes).buffer })
}
