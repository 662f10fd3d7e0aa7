import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { build } from 'rolldown'
import { afterAll } from 'vitest'

/** Bundles a module, so that Node 20 runs it without a build of the packages. @returns where it is */
async function bundle(input: string, name: string): Promise<string> {
  const file = join(import.meta.dirname, '../.vitest', `${name}.${process.pid}.mjs`)
  await build({
    input: join(import.meta.dirname, input),
    platform: 'node',
    resolve: { conditionNames: ['portcullis:source', 'node', 'import', 'default'] },
    output: { file, format: 'esm', codeSplitting: false },
    logLevel: 'silent',
  })
  afterAll(() => rmSync(file, { force: true }))
  return file
}

/** The command, as a file. */
export const bundleBin = (): Promise<string> => bundle('../src/bin.ts', 'bin')

/** The application of these tests, as a file that `--app` takes. */
export const bundleApp = (name: 'app' | 'readme-example'): Promise<string> => bundle(`./${name}.ts`, name)

/** What a process said, and what it ended with. */
export interface Said {
  readonly code: number | null
  readonly output: string
  readonly error: string
}

/** Runs the command as a process of its own. */
export async function run(bin: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Said> {
  const child = spawn(process.execPath, [bin, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...env },
  })
  const [output, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: code as number | null, output, error }
}

/** A folder for one test file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-cli-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
