import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'

/** What `/account/passkeys/options` answers, as far as it is needed. */
interface CreationOptions {
  readonly challenge: string
  readonly rp: { readonly id?: string }
}

/** The answer of an authenticator, and the browser before it, to the options of a registration: an ES256 key that attests nothing. */
export function makePasskey({ challenge, rp }: CreationOptions, origin: string, how: { readonly synced?: boolean } = {}): object {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
  const id = randomBytes(32)
  const at = (label: number): Buffer => Buffer.from([label, 0x58, 32])
  // RFC 9053 §7.1.1 in CBOR: { 1: 2 (EC2), 3: -7 (ES256), -1: 1 (P-256), -2: x, -3: y }.
  const cose = Buffer.concat([
    Buffer.from([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01]),
    at(0x21),
    Buffer.from(x, 'base64url'),
    at(0x22),
    Buffer.from(y, 'base64url'),
  ])
  // WebAuthn L3 §6.1: the person was there (0x01) and verified (0x04); synced (0x18); a new key (0x40).
  const flags = 0x45 | (how.synced ? 0x18 : 0)
  const site = createHash('sha256')
    .update(rp.id ?? '')
    .digest()
  const attested = [Buffer.alloc(16), Buffer.from([0, id.length]), id, cose]
  const authData = Buffer.concat([site, Buffer.from([flags, 0, 0, 0, 0]), ...attested])
  const head = Buffer.from('\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58', 'latin1')
  const object = Buffer.concat([head, Buffer.from([authData.length]), authData])
  const client = JSON.stringify({ type: 'webauthn.create', challenge, origin, crossOrigin: false })
  const name = id.toString('base64url')
  return {
    id: name,
    rawId: name,
    type: 'public-key',
    clientExtensionResults: {},
    response: {
      clientDataJSON: Buffer.from(client).toString('base64url'),
      attestationObject: object.toString('base64url'),
      transports: ['internal'],
    },
  }
}
