import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { arrayLength, type BinaryFuse, fuseContains } from './binary-fuse.ts'
import type { BreachCheck } from './breach-check.ts'
import { PasswordError } from './errors.ts'

/** A list of breached passwords, offline. */
export interface BreachFilter extends BreachCheck {
  /** How many passwords it was made of. */
  readonly size: number
}

// In order: eight bytes of magic; then, little-endian words of 32 bits: version, number of passwords, segment length, segment count
// length, two of seed; then SHA-256 of those 32 bytes and of the fingerprints; then the fingerprints.
const magic = Buffer.from('PORTBRCH')
const version = 1
const headerLength = 32
const checksumLength = 32

/** The bytes of a filter file. */
export function formatBreachFilter(filter: BinaryFuse, size: number): Uint8Array {
  const header = Buffer.alloc(headerLength)
  magic.copy(header)
  const words = [version, size, filter.segmentLength, filter.segmentCountLength, ...filter.seed]
  words.forEach((word, i) => {
    header.writeUInt32LE(word, magic.length + 4 * i)
  })
  return Buffer.concat([header, checksumOf(header, filter.fingerprints), filter.fingerprints])
}

/**
 * A filter from the bytes of its file, which are used as they are: nothing is parsed for each entry.
 * @throws PasswordError `password.filter_malformed`: not a filter, of another version, or damaged
 */
export function readBreachFilter(file: Uint8Array): BreachFilter {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  if (bytes.length < headerLength + checksumLength || !bytes.subarray(0, magic.length).equals(magic)) {
    throw malformed('this is not a filter of breached passwords')
  }
  const header = bytes.subarray(0, headerLength)
  const word = (i: number): number => header.readUInt32LE(magic.length + 4 * i)
  if (word(0) !== version) throw malformed(`this filter has version ${word(0)}; version ${version} is read`)
  const fingerprints = bytes.subarray(headerLength + checksumLength)
  const filter = { seed: [word(4), word(5)] as const, segmentLength: word(2), segmentCountLength: word(3), fingerprints }
  if (fingerprints.length !== arrayLength(filter)) throw malformed('this filter was cut short, or has something behind it')
  if (!checksumOf(header, fingerprints).equals(bytes.subarray(headerLength, headerLength + checksumLength))) {
    throw malformed('this filter is damaged')
  }
  return {
    size: word(1),
    async check(password) {
      const [high, low] = keyOf(createHash('sha1').update(password.normalize('NFC')).digest())
      return fuseContains(filter, high, low) ? 'breached' : 'clear'
    },
  }
}

/**
 * Reads a filter file that `buildBreachFilter` made. Of passwords that are not in it, one in 256 (0.39 %) is called breached all the
 * same; none that is in it is ever missed.
 * @throws PasswordError `password.filter_malformed`
 */
export async function loadBreachFilter(path: string | URL): Promise<BreachFilter> {
  return readBreachFilter(await readFile(path))
}

/** The first 64 bits of a SHA-1 digest, as two words: of ten million passwords, two share them once in 370,000 lists. */
export function keyOf(digest: Buffer): readonly [high: number, low: number] {
  return [digest.readUInt32BE(0), digest.readUInt32BE(4)]
}

function checksumOf(header: Uint8Array, fingerprints: Uint8Array): Buffer {
  return createHash('sha256').update(header).update(fingerprints).digest()
}

function malformed(message: string): PasswordError {
  return new PasswordError('password.filter_malformed', message)
}
