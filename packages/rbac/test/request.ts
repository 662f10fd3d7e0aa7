import type { Principal, RequestView } from '@portcullis/core'

/** A request as a guard sees it, after an authenticating guard named the principal. */
export function request(principal?: Principal): RequestView {
  const view: RequestView = {
    method: 'GET',
    target: '/api/invoices/1',
    headers: {},
    client: { ip: '203.0.113.7', secure: true, host: 'api.test' },
    socket: undefined,
    route: undefined,
    body: () => Promise.reject(new Error('no body')),
    signal: new AbortController().signal,
  }
  if (principal !== undefined) Object.assign(view, { [Symbol.for('portcullis.state')]: { principal } })
  return view
}
