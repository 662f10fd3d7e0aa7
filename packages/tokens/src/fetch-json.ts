import { TokenError, type TokenErrorCode } from './errors.ts'
import { type JsonObject, parseJsonObject } from './strict-json.ts'

/** The part of the platform's `fetch` that is used here. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** The code of what could not be had. */
type UnavailableCode = Extract<TokenErrorCode, 'tokens.keys_unavailable' | 'tokens.introspection_unavailable'>

/**
 * Runs something that must be over in time, whether or not it heeds its signal.
 * @param timeout milliseconds
 * @throws TokenError of `code`
 */
export async function withDeadline<T>(
  timeout: number,
  work: (signal: AbortSignal) => Promise<T>,
  code: UnavailableCode = 'tokens.keys_unavailable',
): Promise<T> {
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(unavailable(code, `no answer within ${timeout} ms`))
      controller.abort()
    }, timeout)
  })
  try {
    return await Promise.race([work(controller.signal), deadline])
  } finally {
    clearTimeout(timer)
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
  const document = parseJsonObject(await readUpTo(response, maxBytes, code))
  if (document === undefined) throw unavailable(code, 'the answer is not a JSON object')
  return document
}

async function readUpTo(response: Response, maxBytes: number, code: UnavailableCode): Promise<Uint8Array> {
  const reader = response.body?.getReader()
  if (reader === undefined) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return Buffer.concat(chunks)
    length += value.byteLength
    if (length > maxBytes) {
      await reader.cancel()
      throw unavailable(code, `the answer has more than ${maxBytes} bytes`)
    }
    chunks.push(value)
  }
}

function unavailable(code: UnavailableCode, message: string): TokenError {
  return new TokenError(code, message, { status: 503 })
}
