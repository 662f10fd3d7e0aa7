import { createHash, createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'
import { forge } from './support.ts'

/** A client's key, with everything that an attacker could do with it. */
export interface ProofMaker {
  readonly publicJwk: JWK
  readonly privateJwk: JWK
  readonly jkt: string
  /** A proof with any claim or header parameter changed; `undefined` leaves one out. */
  proof(claims?: Record<string, unknown>, header?: Record<string, unknown>): string
}

const HASHES: Record<string, string | null> = { ES256: 'sha256', RS256: 'sha256', PS256: 'sha256', EdDSA: null }

export async function proofMaker(alg: 'ES256' | 'EdDSA' | 'RS256' | 'PS256' = 'ES256'): Promise<ProofMaker> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  const privateJwk = await exportJWK(privateKey)
  const { d, p, q, dp, dq, qi, ...publicJwk } = privateJwk
  const key = createPrivateKey({ key: privateJwk as never, format: 'jwk' })
  let made = 0
  return {
    publicJwk,
    privateJwk,
    jkt: await calculateJwkThumbprint(publicJwk),
    proof: (claims = {}, header = {}) => {
      made += 1
      return forge({ typ: 'dpop+jwt', alg, jwk: publicJwk, ...header }, { jti: `jti-${made}`, ...claims }, (input) =>
        signed(alg, key, input),
      )
    },
  }
}

function signed(alg: string, key: KeyObject, input: Buffer): Buffer {
  const how = alg === 'PS256' ? { key, padding: 6, saltLength: 32 } : { key, dsaEncoding: 'ieee-p1363' as const }
  return sign(HASHES[alg] ?? null, input, how)
}

export function ath(accessToken: string): string {
  return createHash('sha256').update(accessToken).digest('base64url')
}
