import { TokenError } from './errors.ts'
import { type JsonObject, parseJsonObject } from './strict-json.ts'

/** The part of the platform's `fetch` that is used here. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/**
 * Runs something that must be over in time, whether or not it heeds its signal.
 * @param timeout milliseconds
 * @throws TokenError `tokens.keys_unavailable`
 */
export async function withDeadline<T>(timeout: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(unavailable(`no answer within ${timeout} ms`))
      controller.abort()
    }, timeout)
  })
  try {
    return await Promise.race([work(controller.signal), deadline])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Fetches a JSON object, up to a size, without following redirects: they lead where nobody has looked.
 * @throws TokenError `tokens.keys_unavailable`, and whatever `fetch` throws
 */
export async function fetchJson(
  url: string,
  options: { readonly fetch: Fetch; readonly maxBytes: number; readonly signal: AbortSignal },
): Promise<JsonObject> {
  const { fetch, maxBytes, signal } = options
  const headers = { accept: 'application/json, application/jwk-set+json' }
  const response = await fetch(url, { headers, redirect: 'error', signal })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw unavailable(`the answer has status ${response.status}`)
  }
  const document = parseJsonObject(await readUpTo(response, maxBytes))
  if (document === undefined) throw unavailable('the answer is not a JSON object')
  return document
}

async function readUpTo(response: Response, maxBytes: number): Promise<Uint8Array> {
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
      throw unavailable(`the answer has more than ${maxBytes} bytes`)
    }
    chunks.push(value)
  }
}

function unavailable(message: string): TokenError {
  return new TokenError('tokens.keys_unavailable', message, { status: 503 })
}
