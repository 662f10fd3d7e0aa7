import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

/** A key and its certificate, for TLS. */
export interface Identity {
  /** PEM, both. */
  readonly key: string
  readonly cert: string
  readonly der: Buffer
  /** SHA-256 of the certificate, base64url: what `x5t#S256` names. */
  readonly thumbprint: string
  readonly signer: { readonly name: string; readonly key: KeyObject }
}

/** A certificate for a new P-256 key, made with Node alone (RFC 5280 §4.1). @param by who signs it; itself by default */
export function certificateFor(name: string, by?: Identity): Identity {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const authority = by?.signer ?? { name, key: privateKey }
  const validity = sequence(time(Date.now() - 3_600_000), time(Date.now() + 3_600_000))
  const subjectKey = publicKey.export({ type: 'spki', format: 'der' })
  const serial = der(0x02, createHash('sha256').update(subjectKey).digest().subarray(0, 8).map(positive))
  const signed = sequence(serial, ECDSA_WITH_SHA256, nameOf(authority.name), validity, nameOf(name), subjectKey)
  const signature = der(0x03, Buffer.concat([Buffer.of(0), sign('sha256', signed, authority.key)]))
  const certificate = sequence(signed, ECDSA_WITH_SHA256, signature)
  return {
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    cert: pem(certificate),
    der: certificate,
    thumbprint: createHash('sha256').update(certificate).digest('base64url'),
    signer: { name, key: privateKey },
  }
}

export function pem(certificate: Buffer): string {
  const lines = certificate.toString('base64').replace(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}

function der(tag: number, content: Uint8Array): Buffer {
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...size), content])
}

function sequence(...members: readonly Uint8Array[]): Buffer {
  return der(0x30, Buffer.concat(members))
}

// 1.2.840.10045.4.3.2
const ECDSA_WITH_SHA256 = sequence(der(0x06, Buffer.from('2a8648ce3d040302', 'hex')))

/** A common name, and nothing else. */
function nameOf(name: string): Buffer {
  const attribute = sequence(der(0x06, Buffer.from('550403', 'hex')), der(0x0c, Buffer.from(name)))
  return sequence(der(0x31, attribute))
}

function time(milliseconds: number): Buffer {
  const [date = '', clock = ''] = new Date(milliseconds).toISOString().split(/[T.]/)
  return der(0x17, Buffer.from(`${date.slice(2).replaceAll('-', '')}${clock.replaceAll(':', '')}Z`))
}

/** Of a serial number's first byte: neither a sign nor a leading zero. */
function positive(byte: number, at: number): number {
  return at === 0 ? (byte & 0x7f) | 0x40 : byte
}
