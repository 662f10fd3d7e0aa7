import { callersHeader, type HeaderMembers } from './protected-header.ts'
import type { Signer } from './signer.ts'

/** Options of {@link signJws}. */
export interface SignJwsOptions {
  /**
   * Further members of the protected header, such as `typ` and `cty`. Not `alg` and `kid`, which are the signer's, and none by which a
   * token brings its own key (`jwk`, `jku`, `x5c`, `x5u`) or demands an extension (`crit`, `b64`).
   */
  readonly header?: HeaderMembers
}

/**
 * Signs any payload as a compact JWS (RFC 7515 §5.1): the layer below `createTokenIssuer`, which is what tokens want. Name a `typ` that
 * nothing else of the same key has (RFC 8725 §3.11); without one, a payload that reads like claims may pass for a token.
 *
 * @param payload bytes, or a text that goes in as UTF-8
 * @throws TokenError `tokens.header_reserved`, `tokens.options_invalid` (rejections); what the signer throws
 * @example const receipt = await signJws(JSON.stringify(order), signer, { header: { typ: 'receipt' } })
 */
export async function signJws(payload: string | Uint8Array, signer: Signer, options: SignJwsOptions = {}): Promise<string> {
  return signCompact(payload, signer, options.header ?? NO_HEADER)
}

/** As {@link signJws}, without waiting for a signer that does not. @throws as `signJws`, at once */
export function signCompact(payload: string | Uint8Array, signer: Signer, header: HeaderMembers): string | Promise<string> {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
  const input = `${headerSegment(signer, header)}.${base64url(bytes)}`
  const signing = signer.sign(Buffer.from(input, 'latin1'))
  return signing instanceof Promise
    ? signing.then((signature) => `${input}.${base64url(signature)}`)
    : `${input}.${base64url(signing)}`
}

function base64url(bytes: Uint8Array): string {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return buffer.toString('base64url')
}

const NO_HEADER: HeaderMembers = Object.freeze({})

// What a header looks like depends, nearly always, on the key and the kind of token alone.
const byKind = new WeakMap<Signer, Map<string | undefined, string>>()

function headerSegment(signer: Signer, header: HeaderMembers): string {
  for (const name in header) if (name !== 'typ') return encodeHeader(signer, header)
  const segments = byKind.get(signer) ?? new Map<string | undefined, string>()
  byKind.set(signer, segments)
  let segment = segments.get(header.typ)
  if (segment === undefined) {
    segment = encodeHeader(signer, header)
    // Callers name a handful of kinds; should one ever make them up, this does not grow with it.
    if (segments.size < 16) segments.set(header.typ, segment)
  }
  return segment
}

function encodeHeader(signer: Signer, header: HeaderMembers): string {
  const { typ, ...others } = callersHeader(header)
  return Buffer.from(JSON.stringify({ alg: signer.alg, typ, kid: signer.kid, ...others })).toString('base64url')
}
