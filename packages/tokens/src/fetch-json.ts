import { readUpTo, withDeadline } from '@portcullis/core'
import { TokenError, type TokenErrorCode } from './errors.ts'
import { type JsonObject, parseJsonObject } from './strict-json.ts'

/** The part of the platform's `fetch` that is used here. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** The code of what could not be had. */
type UnavailableCode = Extract<TokenErrorCode, 'tokens.keys_unavailable' | 'tokens.introspection_unavailable'>

/**
 * Asks somebody outside, within a time. What is under way when time is up is called off.
 * @param timeout milliseconds
 * @throws TokenError of `code`
 */
export async function askInTime<T>(
  timeout: number,
  ask: (signal: AbortSignal) => Promise<T>,
  code: UnavailableCode = 'tokens.keys_unavailable',
): Promise<T> {
  const controller = new AbortController()
  try {
    return await withDeadline(
      timeout,
      () => ask(controller.signal),
      () => unavailable(code, `no answer within ${timeout} ms`),
    )
  } finally {
    controller.abort()
  }
}

/** How a JSON object is fetched. */
export interface FetchJsonOptions {
  readonly fetch: Fetch
  readonly maxBytes: number
  readonly signal: AbortSignal
  readonly headers?: Readonly<Record<string, string>>
  /** What is posted. Default: nothing, it is a GET. */
  readonly form?: URLSearchParams
  /** Default: `tokens.keys_unavailable`. */
  readonly code?: UnavailableCode
}

/**
 * Fetches a JSON object, up to a size, without following redirects: they lead where nobody has looked.
 * @throws TokenError of `code`, and whatever `fetch` throws
 */
export async function fetchJson(url: string, options: FetchJsonOptions): Promise<JsonObject> {
  const { fetch, maxBytes, signal, form, code = 'tokens.keys_unavailable' } = options
  const headers = { accept: 'application/json, application/jwk-set+json', ...options.headers }
  const request = form === undefined ? { headers } : { headers, method: 'POST', body: form }
  const response = await fetch(url, { ...request, redirect: 'error', signal })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw unavailable(code, `the answer has status ${response.status}`)
  }
  const body = await readUpTo(response, maxBytes)
  if (body === undefined) throw unavailable(code, `the answer has more than ${maxBytes} bytes`)
  const document = parseJsonObject(body)
  if (document === undefined) throw unavailable(code, 'the answer is not a JSON object')
  return document
}

function unavailable(code: UnavailableCode, message: string): TokenError {
  return new TokenError(code, message, { status: 503 })
}
