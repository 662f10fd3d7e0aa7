import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { addressRanges, parseAddress, type RequestHeaders } from '@portcullis/core'
import { TokenError } from './errors.ts'

/** Options of {@link createClientCertificates}. */
export interface ClientCertificatesOptions {
  /**
   * CIDR ranges of the proxies that end TLS in front of us and send the client's certificate on. Their header is believed, and
   * nobody else's; each must drop the header that a client sends. Default: none, TLS ends here.
   */
  readonly trustedProxies?: readonly string[]
  /** The header in which they send it. Default: `client-cert`. */
  readonly header?: string
  /**
   * `rfc9440`: a byte sequence of DER, as RFC 9440 has it. `escaped-pem`: PEM, percent-encoded, as nginx
   * (`$ssl_client_escaped_cert`) and Envoy (`%DOWNSTREAM_PEER_CERT%`) write it. Default: `rfc9440`.
   */
  readonly format?: 'rfc9440' | 'escaped-pem'
}

/** Finds the certificate that a client has proven to hold in its TLS handshake (RFC 8705 §3). */
export interface ClientCertificates {
  /** @returns the SHA-256 of the certificate, base64url: what `x5t#S256` names; `undefined`: there is none */
  thumbprint(request: { readonly socket: Socket | undefined; readonly headers: RequestHeaders }): string | undefined
}

/**
 * For `bearer`, which then takes certificate-bound tokens. Who issued a certificate does not matter here: the token names the one
 * certificate, and the handshake has proven its key. The server must ask for certificates: `requestCert: true`.
 *
 * @throws TokenError `tokens.options_invalid`; CoreError `core.proxy_list_invalid`
 * @example bearer({ verifier, certificates: createClientCertificates({ trustedProxies: ['10.0.0.0/8'] }) })
 */
export function createClientCertificates(options: ClientCertificatesOptions = {}): ClientCertificates {
  const { header = 'client-cert', format = 'rfc9440' } = options
  const isProxy = addressRanges(options.trustedProxies ?? [])
  if (!/^[A-Za-z0-9-]+$/.test(header)) throw new TokenError('tokens.options_invalid', 'header must be the name of a header')
  const parse = FORMATS.get(format)
  if (parse === undefined) throw new TokenError('tokens.options_invalid', 'format must be rfc9440 or escaped-pem')
  const name = header.toLowerCase()
  return {
    thumbprint({ socket, headers }) {
      if (socket === undefined) return undefined
      // A proxy may show a certificate of its own on its way here: that one is never the client's.
      if (!isProxy(parseAddress(socket.remoteAddress))) return ofSocket(socket)
      const value = headers[name]
      const certificate = typeof value === 'string' ? parse(value) : undefined
      return certificate && sha256(certificate)
    },
  }
}

const thumbprints = new WeakMap<Socket, string>()

/**
 * By the certificate alone: of a session that was resumed, Node has it too, while `authorized` says true even where there is none
 * (Node #35317, TLS 1.3).
 */
function ofSocket(socket: Socket): string | undefined {
  const known = thumbprints.get(socket)
  if (known !== undefined || !(socket instanceof TLSSocket)) return known
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return undefined
  const thumbprint = sha256(certificate.raw)
  thumbprints.set(socket, thumbprint)
  return thumbprint
}

// RFC 9440 §2.2, RFC 9651 §3.3.5: an Item that is a Byte Sequence, and has no parameters.
const BYTE_SEQUENCE = /^ *:([A-Za-z0-9+/]+={0,2}): *$/

function parseByteSequence(value: string): Buffer | undefined {
  const encoded = BYTE_SEQUENCE.exec(value)?.[1]
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64')
}

// RFC 7468 §5.1. One: of several, the first need not be the client's.
const PEM = /^-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/\r\n]+={0,2})\r?\n-----END CERTIFICATE-----(?:\r?\n)?$/

function parseEscapedPem(value: string): Buffer | undefined {
  try {
    const encoded = PEM.exec(decodeURIComponent(value))?.[1]
    return encoded === undefined ? undefined : Buffer.from(encoded, 'base64')
  } catch {
    return undefined
  }
}

const FORMATS: ReadonlyMap<string, (value: string) => Buffer | undefined> = new Map([
  ['rfc9440', parseByteSequence],
  ['escaped-pem', parseEscapedPem],
])

function sha256(certificate: Uint8Array): string {
  return createHash('sha256').update(certificate).digest('base64url')
}
