import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

/** What a browser sends back, as JSON. */
export interface PublicKeyAnswer {
  readonly id: string
  readonly rawId: string
  readonly type: 'public-key'
  readonly clientExtensionResults: object
  readonly response: { readonly clientDataJSON: string } & Readonly<Record<string, string>>
}

/**
 * An authenticator with one ES256 key, and the browser before it: as much of WebAuthn as a race needs. It verifies the person, is not
 * synced, attests nothing, and its counter stays 0.
 */
export class Authenticator {
  readonly #origin: string
  readonly #id: Buffer
  readonly #key: KeyObject
  readonly #publicKey: Buffer
  #user = ''

  /** @param id of the credential: 32 bytes */
  constructor(origin: string, id: Buffer = randomBytes(32)) {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    this.#origin = origin
    this.#id = id
    this.#key = privateKey
    this.#publicKey = coseOf(publicKey)
  }

  /** Answers the options of a registration. */
  create(options: {
    readonly challenge: string
    readonly rp: { readonly id?: string }
    readonly user: { readonly id: string }
  }): PublicKeyAnswer {
    this.#user = options.user.id
    // WebAuthn L3 §6.5.1: the model, the id's length, the id and the key.
    const attested = [Buffer.alloc(16), Buffer.from([0, this.#id.length]), this.#id, this.#publicKey]
    const authData = Buffer.concat([dataOf(options.rp.id ?? '', 0x40), ...attested])
    // §6.5.4 in CBOR: { fmt: 'none', attStmt: {}, authData }.
    const head = [Buffer.from('\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58', 'latin1'), Buffer.from([authData.length])]
    const attestationObject = Buffer.concat([...head, authData]).toString('base64url')
    return this.#answer(this.#clientData('webauthn.create', options.challenge), { attestationObject })
  }

  /** Answers the options of a sign-in. */
  get(options: { readonly challenge: string; readonly rpId?: string }): PublicKeyAnswer {
    const authData = dataOf(options.rpId ?? '', 0)
    const client = this.#clientData('webauthn.get', options.challenge)
    return this.#answer(client, {
      authenticatorData: authData.toString('base64url'),
      signature: sign('sha256', Buffer.concat([authData, sha256(client)]), this.#key).toString('base64url'),
      userHandle: this.#user,
    })
  }

  #clientData(type: string, challenge: string): Buffer {
    return Buffer.from(JSON.stringify({ type, challenge, origin: this.#origin, crossOrigin: false }))
  }

  #answer(client: Buffer, response: Readonly<Record<string, string>>): PublicKeyAnswer {
    const id = this.#id.toString('base64url')
    const clientDataJSON = client.toString('base64url')
    return { id, rawId: id, type: 'public-key', clientExtensionResults: {}, response: { clientDataJSON, ...response } }
  }
}

/** WebAuthn L3 §6.1: whose site, that the person was there (bit 0) and was verified (bit 2), and a counter of 0. */
function dataOf(rpId: string, flags: number): Buffer {
  return Buffer.concat([sha256(rpId), Buffer.from([0x05 | flags, 0, 0, 0, 0])])
}

/** RFC 9053 §7.1.1 in CBOR: { 1: 2 (EC2), 3: -7 (ES256), -1: 1 (P-256), -2: x, -3: y }. */
function coseOf(key: KeyObject): Buffer {
  const { x = '', y = '' } = key.export({ format: 'jwk' })
  const at = (label: number): Buffer => Buffer.from([label, 0x58, 32])
  const curve = Buffer.from([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01])
  return Buffer.concat([curve, at(0x21), Buffer.from(x, 'base64url'), at(0x22), Buffer.from(y, 'base64url')])
}

function sha256(data: string | Buffer): Buffer {
  return createHash('sha256').update(data).digest()
}
