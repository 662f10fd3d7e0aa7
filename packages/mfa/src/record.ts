import type { Collection, Json, Stored, WriteOptions } from '@portcullis/core'
import { MfaError } from './errors.ts'

// Every round that is lost was won by another caller, so this many in a row mean a store whose replace never succeeds.
const rounds = 64

/** What shall become of a record, and what its caller hears once that is written. No record: nothing is written. */
export interface Change<T, R> {
  readonly record?: T
  readonly options?: WriteOptions
  readonly result: R
}

/**
 * Evaluates anew on what is stored until the write that follows from it succeeds: of any number of callers each sees what the one
 * before it left.
 * @throws MfaError `mfa.store_contended` (503)
 */
export async function change<T extends Json, R>(
  records: Collection<T>,
  id: string,
  evaluate: (was: Stored<T> | undefined) => Change<T, R>,
): Promise<R> {
  for (let round = 0; round < rounds; round++) {
    const was = await records.get(id)
    const { record, options, result } = evaluate(was)
    if (record === undefined) return result
    const written = was ? records.replace(id, was.version, record, options) : records.create(id, record, options)
    if (await written) return result
  }
  throw new MfaError('mfa.store_contended', `a record could not be written in ${rounds} attempts`, { status: 503 })
}
