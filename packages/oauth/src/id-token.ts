import { createHash } from 'node:crypto'
import type { RequestView } from '@portcullis/core'
import { createTokenIssuer, verifyJws } from '@portcullis/tokens'
import type { Provider } from './provider.ts'

/** What an ID token says. */
export interface IdTokenSubject {
  readonly subject: string
  readonly clientId: string
  /** Seconds since the epoch. */
  readonly authTime: number
  readonly acr: string
  readonly amr: readonly string[]
  readonly sessionId: string
  readonly nonce?: string | undefined
}

/** Signs an ID token (OpenID Connect Core §2). @param accessToken the one that is issued with it, for `at_hash` */
export async function issueIdToken(
  provider: Provider,
  about: IdTokenSubject,
  accessToken: string,
  request: RequestView,
): Promise<string> {
  const { issuer, clock, lifetimes } = provider
  // The hash depends on the algorithm, so the key is chosen once for both.
  const signer = await provider.ring.signer()
  const { token } = await createTokenIssuer({ issuer, clock, signer: () => signer }).sign(
    {
      typ: 'JWT',
      lifetime: lifetimes.idToken,
      claims: {
        sub: about.subject,
        aud: about.clientId,
        auth_time: about.authTime,
        acr: about.acr,
        amr: about.amr,
        sid: about.sessionId,
        at_hash: accessTokenHash(accessToken, signer.alg),
        ...(about.nonce !== undefined && { nonce: about.nonce }),
      },
    },
    { request },
  )
  return token
}

// OpenID Connect Core §3.1.3.6: the left half of the hash that the signature algorithm uses; for Ed25519 that is SHA-512.
function accessTokenHash(accessToken: string, alg: string): string {
  const hash = alg === 'EdDSA' ? 'sha512' : `sha${alg.slice(2)}`
  const digest = createHash(hash).update(accessToken).digest()
  return digest.subarray(0, digest.length / 2).toString('base64url')
}

/** What an `id_token_hint` says about an earlier sign-in. */
export interface IdTokenHint {
  readonly subject: string
  readonly clientId: string
  readonly sessionId: string | undefined
}

/**
 * Reads an `id_token_hint`: an ID token that this server signed, expired or not, since a hint is most needed late (RP-Initiated
 * Logout §2). It names somebody; it proves nothing about who sends it.
 */
export async function readIdTokenHint(
  provider: Pick<Provider, 'ring' | 'issuer'>,
  hint: string,
): Promise<IdTokenHint | undefined> {
  const result = await verifyJws(hint, provider.ring.keys)
  if (!result.ok || result.header.typ !== 'JWT') return undefined
  const claims: unknown = JSON.parse(new TextDecoder().decode(result.payload))
  if (typeof claims !== 'object' || claims === null) return undefined
  const { iss, sub, aud, sid } = claims as Readonly<Record<string, unknown>>
  if (iss !== provider.issuer || typeof sub !== 'string' || typeof aud !== 'string') return undefined
  return { subject: sub, clientId: aud, sessionId: typeof sid === 'string' ? sid : undefined }
}
