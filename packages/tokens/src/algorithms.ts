/** Signature algorithms with a public and a private key (RFC 7518 §3.1, RFC 8037 §3.1). */
export type AsymmetricAlgorithm =
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'EdDSA'

/** Message authentication codes: one secret signs and verifies (RFC 7518 §3.2). */
export type HmacAlgorithm = 'HS256' | 'HS384' | 'HS512'

/** Every algorithm that this package verifies. `none` is not one. */
export type Algorithm = AsymmetricAlgorithm | HmacAlgorithm

/** What an algorithm needs of its key, and how its signature is made. */
export type AlgorithmTraits =
  | { readonly kind: 'ec'; readonly hash: string; readonly crv: string; readonly coordinateBytes: number }
  | { readonly kind: 'rsa'; readonly hash: string; readonly pss: boolean; readonly hashBytes: number }
  | { readonly kind: 'ed25519' }
  | { readonly kind: 'hmac'; readonly hash: string; readonly hashBytes: number }

const TRAITS: ReadonlyMap<string, AlgorithmTraits> = new Map<Algorithm, AlgorithmTraits>([
  ['ES256', { kind: 'ec', hash: 'sha256', crv: 'P-256', coordinateBytes: 32 }],
  ['ES384', { kind: 'ec', hash: 'sha384', crv: 'P-384', coordinateBytes: 48 }],
  ['ES512', { kind: 'ec', hash: 'sha512', crv: 'P-521', coordinateBytes: 66 }],
  ['RS256', { kind: 'rsa', hash: 'sha256', pss: false, hashBytes: 32 }],
  ['RS384', { kind: 'rsa', hash: 'sha384', pss: false, hashBytes: 48 }],
  ['RS512', { kind: 'rsa', hash: 'sha512', pss: false, hashBytes: 64 }],
  ['PS256', { kind: 'rsa', hash: 'sha256', pss: true, hashBytes: 32 }],
  ['PS384', { kind: 'rsa', hash: 'sha384', pss: true, hashBytes: 48 }],
  ['PS512', { kind: 'rsa', hash: 'sha512', pss: true, hashBytes: 64 }],
  ['EdDSA', { kind: 'ed25519' }],
  ['HS256', { kind: 'hmac', hash: 'sha256', hashBytes: 32 }],
  ['HS384', { kind: 'hmac', hash: 'sha384', hashBytes: 48 }],
  ['HS512', { kind: 'hmac', hash: 'sha512', hashBytes: 64 }],
])

/** The traits of an algorithm; `undefined` for a name that is none of ours. */
export function algorithmTraits(alg: string): AlgorithmTraits | undefined {
  return TRAITS.get(alg)
}

const names = [...TRAITS.keys()] as readonly Algorithm[]

/** HS256, HS384, HS512. */
export const HMAC_ALGORITHMS: readonly HmacAlgorithm[] = names.filter((alg) => alg.startsWith('HS')) as HmacAlgorithm[]

/** All the others. */
export const ASYMMETRIC_ALGORITHMS: readonly AsymmetricAlgorithm[] = names.filter(
  (alg) => !alg.startsWith('HS'),
) as AsymmetricAlgorithm[]
