import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '@simplewebauthn/server'

/** What the browser says it did (WebAuthn L3 §5.8.1). Signed over, but read before that: unverified. */
export interface ClientData {
  readonly challenge: string
  readonly origin: string
  readonly crossOrigin: boolean
  readonly topOrigin: string | undefined
}

/** An answer of the expected form, with nothing in it that nobody asked for. */
export interface Answer<Response> {
  readonly response: Response
  readonly clientData: ClientData
}

type Fields = { readonly [name: string]: unknown }

/** @returns `undefined`: not of this form, or too big to be meant so */
export function parseRegistration(answer: unknown): Answer<RegistrationResponseJSON> | undefined {
  const outer = credential(answer)
  if (outer === undefined) return undefined
  const { id, inner, clientDataJSON, clientData } = outer
  const attestationObject = base64url(inner['attestationObject'], 65_536)
  if (attestationObject === undefined) return undefined
  const transports = Array.isArray(inner['transports']) ? inner['transports'].filter(isTransport).slice(0, 8) : []
  const response = { clientDataJSON, attestationObject, transports }
  return { clientData, response: { id, rawId: id, type: 'public-key', clientExtensionResults: {}, response } }
}

/** @returns `undefined`: not of this form, or too big to be meant so */
export function parseAssertion(answer: unknown): Answer<AuthenticationResponseJSON> | undefined {
  const outer = credential(answer)
  if (outer === undefined) return undefined
  const { id, inner, clientDataJSON, clientData } = outer
  const authenticatorData = base64url(inner['authenticatorData'], 8192)
  const signature = base64url(inner['signature'], 8192)
  if (authenticatorData === undefined || signature === undefined) return undefined
  const userHandle = base64url(inner['userHandle'] ?? undefined, 88)
  if (userHandle === undefined && inner['userHandle'] !== undefined && inner['userHandle'] !== null) return undefined
  const response = { clientDataJSON, authenticatorData, signature, ...(userHandle === undefined ? {} : { userHandle }) }
  return { clientData, response: { id, rawId: id, type: 'public-key', clientExtensionResults: {}, response } }
}

function credential(answer: unknown) {
  if (!isFields(answer) || !isFields(answer['response'])) return undefined
  const inner = answer['response']
  // WebAuthn L3 §4: a credential id has 1023 bytes at most.
  const id = base64url(answer['id'], 1364)
  const clientDataJSON = base64url(inner['clientDataJSON'], 8192)
  if (id === undefined || answer['rawId'] !== id || answer['type'] !== 'public-key' || clientDataJSON === undefined)
    return undefined
  const clientData = readClientData(clientDataJSON)
  return clientData && { id, inner, clientDataJSON, clientData }
}

function readClientData(text: string): ClientData | undefined {
  let data: unknown
  try {
    data = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
  if (!isFields(data)) return undefined
  const { challenge, origin, crossOrigin = false, topOrigin } = data
  if (typeof challenge !== 'string' || !/^[\w-]{22,512}$/.test(challenge) || typeof origin !== 'string') return undefined
  if (typeof crossOrigin !== 'boolean' || (topOrigin !== undefined && typeof topOrigin !== 'string')) return undefined
  return { challenge, origin, crossOrigin, topOrigin }
}

function base64url(text: unknown, most: number): string | undefined {
  return typeof text === 'string' && text.length <= most && /^[\w-]+$/.test(text) ? text : undefined
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isTransport(text: unknown): text is string {
  return typeof text === 'string' && /^[a-z-]{1,32}$/.test(text)
}
