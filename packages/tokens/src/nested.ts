import { isDeepStrictEqual } from 'node:util'
import type { Claims } from './claims.ts'
import { TokenError } from './errors.ts'
import { encryptJwe, type JweDecrypter, type JweHeader, type JweReasonCode } from './jwe.ts'
import type { EncryptionKey } from './jwe-keys.ts'
import { type Refused, refused } from './refused.ts'
import type { Verifier, VerifyReasonCode, VerifyResult } from './verifier.ts'

/** Options of {@link createNestedVerifier}. */
export interface NestedVerifierOptions<Code extends string = VerifyReasonCode> {
  readonly decrypter: JweDecrypter
  /** Verifies the signed token that was inside. */
  readonly verifier: Verifier<Code>
  /**
   * Default: `true`: a token that is only signed is refused. `false` lets the verifier see it, as while issuers change over. Encryption
   * keeps claims from readers on the way; it makes a token no harder to use for somebody who has it.
   */
  readonly requireEncryption?: boolean
}

/** Why a nested token is refused, besides what its verifier says. */
export type NestedReasonCode = JweReasonCode | 'tokens.not_encrypted' | 'tokens.jwe_content_refused' | 'tokens.jwe_claims_differ'

const NOT_ENCRYPTED = refused('tokens.not_encrypted', 'the token is signed and not encrypted')
const CONTENT = refused('tokens.jwe_content_refused', 'the JWE does not say that it holds a JWT, or holds no signed one')
const DIFFER = refused('tokens.jwe_claims_differ', 'a claim in the header of the JWE is not that of the token')

/**
 * A verifier for tokens that are signed and then encrypted (RFC 7519 §11.2). It decrypts, wants `cty: JWT` (RFC 7519 §5.2), and hands
 * what was inside to the verifier, which checks it as any other token. One layer: a JWE in a JWE is refused, and so is a JWE
 * with bare claims or an unsigned token in it, since to a public key anybody can encrypt (pac4j-jwt CVE-2026-29000).
 *
 * `iss`, `sub` and `aud` may also stand in the header of the JWE (RFC 7519 §5.3): they must then be those of the token.
 *
 * @throws TokenError `tokens.options_invalid`
 * @example bearer({ verifier: createNestedVerifier({ decrypter, verifier }) })
 */
export function createNestedVerifier<Code extends string = VerifyReasonCode>(
  options: NestedVerifierOptions<Code>,
): Verifier<Code | NestedReasonCode> {
  const { decrypter, verifier, requireEncryption = true } = options
  if (typeof decrypter?.decrypt !== 'function') throw new TokenError('tokens.options_invalid', 'decrypter must be a decrypter')
  if (typeof verifier?.verify !== 'function') throw new TokenError('tokens.options_invalid', 'verifier must be a verifier')
  if (typeof requireEncryption !== 'boolean') {
    throw new TokenError('tokens.options_invalid', 'requireEncryption must be true or false')
  }

  return {
    issuer: verifier.issuer,
    accepts(token) {
      if (isSigned(token)) return !requireEncryption && verifier.accepts(token)
      const header = decrypter.recognise(token)
      return header !== undefined && holdsJwt(header) && (header['iss'] ?? verifier.issuer) === verifier.issuer
    },
    async verify(token) {
      if (isSigned(token)) return requireEncryption ? NOT_ENCRYPTED : verifier.verify(token)
      const decrypted = await decrypter.decrypt(token)
      if (!decrypted.ok) return decrypted
      const { header, plaintext } = decrypted
      // One byte, one character: whatever is not ASCII is no base64url either.
      const inner = Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength).toString('latin1')
      if (!holdsJwt(header) || !isSigned(inner)) return CONTENT
      return withReplicated(header, await verifier.verify(inner))
    },
  }
}

/**
 * Encrypts a signed token for its reader: the header has `cty: JWT` and nothing of the claims.
 *
 * @throws TokenError `tokens.options_invalid` (a rejection) for anything that is not in three segments
 * @example const nested = await encryptJwt((await issuer.accessToken(request)).token, apiKey)
 */
export async function encryptJwt(token: string, key: EncryptionKey): Promise<string> {
  if (!isSigned(token)) throw new TokenError('tokens.options_invalid', 'what is encrypted must be a signed token')
  return encryptJwe(Buffer.from(token, 'latin1'), key, { cty: 'JWT' })
}

function isSigned(token: string): boolean {
  return typeof token === 'string' && token.split('.', 4).length === 3
}

// RFC 7519 §5.2, RFC 7515 §4.1.10: media types have no letter case.
function holdsJwt(header: JweHeader): boolean {
  return header.cty !== undefined && /^(application\/)?jwt$/i.test(header.cty)
}

const REPLICATED = ['iss', 'sub', 'aud'] as const

function withReplicated<Code extends string>(
  header: JweHeader,
  result: VerifyResult<Code>,
): VerifyResult<Code> | Refused<'tokens.jwe_claims_differ'> {
  if (!result.ok) return result
  const claims: Claims = result.claims
  const same = REPLICATED.every((name) => !Object.hasOwn(header, name) || isDeepStrictEqual(header[name], claims[name]))
  return same ? result : DIFFER
}
