import { createHmac, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

/** What the tokens say. */
export const ISSUER = 'https://issuer.example'
export const AUDIENCE = 'https://api.example/v1'

export type Alg = 'RS256' | 'ES256' | 'EdDSA' | 'HS256'

/** A key, in the forms that the subjects take, and a token of it. */
export interface Material {
  readonly alg: Alg
  readonly key: KeyObject | Buffer
  /** Of a key pair. */
  readonly privateKey: KeyObject | undefined
  readonly token: string
  /** The same token with a signature that is not right. */
  readonly forged: string
  readonly expired: string
}

export function material(alg: Alg): Material {
  const { key, privateKey, signer } = keyFor(alg)
  const make = (exp: number): string => {
    const header = { alg, typ: 'at+jwt', kid: 'k1' }
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      iss: ISSUER,
      aud: AUDIENCE,
      sub: 'user-4711',
      client_id: 'ledger-web',
      iat: now - 10,
      exp: now + exp,
      jti: 'b7d0f3a2-58f5-4c1c-9f0e-3d2f4f5a6b7c',
      scope: 'openid invoice:read invoice:create',
      tenant: 'acme',
      roles: ['accountant'],
    }
    const input = `${base64url(header)}.${base64url(claims)}`
    return `${input}.${signer(Buffer.from(input)).toString('base64url')}`
  }
  const token = make(86_400)
  const other = make(86_399)
  const forged = `${token.slice(0, token.lastIndexOf('.'))}${other.slice(other.lastIndexOf('.'))}`
  return { alg, key, privateKey, token, forged, expired: make(-1_000) }
}

function keyFor(alg: Alg): Pick<Material, 'key' | 'privateKey'> & { readonly signer: (input: Buffer) => Buffer } {
  if (alg === 'HS256') {
    const key = randomBytes(32)
    return { key, privateKey: undefined, signer: (input) => createHmac('sha256', key).update(input).digest() }
  }
  if (alg === 'RS256') {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    return { key: publicKey, privateKey, signer: (input) => sign('sha256', input, privateKey) }
  }
  if (alg === 'ES256') {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    return {
      key: publicKey,
      privateKey,
      signer: (input) => sign('sha256', input, { key: privateKey, dsaEncoding: 'ieee-p1363' }),
    }
  }
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  return { key: publicKey, privateKey, signer: (input) => sign(null, input, privateKey) }
}

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
