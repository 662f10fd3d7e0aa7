import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const { CI, PORTCULLIS_VECTORS: folder } = process.env

/** Whether the vectors are there. In CI they must be: a suite that skips itself proves nothing. */
export const haveVectors: boolean = folder !== undefined

if (!haveVectors && CI !== undefined) {
  throw new TypeError('PORTCULLIS_VECTORS is not set, and in CI the vectors must run')
}

export function readVectors<T>(file: string): T {
  return JSON.parse(readFileSync(join(folder ?? '', file), 'utf8')) as T
}
