import { timingSafeEqual } from 'node:crypto'
import { HOTP, type Secret } from 'otpauth'
import { checkRange, invalid } from './errors.ts'

/** The HMAC behind the codes. Many authenticator apps know SHA1 only, and silently ignore anything else. */
export type OtpAlgorithm = 'SHA1' | 'SHA256' | 'SHA512'

/** How codes are made from a secret (RFC 4226 §5). A type and not an interface, so that it is JSON for the store. */
export type HotpParameters = {
  readonly algorithm: OtpAlgorithm
  /** 6 to 8. */
  readonly digits: number
}

/** The same, by time (RFC 6238 §4). */
export type TotpParameters = HotpParameters & {
  /** Seconds that a step lasts. */
  readonly period: number
}

/** @throws MfaError `mfa.options_invalid` */
export function checkParameters({ algorithm, digits }: HotpParameters): void {
  if (!['SHA1', 'SHA256', 'SHA512'].includes(algorithm)) throw invalid('algorithm must be SHA1, SHA256 or SHA512')
  checkRange('digits', digits, 6, 8)
}

/** Whether a text has the form of a code. */
export function isCode(code: unknown, digits: number): code is string {
  return typeof code === 'string' && code.length === digits && /^[0-9]+$/.test(code)
}

/** RFC 4226 §5.3: the code for a counter. */
export function hotp(secret: Secret, counter: number, { algorithm, digits }: HotpParameters): string {
  return HOTP.generate({ secret, algorithm, digits, counter })
}

/** RFC 6238 §4.2: the step in which a moment lies. @param time milliseconds since the epoch */
export function stepAt(time: number, period: number): number {
  return Math.floor(time / 1000 / period)
}

/** Compares a code with the one for a counter, in constant time. */
export function fits(secret: Secret, code: string, counter: number, parameters: HotpParameters): boolean {
  const given = Buffer.from(code)
  const expected = Buffer.from(hotp(secret, counter, parameters))
  return expected.length === given.length && timingSafeEqual(expected, given)
}

/** What a code was found to be: fit for a step that is still open, for one that is used up, or for none. */
export type Match = { readonly type: 'open'; readonly step: number } | { readonly type: 'used' } | { readonly type: 'none' }

/**
 * Compares a code with those of the steps around a moment, all of them, each in constant time.
 * @param after the last step that was accepted: it and those before it are used up
 */
export function matchCode(
  secret: Secret,
  code: string,
  parameters: TotpParameters,
  around: { readonly step: number; readonly window: number; readonly after: number },
): Match {
  let match: Match = { type: 'none' }
  for (let step = Math.max(0, around.step - around.window); step <= around.step + around.window; step++) {
    const equal = fits(secret, code, step, parameters)
    // The earliest open step, so that a code that happens to fit two of them uses up no more than it must.
    if (equal && match.type !== 'open') match = step > around.after ? { type: 'open', step } : { type: 'used' }
  }
  return match
}
