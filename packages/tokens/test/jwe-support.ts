import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { expect } from 'vitest'
import { TokenError } from '../src/index.ts'
import { b64, type TestKey } from './support.ts'

export async function encryptionPair(alg: string, options: { crv?: string } = {}): Promise<TestKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true, ...options })
  return {
    publicJwk: { ...(await exportJWK(publicKey)), kid: 'k1', alg },
    privateJwk: { ...(await exportJWK(privateKey)), kid: 'k1', alg },
  }
}

export function oct(bytes: number, alg?: string): JWK {
  return { kty: 'oct', k: b64(Buffer.alloc(bytes, 7)), kid: 'k1', ...(alg !== undefined && { alg }) }
}

export function as(jwk: JWK, alg: string | undefined): JWK {
  const { alg: _, ...others } = jwk
  return alg === undefined ? others : { ...others, alg }
}

export async function refusal(work: () => unknown): Promise<string> {
  try {
    await work()
  } catch (error) {
    expect(error).toBeInstanceOf(TokenError)
    return (error as TokenError).code
  }
  return 'accepted'
}
