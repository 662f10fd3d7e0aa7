import { createHash, randomInt } from 'node:crypto'
import { buildFuse } from './binary-fuse.ts'
import { formatBreachFilter, keyOf } from './breach-filter.ts'
import { PasswordError } from './errors.ts'

/** Options of {@link buildBreachFilter}. */
export interface BreachSourceOptions {
  /** `plain`: a password on each line. `sha1`: 40 hexadecimal digits, and perhaps `:count`, as the download of Have I Been Pwned has it. */
  readonly format: 'plain' | 'sha1'
  /** Leaves out what was seen less often; only `sha1` with counts. Default: 1. */
  readonly leastCount?: number
}

/** What {@link buildBreachFilter} made. */
export interface BuiltBreachFilter {
  /** The bytes of the file. */
  readonly file: Uint8Array
  /** How many different passwords are in it. */
  readonly size: number
}

/** Keys to a chunk: 1 MB. */
const chunkKeys = 131_072

/**
 * Builds a filter file of breached passwords from lines, in any order, the same one as often as it likes. Takes some 35 bytes of memory
 * for each line that counts, whatever the lines' length, and one byte and an eighth for each in the file.
 * @param source lines without their ends
 * @throws PasswordError `password.filter_unbuildable`: nothing in it, or a line that is not in the format
 */
export async function buildBreachFilter(source: AsyncIterable<string>, options: BreachSourceOptions): Promise<BuiltBreachFilter> {
  const { format, leastCount = 1 } = options
  const keys = new KeyList()
  let number = 0
  for await (const line of source) {
    number += 1
    if (line === '') continue
    const digest = format === 'plain' ? sha1Of(line) : digestIn(line, leastCount, number)
    if (digest !== undefined) keys.push(...keyOf(digest))
  }
  const words = keys.distinct()
  const size = words.length / 2
  if (size === 0) throw unbuildable('there is no password in the source')
  const filter = buildFuse(words, () => randomInt(2 ** 32))
  if (filter === undefined) throw unbuildable('no seed fits this source')
  return { file: formatBreachFilter(filter, size), size }
}

/** Keys of 64 bits, in pieces until all are there. */
class KeyList {
  readonly #full: Uint32Array[] = []
  #chunk = new Uint32Array(2 * chunkKeys)
  #used = 0

  push(high: number, low: number): void {
    if (this.#used === this.#chunk.length) {
      this.#full.push(this.#chunk)
      this.#chunk = new Uint32Array(2 * chunkKeys)
      this.#used = 0
    }
    this.#chunk[this.#used] = low
    this.#chunk[this.#used + 1] = high
    this.#used += 2
  }

  /** Each key once, the lower word first. Empties the list. */
  distinct(): Uint32Array {
    const words = new Uint32Array(this.#full.length * 2 * chunkKeys + this.#used)
    let at = 0
    for (let chunk = this.#full.shift(); chunk !== undefined; chunk = this.#full.shift()) {
      words.set(chunk, at)
      at += chunk.length
    }
    words.set(this.#chunk.subarray(0, this.#used), at)
    // The same 64 bits come together in whichever order the machine keeps bytes.
    const keys = new BigUint64Array(words.buffer).sort()
    let kept = 0
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]
      if (key === undefined || (kept > 0 && key === keys[kept - 1])) continue
      keys[kept] = key
      kept += 1
    }
    return words.subarray(0, 2 * kept)
  }
}

function sha1Of(password: string): Buffer {
  return createHash('sha1').update(password.normalize('NFC')).digest()
}

function digestIn(line: string, leastCount: number, number: number): Buffer | undefined {
  const [, digest, count = '1'] = /^([0-9a-f]{40})(?::(\d+))?\s*$/i.exec(line) ?? []
  if (digest === undefined) throw unbuildable(`line ${number} is not 40 hexadecimal digits and a count`)
  return Number(count) >= leastCount && count !== '0' ? Buffer.from(digest, 'hex') : undefined
}

function unbuildable(message: string): PasswordError {
  return new PasswordError('password.filter_unbuildable', message)
}
