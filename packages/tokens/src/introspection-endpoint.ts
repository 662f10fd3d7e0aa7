import { TokenError } from './errors.ts'
import { askInTime, type Fetch, fetchJson } from './fetch-json.ts'
import { seconds, text, wholeNumber } from './options.ts'
import { secureUrl } from './secure-url.ts'
import type { JsonObject } from './strict-json.ts'

/** How we prove to an introspection endpoint who asks (RFC 7662 §2.1). */
export type IntrospectionCredentials =
  /** `client_secret_basic` (RFC 6749 §2.3.1). */
  | { readonly clientId: string; readonly clientSecret: string; readonly authorization?: never }
  /** Gives the value of the `Authorization` header, such as `Bearer …`. Asked each time. */
  | { readonly authorization: () => string | Promise<string>; readonly clientId?: never; readonly clientSecret?: never }

/** Options of {@link IntrospectionEndpoint}. */
export interface IntrospectionEndpointOptions {
  /** The introspection endpoint; `https:`, or this machine. */
  readonly endpoint: string
  readonly credentials: IntrospectionCredentials
  /** Milliseconds for a question. Default: 5000. */
  readonly timeout?: number
  /** The largest answer that is read, in bytes. Default: 65536. */
  readonly maxBytes?: number
  /** How many questions may be under way at once; beyond that, verification fails with 503. Default: 50. */
  readonly maxConcurrent?: number
  /** Default: the platform's. */
  readonly fetch?: Fetch
}

// RFC 9110 §5.5, without what is obsolete.
const HEADER_VALUE = /^[\x21-\x7e]+(?: +[\x21-\x7e]+)*$/

/** An introspection endpoint (RFC 7662), asked within bounds. */
export class IntrospectionEndpoint {
  readonly url: string
  readonly #authorization: () => string | Promise<string>
  readonly #timeout: number
  readonly #maxBytes: number
  readonly #maxConcurrent: number
  readonly #fetch: Fetch
  #underWay = 0

  /** @throws TokenError `tokens.options_invalid` */
  constructor(options: IntrospectionEndpointOptions) {
    this.url = secureUrl('endpoint', options.endpoint)
    this.#authorization = authorizationOf(options.credentials)
    this.#timeout = 1000 * seconds('timeout', (options.timeout ?? 5000) / 1000, { min: 0.001, max: 60 })
    this.#maxBytes = wholeNumber('maxBytes', options.maxBytes ?? 65_536, { min: 1, max: 16_777_216 })
    this.#maxConcurrent = wholeNumber('maxConcurrent', options.maxConcurrent ?? 50, { min: 1, max: 10_000 })
    this.#fetch = options.fetch ?? globalThis.fetch
  }

  /** @throws TokenError `tokens.introspection_unavailable` (503); its message has nothing of the token, nor of the answer */
  async ask(token: string): Promise<JsonObject> {
    if (this.#underWay >= this.#maxConcurrent) throw unavailable('too many questions are under way')
    this.#underWay += 1
    try {
      return await askInTime(this.#timeout, (signal) => this.#post(token, signal), 'tokens.introspection_unavailable')
    } catch (cause) {
      if (cause instanceof TokenError && cause.code === 'tokens.introspection_unavailable') throw cause
      throw unavailable('the endpoint can not be asked', cause)
    } finally {
      this.#underWay -= 1
    }
  }

  async #post(token: string, signal: AbortSignal): Promise<JsonObject> {
    const authorization = await this.#authorization()
    // Checked here: the platform's fetch quotes a header that it does not take, and this one is a secret.
    if (typeof authorization !== 'string' || !HEADER_VALUE.test(authorization))
      throw unavailable('authorization gave no value for a header')
    return fetchJson(this.url, {
      fetch: this.#fetch,
      maxBytes: this.#maxBytes,
      signal,
      headers: { accept: 'application/json', authorization },
      form: new URLSearchParams({ token, token_type_hint: 'access_token' }),
      code: 'tokens.introspection_unavailable',
    })
  }
}

function authorizationOf(credentials: IntrospectionCredentials): () => string | Promise<string> {
  if (typeof credentials?.authorization === 'function') return credentials.authorization
  const id = formEncoded(text('clientId', credentials?.clientId))
  const secret = formEncoded(text('clientSecret', credentials?.clientSecret))
  const header = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
  return () => header
}

// RFC 6749 §2.3.1, appendix B: encoded as in a form before it goes into the header.
function formEncoded(value: string): string {
  return new URLSearchParams({ v: value }).toString().slice('v='.length)
}

function unavailable(message: string, cause?: unknown): TokenError {
  return new TokenError('tokens.introspection_unavailable', message, { status: 503, ...(cause !== undefined && { cause }) })
}
