import { parseForm, problem, type Reply, type RequestView } from '@portcullis/core'
import { z } from 'zod'

/** An input that is what it should be, or the answer to one that is not. */
export type Checked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reply: Reply }

/** Holds an input against its schema; the answer names each flaw (RFC 9457). */
export function check<T>(schema: z.ZodType<T>, input: unknown): Checked<T> {
  const { success, data, error } = schema.safeParse(input)
  if (success) return { ok: true, value: data }
  const errors = error.issues.map(({ path, message }) => ({ pointer: `/${path.join('/')}`, detail: message }))
  return { ok: false, reply: problem({ status: 400, title: 'Invalid input', errors }) }
}

/** The query of a request: each parameter once. @throws CoreError `core.form_malformed` */
export function queryOf(view: RequestView): unknown {
  const at = view.target.indexOf('?')
  return { ...parseForm(at === -1 ? '' : view.target.slice(at + 1)) }
}

/** For what takes no parameters. */
export const nothing: z.ZodType<Record<string, never>> = z.strictObject({})

/** What is not there, and what is somebody else's, are answered alike. */
export function absent(): Reply {
  return problem({ status: 404 })
}
