import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { CoreError, type Form, type HeaderList, parseForm, type RequestView, readForm } from '@portcullis/core'
import { queryOf } from './authorize.ts'
import type { Client, ClientAuthenticationMethod, ClientDirectory } from './client.ts'
import { type Refused, refused } from './refusal.ts'

/** A form from a client, and who sent it. */
export interface ClientRequest {
  readonly type: 'client'
  readonly client: Client
  readonly method: ClientAuthenticationMethod
  /** Without parameters that had no value: those were not sent (RFC 6749 §3.2). */
  readonly form: Form
}

/** RFC 6749 §5.2: a client that tried Basic is answered with its challenge. */
export const BASIC_CHALLENGE: HeaderList = [['WWW-Authenticate', 'Basic realm="OAuth", charset="UTF-8"']]

// Written into server logs, browser histories and Referer headers, where a query goes (RFC 6749 §2.3.1, §3.2).
const NOT_IN_QUERY = ['client_secret', 'client_assertion', 'code', 'code_verifier', 'refresh_token', 'token', 'password']

const UNKNOWN = refused('invalid_client', 'oauth.client_unauthenticated', 'the client is unknown, or did not prove who it is')
const TWO_METHODS = refused('invalid_request', 'oauth.client_authentication_twice', 'use one way of client authentication')

/** Reads a form from a client and authenticates it (RFC 6749 §2.3). */
export async function readClientRequest(clients: ClientDirectory, req: RequestView): Promise<ClientRequest | Refused> {
  const query = new URLSearchParams(queryOf(req))
  if (NOT_IN_QUERY.some((name) => query.has(name))) {
    return refused('invalid_request', 'oauth.credential_in_query', 'parameters belong in the body, and never in the query')
  }
  const form = await readParameters(req)
  if (form === undefined) {
    return refused('invalid_request', 'oauth.form_malformed', 'the body must be a form in which each parameter occurs once')
  }
  const credentials = credentialsOf(req.headers['authorization'], form)
  if ('error' in credentials) return credentials
  const client = credentials.clientId === undefined ? undefined : await clients.find(credentials.clientId)
  // A stranger's secret is compared as well, so that time does not tell which ids exist.
  const proven = proves(client ?? NOBODY, credentials)
  return client !== undefined && proven ? { type: 'client', client, method: credentials.method, form } : UNKNOWN
}

async function readParameters(req: RequestView): Promise<Form | undefined> {
  try {
    const form: Record<string, string> = Object.create(null)
    for (const [name, value] of Object.entries(await readForm(req))) if (value !== undefined && value !== '') form[name] = value
    return form
  } catch (error) {
    if (error instanceof CoreError && error.code === 'core.form_malformed') return undefined
    throw error
  }
}

interface Credentials {
  readonly method: ClientAuthenticationMethod
  readonly clientId: string | undefined
  readonly secret: string | undefined
}

function credentialsOf(authorization: string | readonly string[] | undefined, form: Form): Credentials | Refused {
  const { client_id: clientId, client_secret: secret } = form
  if (form['client_assertion'] !== undefined) {
    return refused('invalid_client', 'oauth.client_assertion_unsupported', 'client_assertion is not supported')
  }
  if (authorization === undefined) return { method: secret === undefined ? 'none' : 'client_secret_post', clientId, secret }
  if (secret !== undefined) return TWO_METHODS
  const basic = typeof authorization === 'string' ? parseBasic(authorization) : undefined
  if (basic === undefined) return UNKNOWN
  // RFC 6749 §3.2.1 lets client_id be sent beside the header; then it must say the same.
  return clientId === undefined || clientId === basic.clientId ? basic : TWO_METHODS
}

function parseBasic(authorization: string): Credentials | undefined {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0) return undefined
  // RFC 6749 §2.3.1: both halves are form-encoded before they are joined. One value, so the parser is the form's own.
  const [clientId, secret] = [text.slice(0, colon), text.slice(colon + 1)].map(formDecode)
  return clientId === undefined || secret === undefined ? undefined : { method: 'client_secret_basic', clientId, secret }
}

function formDecode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

function proves({ authentication, secretHashes = [] }: Client, { method, secret }: Credentials): boolean {
  if (!authentication.includes(method)) return false
  if (method === 'none') return true
  let proven = false
  // All are compared, so that time does not tell which one it was.
  for (const hash of secretHashes) if (matches(secret ?? '', hash)) proven = true
  return proven
}

const NOBODY: Client = {
  clientId: 'nobody',
  name: 'nobody',
  kind: 'confidential',
  authentication: ['client_secret_basic', 'client_secret_post'],
  secretHashes: [createHash('sha256').update(randomBytes(32)).digest('base64url')],
  grants: [],
}

function matches(secret: string, hash: string): boolean {
  const expected = Buffer.from(hash, 'base64url')
  const given = createHash('sha256').update(secret).digest()
  return given.length === expected.length && timingSafeEqual(given, expected)
}

/** Whether a request tried Basic, so that a refusal must answer with a challenge. */
export function triedBasic(req: RequestView): boolean {
  return req.headers['authorization'] !== undefined
}

/** Parses the query of a request as a form. @throws CoreError `core.form_malformed` */
export function parseQuery(req: RequestView): Form {
  return parseForm(queryOf(req))
}
