import { TokenError } from './errors.ts'

/**
 * A duration in seconds, checked when it is configured.
 * @throws TokenError `tokens.options_invalid`
 */
export function seconds(name: string, value: number, limits: { readonly min: number; readonly max: number }): number {
  // NaN and Infinity make every comparison with the time false or true: a typing mistake would switch a check off.
  if (!Number.isFinite(value) || value < limits.min || value > limits.max) {
    throw new TokenError('tokens.options_invalid', `${name} must be between ${limits.min} and ${limits.max} seconds`)
  }
  return value
}

/**
 * A number of things, checked when it is configured.
 * @throws TokenError `tokens.options_invalid`
 */
export function wholeNumber(name: string, value: number, limits: { readonly min: number; readonly max: number }): number {
  if (!Number.isSafeInteger(value) || value < limits.min || value > limits.max) {
    throw new TokenError('tokens.options_invalid', `${name} must be a whole number between ${limits.min} and ${limits.max}`)
  }
  return value
}

/**
 * A string that is not empty, checked when it is configured.
 * @throws TokenError `tokens.options_invalid`
 */
export function text(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') {
    throw new TokenError('tokens.options_invalid', `${name} must be a string that is not empty`)
  }
  return value
}

/**
 * What a verifier is called: one name or several.
 * @throws TokenError `tokens.options_invalid`
 */
export function audiencesOf(given: string | readonly string[]): readonly string[] {
  const all: readonly unknown[] = Array.isArray(given) ? given : [given]
  if (all.length === 0) throw new TokenError('tokens.options_invalid', 'audience must name one or more')
  return all.map((one) => text('audience', one))
}

/**
 * The lifetime of something that is issued.
 * @param value seconds
 * @throws TokenError `tokens.options_invalid`, `tokens.lifetime_too_long`
 */
export function lifetimeWithin(most: number, value: number): number {
  if (Number.isFinite(value) && value > most) {
    throw new TokenError('tokens.lifetime_too_long', `lifetime is longer than the ${most} seconds that are allowed`)
  }
  return Math.floor(seconds('lifetime', value, { min: 1, max: most }))
}
