import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A request as its bytes will be: nothing is normalised on the way. */
export interface RawRequest {
  /** Default: `GET`. */
  readonly method?: string
  /** The request target, as sent. Default: `/`. */
  readonly target?: string
  /** Besides `Host` and `Connection: close`. */
  readonly headers?: readonly (readonly [name: string, value: string])[]
  /** Sent with `Content-Length`, unless `chunked`. */
  readonly body?: string
  readonly chunked?: boolean
}

/** A response as it came. */
export interface WireResponse {
  readonly status: number
  /** The values of a header, line by line. */
  lines(name: string): readonly string[]
  /** Without chunk framing. */
  readonly body: string
  /** Everything, from the status line on. */
  readonly raw: string
}

/** Sends one request over its own connection, and reads until the server closes it. */
export async function send(port: number, request: RawRequest = {}): Promise<WireResponse> {
  const socket = await open(port)
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.write(bytesOf(request))
  await new Promise((resolve) => socket.once('close', resolve))
  return parse(Buffer.concat(chunks).toString('latin1'))
}

/** A connection; errors on it are the test's own doing. */
export async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.on('error', () => {})
  return socket
}

export function bytesOf({ method = 'GET', target = '/', headers = [], body, chunked = false }: RawRequest): string {
  const lines = [`${method} ${target} HTTP/1.1`]
  if (!headers.some(([name]) => name.toLowerCase() === 'host')) lines.push('Host: api.example')
  lines.push('Connection: close', ...headers.map(([name, value]) => `${name}: ${value}`))
  if (body !== undefined) lines.push(chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${Buffer.byteLength(body)}`)
  const sent = body === undefined ? '' : chunked ? `${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n0\r\n\r\n` : body
  return `${lines.join('\r\n')}\r\n\r\n${sent}`
}

function parse(raw: string): WireResponse {
  const end = raw.indexOf('\r\n\r\n')
  const [statusLine = '', ...fields] = raw.slice(0, end).split('\r\n')
  const headers = fields.map((line): [string, string] => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
  })
  const lines = (name: string): string[] => headers.filter(([key]) => key === name.toLowerCase()).map(([, value]) => value)
  const rest = raw.slice(end + 4)
  const body = lines('transfer-encoding').includes('chunked') ? unchunk(rest) : rest
  return { status: Number(statusLine.split(' ')[1]), lines, body, raw }
}

function unchunk(text: string): string {
  let rest = text
  let body = ''
  for (;;) {
    const line = rest.indexOf('\r\n')
    const size = Number.parseInt(rest.slice(0, line), 16)
    if (line < 0 || !(size > 0)) return body
    body += rest.slice(line + 2, line + 2 + size)
    rest = rest.slice(line + 2 + size + 2)
  }
}
