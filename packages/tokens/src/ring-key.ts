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
  /** Milliseconds since the epoch, both. */
  readonly createdAt: number
  readonly activatesAt: number
  /** The private JWK. */
  readonly sealed: string
} & { readonly [member: string]: Json }

/** A key out of the ring, ready for use. */
export interface RingKey {
  readonly id: string
  readonly kid: string
  readonly alg: RingAlgorithm
  readonly createdAt: number
  readonly activatesAt: number
  readonly sealed: string
  readonly publicJwk: JWK
  readonly verificationKey: VerificationKey
  readonly signer: Signer
}

/** The times of a key: milliseconds since the epoch, both. */
export type KeyTimes = Pick<KeyRecord, 'createdAt' | 'activatesAt'>

/** Makes a key and seals it for its place in the ring. */
export async function generateRecord(id: string, alg: RingAlgorithm, times: KeyTimes, sealer: Sealer): Promise<KeyRecord> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = await exportJWK(privateKey)
  const record = { kid: await calculateJwkThumbprint(jwk), alg, ...times }
  return { ...record, sealed: sealer.seal(Buffer.from(JSON.stringify(jwk)), context(id, record)) }
}

/** The same record, sealed under the key that seals now. @throws as {@link openRecord} */
export function resealRecord({ id, value }: Stored<KeyRecord>, sealer: Sealer): KeyRecord {
  return { ...value, sealed: sealer.seal(sealer.open(value.sealed, context(id, value)), context(id, value)) }
}

/**
 * Opens a key. The public half comes out of the sealed private one, and everything beside it is bound to the seal: who can write
 * to the store, but does not hold the sealing key, plants no key of his own and moves no times.
 *
 * @param known what this record was opened to before. A key that is only sealed anew stays the same object: verifiers remember
 * tokens by it
 * @throws SealerError `core.seal_broken`, `core.sealing_key_unknown`
 */
export async function openRecord({ id, value }: Stored<KeyRecord>, sealer: Sealer, known: RingKey | undefined): Promise<RingKey> {
  const { kid, alg, createdAt, activatesAt, sealed } = value
  if (known?.sealed === sealed) return known
  const jwk = parseJwk(sealer.open(sealed, context(id, value)))
  const publicJwk: JWK = { ...publicMembers(jwk, alg), kid, alg, use: 'sig' }
  if (known !== undefined && JSON.stringify(known.publicJwk) === JSON.stringify(publicJwk)) {
    return { ...known, createdAt, activatesAt, sealed }
  }
  const verificationKey = await importVerificationKey(publicJwk)
  const signer = await importSigner({ ...jwk, kid, alg })
  return { id, kid, alg, createdAt, activatesAt, sealed, publicJwk, verificationKey, signer }
}

/** The id of the key that a record is sealed under; see `Sealer.seal` for the form. */
export function sealedBy({ sealed }: Pick<KeyRecord, 'sealed'>): string {
  return sealed.split('.')[1] ?? ''
}

function parseJwk(bytes: Uint8Array): JWK {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as JWK
  } catch {
    // Without the cause: a JSON error quotes what it could not read, and that is a private key.
    throw new TokenError('tokens.key_malformed', 'a key of the ring is not JSON once it is opened')
  }
}

function context(id: string, { kid, alg, createdAt, activatesAt }: Omit<KeyRecord, 'sealed'>): string {
  return `tokens.keys:${id}:${kid}:${alg}:${createdAt}:${activatesAt}`
}
