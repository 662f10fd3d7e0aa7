import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { BenchError } from './errors.ts'

/** Whose memory is measured. */
export type MemorySubject = 'portcullis' | 'rate-limiter-flexible' | 'express-rate-limit'

/**
 * Bytes that a limiter keeps for a key, its string included, in a process of its own.
 * @throws BenchError `bench.measurement_failed`
 */
export async function bytesPerKey(subject: MemorySubject, keys: number): Promise<number> {
  const child = fileURLToPath(new URL('./memory-child.js', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', child, subject, String(keys)])
  const bytes = Number(stdout)
  if (!(bytes > 0)) throw new BenchError('bench.measurement_failed', `the memory of ${subject} could not be measured`)
  return bytes
}
