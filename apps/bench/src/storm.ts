import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { BenchError } from './errors.ts'

/** Whose sign-ins are measured. */
export type StormSubject = 'portcullis' | 'ungated'

/** What a storm of sign-ins did to the process that it met. */
export interface StormFigures {
  /** The longest that an unrelated `fs.readFile` took, in milliseconds. */
  readonly read: number
  /** The most resident memory, over what there was before the first hash, in MiB. */
  readonly memory: number
  /** Hashes a second. */
  readonly speed: number
  /** The 99th percentile of the time between two ticks of a timer of 1 ms, in milliseconds. */
  readonly loop: number
  /** How many hashes run at once: the size of the gate, or all of them. */
  readonly gate: number
}

/**
 * Meets a new process with sign-ins that all come at once.
 * @param stored the argon2id hash of the password
 * @throws BenchError `bench.measurement_failed`
 */
export async function storm(subject: StormSubject, signIns: number, password: string, stored: string): Promise<StormFigures> {
  const child = fileURLToPath(new URL('./storm-child.js', import.meta.url))
  const given = [subject, String(signIns), password, stored]
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', child, ...given])
  const figures: StormFigures = JSON.parse(stdout)
  if (!Object.values(figures).every((figure) => figure > 0)) {
    throw new BenchError('bench.measurement_failed', `the sign-ins of ${subject} could not be measured`)
  }
  return figures
}
