import { createReadStream } from 'node:fs'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { CliError } from './errors.ts'

/** @throws CliError `cli.file_failed` */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw failed(path, 'read', error)
  }
}

/**
 * Writes a file whole: whoever reads it sees the old one or the new one.
 * @throws CliError `cli.file_failed`
 */
export async function writeText(path: string, text: string): Promise<void> {
  try {
    await writeFile(`${path}.part`, text)
    await rename(`${path}.part`, path)
  } catch (error) {
    throw failed(path, 'written', error)
  }
}

/** @throws CliError `cli.file_failed`, `cli.file_invalid` */
export async function readData(path: string): Promise<unknown> {
  const text = await readText(path)
  try {
    return JSON.parse(text)
  } catch {
    throw new CliError('cli.file_invalid', `${path} is not JSON`)
  }
}

/**
 * The lines of files, one file behind the other, without their line feeds. Files that end in `.gz` are unpacked. What is longer than a
 * line may be comes cut, so that no file fills the memory.
 * @param longest in UTF-16 code units
 * @throws CliError `cli.file_failed`
 */
export async function* linesOf(paths: readonly string[], longest: number): AsyncGenerator<string> {
  for (const path of paths) {
    try {
      yield* splitLines(textOf(path), longest)
    } catch (error) {
      throw error instanceof CliError ? error : failed(path, 'read', error)
    }
  }
}

async function* textOf(path: string): AsyncGenerator<string> {
  const file = createReadStream(path)
  // The unpacked side fails when either does.
  const bytes = path.endsWith('.gz') ? pipeline(file, createGunzip(), () => {}) : file
  bytes.setEncoding('utf8')
  for await (const text of bytes) yield text as string
}

async function* splitLines(texts: AsyncIterable<string>, longest: number): AsyncGenerator<string> {
  let rest = ''
  for await (const text of texts) {
    const parts = text.split('\n')
    const last = parts.pop() ?? ''
    for (const part of parts) {
      yield lineOf(rest + part, longest)
      rest = ''
    }
    // One code unit more than fits: what is cut is told from what is not.
    rest = (rest + last).slice(0, longest + 1)
  }
  if (rest !== '') yield lineOf(rest, longest)
}

function lineOf(text: string, longest: number): string {
  return (text.endsWith('\r') ? text.slice(0, -1) : text).slice(0, longest)
}

export function failed(path: string, what: 'read' | 'written', error: unknown): CliError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
  return new CliError('cli.file_failed', `${path} could not be ${what}: ${code}`, { cause: error })
}
