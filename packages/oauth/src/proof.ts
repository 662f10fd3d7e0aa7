import type { HeaderList, RequestView } from '@portcullis/core'
import type { Client } from './client.ts'
import type { Provider } from './provider.ts'
import { type Refused, refused } from './refusal.ts'

/** The key that a client has proven to hold beside its request (RFC 9449 §5), if it has. */
export type ProvenKey = {
  readonly type: 'proven'
  /** Its thumbprint; `undefined` where no proof came, and none was needed. */
  readonly jkt: string | undefined
  readonly headers: HeaderList
}

const REQUIRED = refused('invalid_dpop_proof', 'oauth.dpop_required', 'this client sends a DPoP proof with each request')

/**
 * Checks the proof of a request to the token endpoint. A server without `dpop` takes no notice of proofs: its answer says `Bearer`,
 * and a client that wants more sees it (RFC 9449 §5).
 */
export async function proveKey(
  { dpop }: Provider,
  client: Client,
  { method, target, headers }: RequestView,
): Promise<ProvenKey | { readonly refusal: Refused; readonly headers: HeaderList }> {
  const proof = headers['dpop']
  if (proof === undefined || dpop === undefined) {
    return client.dpopBoundAccessTokens === true
      ? { refusal: REQUIRED, headers: [] }
      : { type: 'proven', jkt: undefined, headers: [] }
  }
  const result = await dpop.verify({ proof, method, target })
  const further: HeaderList = result.nonce === undefined ? [] : [['DPoP-Nonce', result.nonce]]
  if (result.ok) return { type: 'proven', jkt: result.jkt, headers: further }
  const { error, description } = result.answer
  const told = error === 'use_dpop_nonce' ? error : 'invalid_dpop_proof'
  return { refusal: refused(told, result.reason.code, description), headers: further }
}
