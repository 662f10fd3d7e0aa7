import type { Client, RequestView } from '@portcullis/core'

/** A request as a guard of the entrance sees it. */
export function request(more: Partial<Omit<RequestView, 'client'>> & { readonly client?: Partial<Client> } = {}): RequestView {
  return {
    method: 'GET',
    target: '/',
    headers: {},
    socket: undefined,
    route: undefined,
    body: () => Promise.reject(new Error('no body')),
    signal: new AbortController().signal,
    ...more,
    client: { ip: '203.0.113.7', secure: true, host: 'api.test', ...more.client },
  }
}
