import { TokenError } from './errors.ts'

/** Members of a protected header that a caller adds to those which follow from the key. */
export type HeaderMembers = { readonly typ?: string; readonly cty?: string } & { readonly [parameter: string]: unknown }

/*
 * What a caller does not set. The key says `alg`, `enc` and `kid`. `crit` and `b64` are understood by no verifier of ours, and RFC
 * 8725 §3.10 has them refuse keys that a token brings along, so that nothing of ours writes what nothing of ours would read. The
 * others are the parameters of JWE's algorithms (RFC 7518 §4), which the algorithm sets.
 */
const SET_BY_KEY: ReadonlySet<string> = new Set([
  'alg',
  'enc',
  'kid',
  'crit',
  'b64',
  'zip',
  'jku',
  'jwk',
  'x5u',
  'x5c',
  'epk',
  'apu',
  'apv',
  'iv',
  'tag',
  'p2s',
  'p2c',
])

/**
 * Checks what a caller adds to a protected header.
 * @throws TokenError `tokens.header_reserved`, `tokens.options_invalid`
 */
export function callersHeader(header: HeaderMembers): HeaderMembers {
  for (const [name, value] of Object.entries(header)) {
    if (SET_BY_KEY.has(name)) throw new TokenError('tokens.header_reserved', `${name} is not set through header`)
    // RFC 7515 §4.1.9, §4.1.10
    if ((name === 'typ' || name === 'cty') && typeof value !== 'string' && value !== undefined) {
      throw new TokenError('tokens.options_invalid', `${name} must be a string`)
    }
  }
  return header
}
