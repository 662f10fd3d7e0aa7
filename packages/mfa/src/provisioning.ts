import { HOTP, type Secret, TOTP } from 'otpauth'
import { renderSVG } from 'uqr'
import { invalid, MfaError } from './errors.ts'
import type { HotpParameters, TotpParameters } from './otp.ts'

/**
 * A name in a key URI. The colon parts issuer and account there, so neither may hold one; control characters would only be
 * there to deceive.
 */
function isLabel(text: string): boolean {
  return text.length <= 256 && /^[^:\p{Cc}\p{Surrogate}]+$/u.test(text) && text.trim() === text
}

/**
 * The `otpauth://totp/` URI that authenticator apps read (the Key URI Format of Google Authenticator).
 * @throws MfaError `mfa.label_invalid` (422)
 */
export function totpUri(issuer: string, label: string, secret: Secret, parameters: TotpParameters): string {
  checkLabel(label)
  return new TOTP({ issuer, label, secret, ...parameters }).toString()
}

/**
 * The same for codes by counter: `otpauth://hotp/`.
 * @throws MfaError `mfa.label_invalid` (422)
 */
export function hotpUri(issuer: string, label: string, secret: Secret, parameters: HotpParameters, counter: number): string {
  checkLabel(label)
  return new HOTP({ issuer, label, secret, ...parameters, counter }).toString()
}

/** @throws MfaError `mfa.options_invalid` */
export function checkIssuer(issuer: string): void {
  if (!isLabel(issuer)) throw invalid('issuer must be 1 to 256 characters without colon, control characters and outer spaces')
}

function checkLabel(label: string): void {
  if (isLabel(label)) return
  const message = 'a label must be 1 to 256 characters without colon, control characters and outer spaces'
  throw new MfaError('mfa.label_invalid', message, { status: 422 })
}

/** A QR code as an SVG document, with the quiet zone of four modules that ISO/IEC 18004 asks for. */
export function qrSvg(text: string): string {
  return renderSVG(text, { ecc: 'M', border: 4 })
}
