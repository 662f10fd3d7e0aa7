import { connect, type SecureVersion } from 'node:tls'
import { authenticated } from '@portcullis/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  bearer,
  type ClientCertificates,
  type ClientCertificatesOptions,
  createClientCertificates,
  createKeySet,
  createTokenIssuer,
  createVerifier,
  importSigner,
  importVerificationKey,
  rejectedEvent,
} from '../src/index.ts'
import { certificateFor, type Identity, pem } from './certificates.ts'
import { type Served, serve } from './serve.ts'
import { testKey } from './support.ts'

const issuer = 'https://issuer.example'
const audience = 'https://api.example'
const { publicJwk, privateJwk } = await testKey()
const signer = await importSigner(privateJwk)
const tokens = createTokenIssuer({ issuer, signer: () => signer })
const verifier = createVerifier({ issuer, audience, keys: createKeySet([await importVerificationKey(publicJwk)]) })

const ca = certificateFor('ca')
const [server, client, other] = [certificateFor('server', ca), certificateFor('client', ca), certificateFor('other', ca)]
const self = certificateFor('self')

async function boundTo({ thumbprint }: Identity): Promise<string> {
  const request = { subject: 'user-1', audience, clientId: 'web', scopes: [] }
  return (await tokens.accessToken({ ...request, confirmation: { 'x5t#S256': thumbprint } })).token
}

async function plain(): Promise<string> {
  return (await tokens.accessToken({ subject: 'user-1', audience, clientId: 'web', scopes: [] })).token
}

function api(certificates: ClientCertificates, tls: boolean, requireProof = false): Promise<Served> {
  const keys = { key: server.key, cert: server.cert, ca: ca.cert, requestCert: true, rejectUnauthorized: false }
  const make = () => ({ guards: [bearer({ verifier, certificates, requireProof })], policies: { '/me': authenticated() } })
  return serve(make, tls ? keys : undefined)
}

/** Asks over TLS; gives the status, why it was refused, and the session for another connection. */
async function ask(
  { port }: Served,
  token: string,
  how: { as?: Identity | undefined; session?: Buffer | undefined; version?: SecureVersion; headers?: string } = {},
): Promise<{ status: number; code: string | undefined; session: Buffer | undefined; reused: boolean; text: string }> {
  let code: string | undefined
  const stop = rejectedEvent.subscribe(({ data }) => {
    code = data.code
  })
  const { as, session: before, version = 'TLSv1.3', headers = '' } = how
  const identity = as && { key: as.key, cert: as.cert }
  const options = { port, host: '127.0.0.1', rejectUnauthorized: false, minVersion: version, maxVersion: version, ...identity }
  const answer = await new Promise<{ text: string; session: Buffer | undefined; reused: boolean }>((resolve, reject) => {
    let session: Buffer | undefined
    let text = ''
    let reused = false
    const socket = connect({ ...options, ...(before && { session: before }) }, () => {
      reused = socket.isSessionReused()
      socket.write(`GET /me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\n${headers}\r\n`)
    })
    socket.on('session', (given: Buffer) => {
      session = given
    })
    socket.on('data', (chunk) => {
      text += String(chunk)
    })
    socket.on('error', reject)
    socket.on('close', () => resolve({ text, session, reused }))
  })
  stop()
  return { status: Number(answer.text.slice(9, 12)), code, ...answer }
}

describe('a token that is bound to a certificate (RFC 8705 §3), TLS ending here', () => {
  let served: Served
  let strict: Served
  beforeAll(async () => {
    ;[served, strict] = await Promise.all([api(createClientCertificates(), true), api(createClientCertificates(), true, true)])
  })
  afterAll(() => Promise.all([served.close(), strict.close()]))

  it.each<[string, Identity | undefined, string | undefined]>([
    ['its own certificate is let in', client, undefined],
    ['another certificate is refused', other, 'tokens.certificate_mismatch'],
    ['no certificate is refused', undefined, 'tokens.certificate_missing'],
  ])('with %s', async (_, as, code) => {
    const answer = await ask(served, await boundTo(client), { as })
    expect([answer.status, answer.code]).toEqual([code === undefined ? 200 : 401, code])
    if (code) expect(answer.text).toMatch(/WWW-Authenticate: Bearer error="invalid_token"/i)
  })

  it('of which nobody vouches but the token itself: a self-signed one is as good (RFC 8705 §2.2)', async () => {
    expect((await ask(served, await boundTo(self), { as: self })).status).toBe(200)
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('%s: a session that is resumed still has its certificate', async (version) => {
    const token = await boundTo(client)
    const first = await ask(served, token, { as: client, version })
    const resumed = await ask(served, token, { as: client, version, session: first.session })
    expect([first.status, resumed.reused, resumed.status]).toEqual([200, true, 200])
    // The certificate of a resumed session is that of its handshake, whatever the client holds now.
    expect(await ask(served, await boundTo(other), { as: other, version, session: first.session })).toMatchObject({
      status: 401,
      code: 'tokens.certificate_mismatch',
    })
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    '%s: a session without a certificate has none when it is resumed, though Node calls it authorized (Node #35317)',
    async (version) => {
      const token = await boundTo(client)
      const first = await ask(served, token, { version })
      const resumed = await ask(served, token, { version, session: first.session })
      expect([first.status, resumed.reused, resumed.status, resumed.code]).toEqual([401, true, 401, 'tokens.certificate_missing'])
    },
  )

  it('a header that names the certificate is ignored: nobody is trusted to send it', async () => {
    const header = `Client-Cert: :${client.der.toString('base64')}:\r\n`
    expect(await ask(served, await boundTo(client), { headers: header })).toMatchObject({ code: 'tokens.certificate_missing' })
    expect(await ask(served, await boundTo(client), { as: other, headers: header })).toMatchObject({
      code: 'tokens.certificate_mismatch',
    })
  })

  it('an unbound token is let in with any certificate or none, unless a proof is required', async () => {
    expect((await ask(served, await plain())).status).toBe(200)
    expect(await ask(strict, await plain(), { as: client })).toMatchObject({ status: 401, code: 'tokens.binding_missing' })
    expect((await ask(strict, await boundTo(client), { as: client })).status).toBe(200)
  })

  it('is refused over plain HTTP', async () => {
    const insecure = await api(createClientCertificates(), false)
    const response = await fetch(`${insecure.origin}/me`, { headers: { authorization: `Bearer ${await boundTo(client)}` } })
    expect(response.status).toBe(401)
    await insecure.close()
  })
})

describe('behind a proxy that ends TLS', () => {
  const servers: Served[] = []
  afterAll(() => Promise.all(servers.map((one) => one.close())))

  async function status(options: ClientCertificatesOptions, name: string, value: string): Promise<number> {
    const served = await api(createClientCertificates(options), false)
    servers.push(served)
    const headers = { authorization: `Bearer ${await boundTo(client)}`, [name]: value }
    return (await fetch(`${served.origin}/me`, { headers })).status
  }

  const trusted = { trustedProxies: ['127.0.0.1/32'] }
  const sequence = (identity: Identity): string => `:${identity.der.toString('base64')}:`
  const escaped = (identity: Identity): string => encodeURIComponent(identity.cert)
  const nginx = { ...trusted, header: 'X-SSL-Client-Cert', format: 'escaped-pem' } as const

  it.each<[string, () => string, number]>([
    ['the right certificate', () => sequence(client), 200],
    ['white space around it', () => ` ${sequence(client)} `, 200],
    ['another certificate', () => sequence(other), 401],
    ['two lines, as Node joins them', () => `${sequence(client)}, ${sequence(client)}`, 401],
    ['a parameter', () => `${sequence(client)};a=1`, 401],
    ['no colons', () => sequence(client).slice(1, -1), 401],
    ['an empty sequence', () => '::', 401],
    ['base64url', () => sequence(client).replaceAll('+', '-').replaceAll('/', '_').replace(/^:/, ':-'), 401],
    ['junk after it', () => `${sequence(client)}x`, 401],
    ['PEM', () => escaped(client), 401],
  ])('Client-Cert (RFC 9440) with %s: %#', async (_, value, expected) => {
    expect(await status(trusted, 'client-cert', value())).toBe(expected)
  })

  it.each<[string, () => string, number]>([
    ['the right certificate', () => escaped(client), 200],
    ['lines that end in CRLF', () => encodeURIComponent(client.cert.replaceAll('\n', '\r\n')), 200],
    ['another certificate', () => escaped(other), 401],
    ['two certificates', () => escaped(client) + escaped(client), 401],
    ['a certificate after something else', () => `${escaped(other)}${escaped(client)}`, 401],
    ['text before it', () => `x${escaped(client)}`, 401],
    ['broken escapes', () => `${escaped(client)}%`, 401],
    ['a key for a certificate', () => encodeURIComponent(client.key), 401],
    ['RFC 9440', () => sequence(client), 401],
  ])('escaped PEM, as nginx and Envoy send it, with %s', async (_, value, expected) => {
    expect(await status(nginx, 'x-ssl-client-cert', value())).toBe(expected)
  })

  it.each([
    ['no proxy is trusted', {}],
    ['another proxy is trusted', { trustedProxies: ['10.0.0.0/8', '::1/128'] }],
    ['it is another header', { ...trusted, header: 'x-client-cert' }],
  ])('the header is ignored where %s', async (_, options) => {
    expect(await status(options, 'client-cert', sequence(client))).toBe(401)
  })

  it("the proxy's own certificate is not the client's", async () => {
    const served = await api(createClientCertificates(trusted), true)
    servers.push(served)
    const header = `Client-Cert: ${sequence(client)}\r\n`
    expect(await ask(served, await boundTo(server), { as: server })).toMatchObject({ code: 'tokens.certificate_missing' })
    expect(await ask(served, await boundTo(server), { as: server, headers: header })).toMatchObject({
      code: 'tokens.certificate_mismatch',
    })
    expect((await ask(served, await boundTo(client), { as: server, headers: header })).status).toBe(200)
  })
})

describe('the example of RFC 8705, appendix A', () => {
  const certificate =
    'MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAxODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMG' +
    'ByqGSM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZI' +
    'zj0EAwIDSQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOVbUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY='
  const thumbprint = 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0'
  const socket = { remoteAddress: '10.0.0.1' } as never

  it('has the thumbprint that is written there', () => {
    const trustedProxies = ['10.0.0.0/8']
    const sequence = createClientCertificates({ trustedProxies })
    expect(sequence.thumbprint({ socket, headers: { 'client-cert': `:${certificate}:` } })).toBe(thumbprint)
    const escaped = createClientCertificates({ trustedProxies, format: 'escaped-pem' })
    const header = encodeURIComponent(pem(Buffer.from(certificate, 'base64')))
    expect(escaped.thumbprint({ socket, headers: { 'client-cert': header } })).toBe(thumbprint)
  })

  it('is not looked for in several headers, nor without a socket', () => {
    const certificates = createClientCertificates({ trustedProxies: ['10.0.0.0/8'] })
    const header = `:${certificate}:`
    expect(certificates.thumbprint({ socket, headers: { 'client-cert': [header] } })).toBeUndefined()
    expect(certificates.thumbprint({ socket: undefined, headers: { 'client-cert': header } })).toBeUndefined()
    expect(certificates.thumbprint({ socket: {} as never, headers: { 'client-cert': header } })).toBeUndefined()
  })
})

describe('options of createClientCertificates', () => {
  it.each<[string, ClientCertificatesOptions, string]>([
    ['a header that is none', { header: 'client cert' }, 'tokens.options_invalid'],
    ['an unknown format', { format: 'xfcc' as never }, 'tokens.options_invalid'],
    ['a range that is none', { trustedProxies: ['everybody'] }, 'core.proxy_list_invalid'],
  ])('%s is refused', (_, options, code) => {
    expect(() => createClientCertificates(options)).toThrow(expect.objectContaining({ code }))
  })
})
