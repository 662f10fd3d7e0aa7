import type { Json, Sealer, Stored } from '@portcullis/core'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'
import { TokenError } from './errors.ts'
import { publicMembers } from './jwk-checks.ts'
import { importVerificationKey, type VerificationKey } from './keys.ts'
import { importSigner, type Signer } from './signer.ts'

/** What a key ring can sign with. */
export type RingAlgorithm = 'ES256' | 'RS256' | 'EdDSA'

/**
 * A key as it is kept. Its order in the ring and `activatesAt` are all there is about its state: when it retires and when it is
 * removed follows from its successor, so that nothing has to be brought up to date at the right moment.
 */
export type KeyRecord = {
  readonly kid: string
  readonly alg: RingAlgorithm
  /** Milliseconds since the epoch. */
  readonly activatesAt: number
  /** The private JWK. */
  readonly sealed: string
} & { readonly [member: string]: Json }

/** A key out of the ring, ready for use. */
export interface RingKey {
  readonly id: string
  readonly kid: string
  readonly alg: RingAlgorithm
  readonly activatesAt: number
  readonly sealed: string
  readonly publicJwk: JWK
  readonly verificationKey: VerificationKey
  readonly signer: Signer
}

/** Makes a key and seals it for its place in the ring. */
export async function generateRecord(id: string, alg: RingAlgorithm, activatesAt: number, sealer: Sealer): Promise<KeyRecord> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = await exportJWK(privateKey)
  const kid = await calculateJwkThumbprint(jwk)
  return { kid, alg, activatesAt, sealed: sealer.seal(Buffer.from(JSON.stringify(jwk)), context(id, kid, alg, activatesAt)) }
}

/**
 * Opens a key. The public half comes out of the sealed private one, and everything beside it is bound to the seal: who can write
 * to the store, but does not hold the sealing key, plants no key of his own and moves no times.
 *
 * @throws SealerError `core.seal_broken`, `core.sealing_key_unknown`
 */
export async function openRecord(stored: Stored<KeyRecord>, sealer: Sealer): Promise<RingKey> {
  const { kid, alg, activatesAt, sealed } = stored.value
  const opened = sealer.open(sealed, context(stored.id, kid, alg, activatesAt))
  const jwk = parseJwk(opened)
  const publicJwk: JWK = { ...publicMembers(jwk, alg), kid, alg, use: 'sig' }
  const verificationKey = await importVerificationKey(publicJwk)
  const signer = await importSigner({ ...jwk, kid, alg })
  return { id: stored.id, kid, alg, activatesAt, sealed, publicJwk, verificationKey, signer }
}

function parseJwk(bytes: Uint8Array): JWK {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as JWK
  } catch {
    // Without the cause: a JSON error quotes what it could not read, and that is a private key.
    throw new TokenError('tokens.key_malformed', 'a key of the ring is not JSON once it is opened')
  }
}

function context(id: string, kid: string, alg: string, activatesAt: number): string {
  return `tokens.keys:${id}:${kid}:${alg}:${activatesAt}`
}
