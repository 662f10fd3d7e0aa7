import { type Secret, TOTP } from 'otpauth'
import { renderSVG } from 'uqr'
import { MfaError } from './errors.ts'
import type { TotpParameters } from './hotp.ts'

/**
 * A name in a key URI. The colon parts issuer and account there, so neither may hold one; control characters would only be
 * there to deceive.
 */
export function isLabel(text: string): boolean {
  return text.length <= 256 && /^[^:\p{Cc}\p{Surrogate}]+$/u.test(text) && text.trim() === text
}

/**
 * The `otpauth://totp/` URI that authenticator apps read (the Key URI Format of Google Authenticator).
 * @throws MfaError `mfa.label_invalid` (422)
 */
export function keyUri(issuer: string, label: string, secret: Secret, parameters: TotpParameters): string {
  if (!isLabel(label)) {
    const message = 'a label must be 1 to 256 characters without colon, control characters and outer spaces'
    throw new MfaError('mfa.label_invalid', message, { status: 422 })
  }
  return new TOTP({ issuer, label, secret, ...parameters }).toString()
}

/** A QR code as an SVG document, with the quiet zone of four modules that ISO/IEC 18004 asks for. */
export function qrSvg(text: string): string {
  return renderSVG(text, { ecc: 'M', border: 4 })
}
