import { CoreError } from './errors.ts'
import type { RequestView } from './view.ts'

/** The fields of a form; a field that was not sent is `undefined`. */
export type Form = Readonly<Record<string, string | undefined>>

/**
 * Reads an `application/x-www-form-urlencoded` body. A name sent twice is an error, as OAuth demands (RFC 6749 §3.1).
 * @param limit the most bytes to accept
 * @throws CoreError `core.form_malformed` (400), and those of {@link RequestView.body}
 */
export async function readForm(req: RequestView, limit: number = 64 * 1024): Promise<Form> {
  const type = req.headers['content-type']
  if (typeof type !== 'string' || !/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(type)) {
    throw malformed('the body is not application/x-www-form-urlencoded')
  }
  const body = await req.body(limit)
  return 'raw' in body ? parseForm(new TextDecoder().decode(body.raw)) : checkParsed(body.parsed)
}

/** Parses a query string or form, without `?`. @throws CoreError `core.form_malformed` when a name occurs twice */
export function parseForm(text: string): Form {
  const form: Record<string, string> = Object.create(null)
  for (const [name, value] of new URLSearchParams(text)) {
    if (name in form) throw malformed('a field occurs twice')
    form[name] = value
  }
  return form
}

/**
 * Reads an `application/json` body. What it holds is unchecked: hand it to a schema.
 * @param limit the most bytes to accept
 * @throws CoreError `core.json_malformed` (400), `core.content_type_unsupported` (415), and those of {@link RequestView.body}
 */
export async function readJson(req: RequestView, limit: number = 64 * 1024): Promise<unknown> {
  const type = req.headers['content-type']
  if (typeof type !== 'string' || !/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(type)) {
    throw new CoreError('core.content_type_unsupported', 'the body is not JSON by its content type', { status: 415 })
  }
  const body = await req.body(limit)
  if ('parsed' in body) return body.parsed
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body.raw))
  } catch {
    // The parser's own message quotes the body.
    throw new CoreError('core.json_malformed', 'the body is not JSON', { status: 400 })
  }
}

function checkParsed(parsed: unknown): Form {
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw malformed('the body was not parsed as a form')
  const form: Record<string, string> = Object.create(null)
  for (const [name, value] of Object.entries(parsed)) {
    if (typeof value !== 'string') throw malformed('a field occurs twice, or is not text')
    form[name] = value
  }
  return form
}

function malformed(message: string): CoreError {
  return new CoreError('core.form_malformed', message, { status: 400 })
}
