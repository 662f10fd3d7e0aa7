import { STATUS_CODES } from 'node:http'
import type { HeaderList, Reply } from './decision.ts'

/** Members of a problem details object (RFC 9457 §3.1); further members are extensions (§3.2). */
export interface Problem {
  readonly status: number
  /** A URI; `about:blank` by default, where the title is the status phrase. */
  readonly type?: string
  readonly title?: string
  /** For the client: nothing internal, nothing secret. */
  readonly detail?: string
  readonly instance?: string
  readonly [extension: string]: unknown
}

/** An `application/problem+json` reply (RFC 9457), never cached. */
export function problem(details: Problem, headers: HeaderList = []): Reply {
  const { status, type = 'about:blank', title = STATUS_CODES[status] ?? 'Error', ...rest } = details
  return {
    status,
    headers: [['Content-Type', 'application/problem+json'], ['Cache-Control', 'no-store'], ...headers],
    body: JSON.stringify({ type, title, status, ...rest }),
  }
}

/** A JSON reply, not cached unless `headers` say otherwise. */
export function json(value: unknown, options: { readonly status?: number; readonly headers?: HeaderList } = {}): Reply {
  return {
    status: options.status ?? 200,
    headers: [['Content-Type', 'application/json'], ['Cache-Control', 'no-store'], ...(options.headers ?? [])],
    body: JSON.stringify(value),
  }
}
