import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { isoCBOR } from '@simplewebauthn/server/helpers'

/** What an authenticator is told to be like, or to do wrong. */
export interface Behaviour {
  verifies?: boolean
  synced?: boolean
  backedUp?: boolean
  /** What the counter says next; by default it stays 0. */
  counter?: number
  origin?: string
  rpId?: string
  type?: string
  crossOrigin?: boolean
  topOrigin?: string
  /** Sent as it is, in place of an attestation of `none`. */
  attestation?: (authData: Buffer, clientDataHash: Buffer) => { fmt: string; attStmt: Map<string, unknown> }
  userHandle?: string | null
  credentialId?: Buffer
  /** 16 bytes in hexadecimal. */
  aaguid?: string
}

interface Options {
  challenge: string
  rp?: { id?: string }
  rpId?: string
  user?: { id: string }
}

interface Key {
  readonly id: Buffer
  readonly key: KeyObject
  readonly cose: Buffer
  readonly user: string
}

export type Answer = {
  id: string
  rawId: string
  type: string
  clientExtensionResults: object
  response: Record<string, unknown>
}

/** An authenticator and the browser before it, in software: does what it is told, the forbidden too. */
export class SoftAuthenticator {
  behaviour: Behaviour
  readonly keys: Key[] = []

  constructor(behaviour: Behaviour = {}) {
    this.behaviour = behaviour
  }

  create(options: Options, extra: Behaviour = {}): Answer {
    const how = { ...this.behaviour, ...extra }
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
    const cose = Buffer.from(
      isoCBOR.encode(
        new Map<number, number | Uint8Array>([
          [1, 2],
          [3, -7],
          [-1, 1],
          [-2, Uint8Array.from(Buffer.from(x, 'base64url'))],
          [-3, Uint8Array.from(Buffer.from(y, 'base64url'))],
        ]),
      ),
    )
    const id = how.credentialId ?? randomBytes(32)
    this.keys.push({ id, key: privateKey, cose, user: options.user?.id ?? '' })
    const length = Buffer.alloc(2)
    length.writeUInt16BE(id.length)
    const attested = Buffer.concat([how.aaguid ? Buffer.from(how.aaguid, 'hex') : Buffer.alloc(16), length, id, cose])
    const authData = Buffer.concat([this.#head(options, how, 0x40), attested])
    const client = this.#clientData('webauthn.create', options, how)
    const { fmt, attStmt } = how.attestation?.(authData, sha256(client)) ?? { fmt: 'none', attStmt: new Map() }
    const object = isoCBOR.encode(
      new Map<string, unknown>([
        ['fmt', fmt],
        ['attStmt', attStmt],
        ['authData', Uint8Array.from(authData)],
      ]) as never,
    )
    return this.#answer(id, client, {
      attestationObject: Buffer.from(object).toString('base64url'),
      transports: ['internal', 'hybrid'],
    })
  }

  get(options: Options, extra: Behaviour = {}): Answer {
    const how = { ...this.behaviour, ...extra }
    const key = this.keys.at(-1)!
    const authData = this.#head(options, how, 0)
    const client = this.#clientData('webauthn.get', options, how)
    const signature = sign('sha256', Buffer.concat([authData, sha256(client)]), key.key)
    return this.#answer(key.id, client, {
      authenticatorData: authData.toString('base64url'),
      signature: signature.toString('base64url'),
      userHandle: how.userHandle === undefined ? key.user : how.userHandle,
    })
  }

  #head({ rp, rpId }: Options, how: Behaviour, more: number): Buffer {
    const flags =
      0x01 |
      (how.verifies === false ? 0 : 0x04) |
      (how.synced ? 0x08 : 0) |
      (how.synced && how.backedUp !== false ? 0x10 : 0) |
      more
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(how.counter ?? 0)
    return Buffer.concat([sha256(Buffer.from(how.rpId ?? rp?.id ?? rpId ?? '')), Buffer.from([flags]), counter])
  }

  #clientData(type: string, { challenge }: Options, how: Behaviour): Buffer {
    const { origin = 'https://login.acme.test', crossOrigin = false, topOrigin } = how
    return Buffer.from(JSON.stringify({ type: how.type ?? type, challenge, origin, crossOrigin, topOrigin }))
  }

  #answer(id: Buffer, client: Buffer, response: Record<string, unknown>): Answer {
    const text = id.toString('base64url')
    return {
      id: text,
      rawId: text,
      type: 'public-key',
      clientExtensionResults: {},
      response: { clientDataJSON: client.toString('base64url'), ...response },
    }
  }
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest()
}
