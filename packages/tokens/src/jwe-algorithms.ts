/** How a JWE's content key reaches its reader (RFC 7518 §4.1). RSA1_5 is none: it is an oracle by design (RFC 8725 §3.2). */
export type JweAlgorithm =
  | 'RSA-OAEP-256'
  | 'RSA-OAEP-384'
  | 'RSA-OAEP-512'
  | 'RSA-OAEP'
  | 'ECDH-ES'
  | 'ECDH-ES+A128KW'
  | 'ECDH-ES+A192KW'
  | 'ECDH-ES+A256KW'
  | 'A128KW'
  | 'A192KW'
  | 'A256KW'
  | 'A128GCMKW'
  | 'A192GCMKW'
  | 'A256GCMKW'
  | 'dir'
  | 'PBES2-HS256+A128KW'
  | 'PBES2-HS384+A192KW'
  | 'PBES2-HS512+A256KW'

/** How a JWE's content is encrypted (RFC 7518 §5.1). Each of them authenticates what it encrypts. */
export type JweEncryption = 'A128GCM' | 'A192GCM' | 'A256GCM' | 'A128CBC-HS256' | 'A192CBC-HS384' | 'A256CBC-HS512'

/** What an algorithm needs of its key. */
export type JweTraits =
  | { readonly kind: 'rsa' }
  | { readonly kind: 'agreement' }
  | { readonly kind: 'wrapping'; readonly keyBytes: number }
  | { readonly kind: 'direct' }
  | { readonly kind: 'password' }

const TRAITS: ReadonlyMap<string, JweTraits> = new Map<JweAlgorithm, JweTraits>([
  ['RSA-OAEP-256', { kind: 'rsa' }],
  ['RSA-OAEP-384', { kind: 'rsa' }],
  ['RSA-OAEP-512', { kind: 'rsa' }],
  ['RSA-OAEP', { kind: 'rsa' }],
  ['ECDH-ES', { kind: 'agreement' }],
  ['ECDH-ES+A128KW', { kind: 'agreement' }],
  ['ECDH-ES+A192KW', { kind: 'agreement' }],
  ['ECDH-ES+A256KW', { kind: 'agreement' }],
  ['A128KW', { kind: 'wrapping', keyBytes: 16 }],
  ['A192KW', { kind: 'wrapping', keyBytes: 24 }],
  ['A256KW', { kind: 'wrapping', keyBytes: 32 }],
  ['A128GCMKW', { kind: 'wrapping', keyBytes: 16 }],
  ['A192GCMKW', { kind: 'wrapping', keyBytes: 24 }],
  ['A256GCMKW', { kind: 'wrapping', keyBytes: 32 }],
  ['dir', { kind: 'direct' }],
  ['PBES2-HS256+A128KW', { kind: 'password' }],
  ['PBES2-HS384+A192KW', { kind: 'password' }],
  ['PBES2-HS512+A256KW', { kind: 'password' }],
])

// RFC 7518 §5.1: the bytes of the content key.
const CONTENT_KEY_BYTES: ReadonlyMap<string, number> = new Map<JweEncryption, number>([
  ['A128GCM', 16],
  ['A192GCM', 24],
  ['A256GCM', 32],
  ['A128CBC-HS256', 32],
  ['A192CBC-HS384', 48],
  ['A256CBC-HS512', 64],
])

/** The traits of an algorithm; `undefined` for a name that is none of ours. */
export function jweTraits(alg: string): JweTraits | undefined {
  return TRAITS.get(alg)
}

/** How long a key for the content is; `undefined` for a name that is none of ours. */
export function contentKeyBytes(enc: string): number | undefined {
  return CONTENT_KEY_BYTES.get(enc)
}

export const JWE_ALGORITHMS: readonly JweAlgorithm[] = [...TRAITS.keys()] as JweAlgorithm[]

/** Every one but those that have to be named: RSA-OAEP, which is over SHA-1, and those that make a key of a password. */
export const MODERN_JWE_ALGORITHMS: readonly JweAlgorithm[] = JWE_ALGORITHMS.filter(
  (alg) => alg !== 'RSA-OAEP' && jweTraits(alg)?.kind !== 'password',
)

export const JWE_ENCRYPTIONS: readonly JweEncryption[] = [...CONTENT_KEY_BYTES.keys()] as JweEncryption[]
