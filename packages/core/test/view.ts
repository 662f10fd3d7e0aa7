import type { RequestView } from '../src/index.ts'

/** A request that never saw a socket. */
export function requestView(over: Partial<RequestView> = {}): RequestView {
  return {
    method: 'GET',
    target: '/',
    headers: {},
    client: { ip: '203.0.113.7', secure: true, host: 'api.example' },
    socket: undefined,
    route: undefined,
    body: async () => ({ raw: new Uint8Array() }),
    signal: new AbortController().signal,
    ...over,
  }
}
