import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

/** A certificate and the key behind it. */
export interface Authority {
  readonly name: string
  readonly certificate: Buffer
  readonly pem: string
  readonly key: KeyObject
  sign(data: Buffer): Buffer
}

/*
 * Just enough DER (X.690, RFC 5280 §4.1) to make the certificates of attackers: what no certificate tool is willing to sign.
 */
const tlv = (tag: number, ...parts: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(parts)
  const size = body.length
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
const sequence = (...parts: readonly Buffer[]): Buffer => tlv(0x30, ...parts)
const oid = (hex: string): Buffer => tlv(0x06, Buffer.from(hex, 'hex'))
const text = (value: string): Buffer => tlv(0x0c, Buffer.from(value))
const attribute = (type: string, value: Buffer): Buffer => tlv(0x31, sequence(oid(type), value))
const time = (value: string): Buffer => tlv(0x18, Buffer.from(value))

const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))

function nameOf(common: string): Buffer {
  // WebAuthn L3 §8.2.1: country, organization, and the unit "Authenticator Attestation".
  return sequence(
    attribute('550406', tlv(0x13, Buffer.from('AA'))),
    attribute('55040a', text('Acme')),
    attribute('55040b', text('Authenticator Attestation')),
    attribute('550403', text(common)),
  )
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(critical ? [tlv(0x01, Buffer.from([0xff]))] : []), tlv(0x04, value))
}

function certificate(
  subject: string,
  ca: boolean,
  issuer: { name: string; key: KeyObject } | undefined,
  crl?: string,
): Authority {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const by = issuer ?? { name: subject, key: privateKey }
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const constraints = extension('551d13', true, sequence(...(ca ? [tlv(0x01, Buffer.from([0xff]))] : [])))
  const subjectKey = extension('551d0e', false, tlv(0x04, createHash('sha1').update(spki).digest()))
  const point = crl && sequence(sequence(tlv(0xa0, tlv(0xa0, tlv(0x86, Buffer.from(crl))))))
  const serial = Buffer.concat([Buffer.from([1]), randomBytes(8)])
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, serial),
    ecdsaWithSha256,
    nameOf(by.name),
    sequence(time('20240101000000Z'), time('30240101000000Z')),
    nameOf(subject),
    spki,
    tlv(0xa3, sequence(constraints, subjectKey, ...(point ? [extension('551d1f', false, point)] : []))),
  )
  const signature = tlv(0x03, Buffer.from([0]), sign('sha256', body, by.key))
  const der = sequence(body, ecdsaWithSha256, signature)
  const pem = `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()}\n-----END CERTIFICATE-----\n`
  return { name: subject, certificate: der, pem, key: privateKey, sign: (data) => sign('sha256', data, privateKey) }
}

/** A root of its own. @param crl where it says that its revocation list is */
export function authority(name: string, crl?: string): Authority {
  return certificate(name, true, undefined, crl)
}

/** The certificate of an authenticator, which may vouch for keys and not for certificates. */
export function leafOf(issuer: Pick<Authority, 'name' | 'key'>): Authority {
  return certificate('Leaf', false, issuer, undefined)
}
