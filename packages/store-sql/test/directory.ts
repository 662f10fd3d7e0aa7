import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** The path of a database file in a directory of its own, which goes when the test ends. */
export function freshFile(): string {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-sqlite-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'store.db')
}
