import { problem, type Reply } from '@portcullis/core'

/** What a client is told of an error that a framework raised itself: the status, and nothing of the error. */
export function failure(error: unknown): Reply {
  const { status, statusCode } = (error ?? {}) as { status?: unknown; statusCode?: unknown }
  const given = typeof status === 'number' ? status : statusCode
  return problem({ status: typeof given === 'number' && given >= 400 && given < 500 ? given : 500 })
}
