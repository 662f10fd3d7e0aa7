import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { buildBreachFilter } from './breach-source.ts'

const usage = `portcullis-breach-filter --format plain|sha1 [--least-count n] --out file [source]

Builds the filter that loadBreachFilter of @portcullis/password/breached reads. Without a source it reads from standard input.
`

/** What the command reads and writes. */
export interface CommandStreams {
  readonly input: NodeJS.ReadableStream
  readonly output: NodeJS.WritableStream
  readonly error: NodeJS.WritableStream
}

/** @returns the exit code: 0, 1 when it failed, 2 when it was not called as it wants to be */
export async function breachFilterCommand(args: readonly string[], streams: CommandStreams): Promise<number> {
  try {
    const asked = readArguments(args)
    if (asked === undefined) {
      streams.error.write(usage)
      return 2
    }
    const input = asked.source === undefined ? streams.input : createReadStream(asked.source)
    if (asked.source !== undefined) await once(input, 'open')
    const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
    const { file, size } = await buildBreachFilter(lines, asked)
    // Whoever loads it sees the old file or the new one, never half of one.
    await writeFile(`${asked.out}.part`, file)
    await rename(`${asked.out}.part`, asked.out)
    streams.output.write(`${size} passwords, ${file.byteLength} bytes; 1 in 256 others is taken for one of them\n`)
    return 0
  } catch (error) {
    streams.error.write(`${error instanceof Error ? error.message : String(error)}\n`)
    return 1
  }
}

interface Asked {
  readonly format: 'plain' | 'sha1'
  readonly leastCount: number
  readonly out: string
  readonly source: string | undefined
}

function readArguments(args: readonly string[]): Asked | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { format: { type: 'string' }, out: { type: 'string' }, 'least-count': { type: 'string', default: '1' } },
    allowPositionals: true,
  })
  const { format, out } = values
  const leastCount = Number(values['least-count'])
  if ((format !== 'plain' && format !== 'sha1') || out === undefined || positionals.length > 1) return undefined
  if (!Number.isSafeInteger(leastCount) || leastCount < 1) return undefined
  return { format, leastCount, out, source: positionals[0] }
}
