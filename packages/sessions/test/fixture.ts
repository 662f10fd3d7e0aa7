import type { Clock, HeaderList, RequestHeaders, RequestView, SecurityEvent } from '@portcullis/core'
import { subscribe } from '@portcullis/core'

/** A clock moved by hand. Milliseconds. */
export interface HandClock extends Clock {
  time: number
}

export function timeAt(time: number): HandClock {
  return {
    time,
    now() {
      return this.time
    },
  }
}

/** A request with these headers. */
export function request(headers: RequestHeaders = {}): RequestView {
  return {
    method: 'GET',
    target: '/',
    headers,
    client: { ip: '192.0.2.1', secure: true, host: 'ledger.test' },
    socket: undefined,
    route: undefined,
    body: () => Promise.resolve({ raw: new Uint8Array() }),
    signal: new AbortController().signal,
  }
}

/** A request with this `Cookie` header. */
export function withCookie(...cookies: string[]): RequestView {
  return request({ cookie: cookies.join('; ') })
}

/** What a browser sends back after these headers: `name=value`. */
export function cookieOf(headers: HeaderList): string {
  const lines = headers.filter(([name]) => name.toLowerCase() === 'set-cookie')
  if (lines.length !== 1) throw new TypeError(`expected one Set-Cookie, got ${lines.length}`)
  return lines[0]?.[1].split(';')[0] ?? ''
}

/** All events while `work` runs. */
export async function eventsOf(work: () => Promise<unknown>): Promise<SecurityEvent[]> {
  const events: SecurityEvent[] = []
  const stop = subscribe((event) => events.push(event))
  try {
    await work()
  } finally {
    stop()
  }
  return events
}
