import { X509Certificate } from 'node:crypto'
import { withDeadline } from '@portcullis/core'
import { decodeAttestationObject, validateCertificatePath } from '@simplewebauthn/server/helpers'
import { invalid } from './errors.ts'

/** Which authenticators may be registered. */
export interface AttestationPolicy {
  /**
   * Certificates in PEM that an attestation must lead to: the vendors' own roots, as published by them. Nothing that came with the
   * attestation is ever trusted.
   */
  readonly anchors: readonly string[]
  /** Models that are allowed, by AAGUID; all that the anchors vouch for by default. */
  readonly aaguids?: readonly string[]
}

/** What is made of the attestation in an answer: base64url, for SimpleWebAuthn to verify. `undefined`: refused. */
export type Attester = (attestationObject: string) => Promise<string | undefined>

/** Milliseconds for the path, and for the revocation list that a certificate of it may name. */
const deadline = 5000

/**
 * Without a policy the statement is dropped before anything reads it, as a browser does for `none` (WebAuthn L3 §5.1.3): nobody would
 * decide by it, and what is not parsed cannot be attacked.
 *
 * With a policy the path is checked against the pinned anchors **before** the rest of the statement is. In GHSA-6hxq-p678-4hr2 a
 * trust anchor was taken from the attestation itself.
 * @throws MfaError `mfa.options_invalid`
 */
export function createAttester(policy: AttestationPolicy | undefined): Attester {
  if (policy === undefined) return async (text) => encode(decode(text).get('authData'))
  const anchors = policy.anchors.map(readAnchor)
  // An empty list would be read as "no path to check".
  if (anchors.length === 0) throw invalid('an attestation policy names at least one anchor')
  const pems = anchors.map((anchor) => anchor.toString())
  return async (text) => {
    const object = decode(text)
    // SafetyNet is not served any more, and its answer is a token of its own; `none` and self attestation have no path.
    if (!['packed', 'tpm', 'android-key', 'apple', 'fido-u2f'].includes(object.get('fmt'))) return undefined
    const given = object.get('attStmt').get('x5c') ?? []
    const path = given.map((der) => new X509Certificate(der)).filter((certificate) => !pems.includes(certificate.toString()))
    // A leaf must not vouch for another: whoever owns an authenticator owns its leaf.
    if (path.length === 0 || !path.slice(1).every((certificate) => certificate.ca)) return undefined
    await withDeadline(
      deadline,
      () =>
        reaches(
          path.map((certificate) => certificate.toString()),
          pems,
        ),
      () => new Error('the path took too long'),
    )
    return text
  }
}

/** One anchor at a time: with several, SimpleWebAuthn gives up at the first that does not fit. */
async function reaches(path: string[], anchors: readonly string[]): Promise<void> {
  let last: unknown
  for (const anchor of anchors) {
    try {
      await validateCertificatePath(path, [anchor])
      return
    } catch (error) {
      last = error
    }
  }
  throw last
}

function readAnchor(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch {
    throw invalid('an anchor is not a certificate in PEM')
  }
}

function decode(text: string) {
  return decodeAttestationObject(Uint8Array.from(Buffer.from(text, 'base64url')))
}

/** An attestation object without attestation: CBOR `{"fmt": "none", "attStmt": {}, "authData": …}`. */
function encode(authData: Uint8Array): string {
  const { byteLength } = authData
  const size = byteLength < 256 ? [0x58, byteLength] : [0x59, byteLength >> 8, byteLength & 0xff]
  const head = Buffer.from('a363666d74646e6f6e656761747453746d74a0686175746844617461', 'hex')
  return Buffer.concat([head, Buffer.from(size), authData]).toString('base64url')
}
