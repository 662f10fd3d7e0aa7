import { sign, verify } from 'node:crypto'
import { createTokenIssuer, importSigner, type Signer } from '@portcullis/tokens'
import { createSigner as fastJwtSigner } from 'fast-jwt'
import { SignJWT } from 'jose'
import jsonwebtoken from 'jsonwebtoken'
import { type Bench, compare, type Peer } from '../bench.ts'
import { expectAnswer } from '../errors.ts'
import type { Subject } from '../harness.ts'
import { type Alg, AUDIENCE, ISSUER, type Material, material } from './tokens-material.ts'

type SigningAlg = Exclude<Alg, 'HS256'>
type KeyPair = Material & { readonly privateKey: NonNullable<Material['privateKey']> }

const REQUEST = {
  subject: 'user-4711',
  audience: AUDIENCE,
  clientId: 'ledger-web',
  scopes: ['openid', 'invoice:read', 'invoice:create'],
  tenant: 'acme',
  roles: ['accountant'],
}

/** The same claims for those that take them as they are; each issues a new `jti` and the times. */
function claims(): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000)
  return {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'user-4711',
    client_id: 'ledger-web',
    iat: now,
    exp: now + 300,
    jti: crypto.randomUUID(),
    scope: 'openid invoice:read invoice:create',
    tenant: 'acme',
    roles: ['accountant'],
  }
}

function isGood({ alg, key }: Material, token: string): boolean {
  const end = token.lastIndexOf('.')
  const [input, signature] = [Buffer.from(token.slice(0, end)), Buffer.from(token.slice(end + 1), 'base64url')]
  if (Buffer.isBuffer(key)) return false
  const options = alg === 'ES256' ? ({ key, dsaEncoding: 'ieee-p1363' } as const) : key
  return verify(alg === 'EdDSA' ? null : 'sha256', input, options, signature)
}

async function ours(made: KeyPair): Promise<Subject> {
  const { alg, privateKey } = made
  const signer: Signer = await importSigner({ ...privateKey.export({ format: 'jwk' }), kid: 'k1', alg })
  const issuer = createTokenIssuer({ issuer: ISSUER, signer: () => signer })
  const { token } = await issuer.accessToken(REQUEST)
  expectAnswer(`tokens.sign ${alg}`, isGood(made, token))
  return {
    name: 'ours',
    async run(iterations) {
      let length = 0
      for (let n = 0; n < iterations; n++) length += (await issuer.accessToken(REQUEST)).token.length
      return length
    },
  }
}

/** The signature alone, over bytes that are there already. */
function raw({ alg, privateKey, token }: KeyPair): Peer {
  const input = Buffer.from(token.slice(0, token.lastIndexOf('.')))
  const options = alg === 'ES256' ? ({ key: privateKey, dsaEncoding: 'ieee-p1363' } as const) : privateKey
  const hash = alg === 'EdDSA' ? null : 'sha256'
  return {
    name: 'node:crypto (limit)',
    target: 0.9,
    run(iterations) {
      let length = 0
      for (let n = 0; n < iterations; n++) length += sign(hash, input, options).length
      return length
    },
  }
}

async function jose(made: KeyPair, target: number): Promise<Peer> {
  const { alg, privateKey } = made
  const issue = (): Promise<string> =>
    new SignJWT(claims()).setProtectedHeader({ alg, typ: 'at+jwt', kid: 'k1' }).sign(privateKey)
  expectAnswer('jose', isGood(made, await issue()))
  return {
    name: 'jose',
    target,
    async run(iterations) {
      let length = 0
      for (let n = 0; n < iterations; n++) length += (await issue()).length
      return length
    },
  }
}

function fastJwt(made: KeyPair): Peer {
  const { alg, privateKey } = made
  const key = privateKey.export({ format: 'pem', type: 'pkcs8' })
  const issue = fastJwtSigner({ key, algorithm: alg, kid: 'k1', header: { typ: 'at+jwt' } } as never) as (
    payload: object,
  ) => string
  expectAnswer('fast-jwt', isGood(made, issue(claims())))
  return {
    name: 'fast-jwt',
    run(iterations) {
      let length = 0
      for (let n = 0; n < iterations; n++) length += issue(claims()).length
      return length
    },
  }
}

/** jsonwebtoken does not know EdDSA. */
function classic(made: KeyPair): readonly Peer[] {
  const { alg, privateKey } = made
  if (alg === 'EdDSA') return []
  const issue = (): string => jsonwebtoken.sign(claims(), privateKey, { algorithm: alg, keyid: 'k1' } as never)
  expectAnswer('jsonwebtoken', isGood(made, issue()))
  return [
    {
      name: 'jsonwebtoken',
      run(iterations) {
        let length = 0
        for (let n = 0; n < iterations; n++) length += issue().length
        return length
      },
    },
  ]
}

// Signing with RSA takes so long that nothing else counts.
const JOSE_TARGETS: Readonly<Record<SigningAlg, number>> = { RS256: 1, ES256: 1.5, EdDSA: 1.5 }

/** An access token of RFC 9068, with a new `jti`. */
export const tokensSign: readonly Bench[] = (['RS256', 'ES256', 'EdDSA'] as const).map((alg) => ({
  name: `tokens.sign.${alg}`,
  async run(options) {
    const { privateKey, ...rest } = material(alg)
    if (privateKey === undefined) return { rows: [] }
    const made: KeyPair = { ...rest, privateKey }
    const peers = [raw(made), await jose(made, JOSE_TARGETS[alg]), fastJwt(made), ...classic(made)]
    return { rows: await compare(`tokens.sign.${alg}`, await ours(made), peers, options) }
  },
}))
