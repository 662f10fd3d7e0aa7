import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildFuse, fuseContains } from '../src/binary-fuse.ts'
import { formatBreachFilter } from '../src/breach-filter.ts'
import { breachFilterCommand } from '../src/breach-filter-command.ts'
import { buildBreachFilter, loadBreachFilter, readBreachFilter } from '../src/breached.ts'

async function* lines(...list: readonly string[]): AsyncGenerator<string> {
  yield* list
}

const sha1 = (text: string): string => createHash('sha1').update(text).digest('hex').toUpperCase()

/** xorshift32 (Marsaglia 2003): the same numbers in every run. */
function numbers(state: number): () => number {
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

describe('the binary fuse filter', () => {
  it('has every one of a million members, takes 0.39 % of strangers for one, and 9 bits for each', () => {
    const million = 1_000_000
    const next = numbers(1)
    const keys = new Uint32Array(2 * million).map(next)
    const filter = buildFuse(keys, numbers(2))!
    let missed = 0
    for (let i = 0; i < million; i++) if (!fuseContains(filter, keys[2 * i + 1]!, keys[2 * i]!)) missed += 1
    expect(missed).toBe(0)
    let mistaken = 0
    for (let i = 0; i < million; i++) if (fuseContains(filter, next(), next())) mistaken += 1
    // One in 256, give or take five standard deviations.
    expect(mistaken).toBeGreaterThan(3594)
    expect(mistaken).toBeLessThan(4219)
    expect((8 * filter.fingerprints.length) / million).toBeLessThan(9.2)
  })

  it.each([1, 2, 3, 4, 5, 10, 33, 100, 999, 4096])('holds %i keys', (size) => {
    const keys = new Uint32Array(2 * size).map(numbers(size))
    const filter = buildFuse(keys, numbers(7))!
    for (let i = 0; i < size; i++) expect(fuseContains(filter, keys[2 * i + 1]!, keys[2 * i]!)).toBe(true)
  })

  it('holds keys that a list has in order, one beside the other', () => {
    const keys = Uint32Array.from({ length: 20_000 }, (_, i) => (i % 2 === 0 ? i : 0))
    const filter = buildFuse(keys, numbers(3))!
    for (let i = 0; i < 10_000; i++) expect(fuseContains(filter, 0, keys[2 * i]!)).toBe(true)
  })

  it('gives up on a key that is there twice', () => {
    expect(buildFuse(Uint32Array.of(1, 2, 1, 2), numbers(1))).toBeUndefined()
  })
})

describe('a filter of breached passwords (ASVS 6.2.12)', () => {
  it('is built of plain passwords, and knows each in every normalisation', async () => {
    const passwords = Array.from({ length: 5000 }, (_, i) => `password-${i}`)
    const { file, size } = await buildBreachFilter(lines(...passwords, '', 'café', 'password-1'), { format: 'plain' })
    expect(size).toBe(5001)
    const filter = readBreachFilter(file)
    expect(filter.size).toBe(5001)
    for (const password of [...passwords, 'café', 'café'.normalize('NFD')]) expect(await filter.check(password)).toBe('breached')
    let mistaken = 0
    for (let i = 0; i < 5000; i++) if ((await filter.check(`another-${i}`)) === 'breached') mistaken += 1
    expect(mistaken).toBeLessThan(60)
  })

  it('is built of the download of Have I Been Pwned, without what was seen too seldom', async () => {
    const source = lines(`${sha1('hunter2')}:17`, `${sha1('rare')}:1`, `${sha1('padding')}:0`, sha1('uncounted').toLowerCase())
    const { file, size } = await buildBreachFilter(source, { format: 'sha1' })
    expect(size).toBe(3)
    const filter = readBreachFilter(file)
    expect(await filter.check('hunter2')).toBe('breached')
    expect(await filter.check('uncounted')).toBe('breached')
    const frequent = await buildBreachFilter(lines(`${sha1('hunter2')}:17`, `${sha1('rare')}:1`), {
      format: 'sha1',
      leastCount: 2,
    })
    expect(frequent.size).toBe(1)
  })

  it.each([
    ['nothing', [], 'plain'],
    ['a line that is not a digest', ['hunter2'], 'sha1'],
    ['a digest of another length', [sha1('x').slice(1)], 'sha1'],
  ] as const)('is not built of %s', async (_, source, format) => {
    const error = await buildBreachFilter(lines(...source), { format }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'password.filter_unbuildable' })
    expect(String(error)).not.toContain('hunter2')
  })

  describe('that is damaged', () => {
    let file: Uint8Array
    beforeAll(async () => {
      file = (await buildBreachFilter(lines('hunter2', 'password'), { format: 'plain' })).file
    })
    const changed = (at: number): Uint8Array => file.map((byte, i) => (i === (at < 0 ? file.length + at : at) ? byte ^ 1 : byte))

    it.each<[string, () => Uint8Array]>([
      ['an empty file', () => new Uint8Array()],
      ['another file', () => Buffer.alloc(1000)],
      ['another version', () => changed(8)],
      ['another number of passwords', () => changed(12)],
      ['a segment length that says so much', () => changed(19)],
      ['another seed', () => changed(24)],
      ['a changed checksum', () => changed(32)],
      ['a changed fingerprint', () => changed(-1)],
      ['a file cut short', () => file.subarray(0, -1)],
      ['something behind it', () => Buffer.concat([file, Buffer.of(0)])],
    ])('%s is an error with a code', (_, damaged) => {
      expect(() => readBreachFilter(damaged())).toThrow(expect.objectContaining({ code: 'password.filter_malformed' }))
    })
  })
})

it('a filter whose header says more than there is, checksum and all, is an error too', () => {
  const filter = { seed: [1, 2] as const, segmentLength: 4, segmentCountLength: 4, fingerprints: new Uint8Array(11) }
  expect(() => readBreachFilter(formatBreachFilter(filter, 1))).toThrow(
    expect.objectContaining({ code: 'password.filter_malformed' }),
  )
})

describe('portcullis-breach-filter', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'breach-filter-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  async function run(args: readonly string[], input = ''): Promise<{ code: number; output: string }> {
    let output = ''
    const sink = new Writable({
      write(chunk, _, done) {
        output += String(chunk)
        done()
      },
    })
    const code = await breachFilterCommand(args, { input: Readable.from([input]), output: sink, error: sink })
    return { code, output }
  }

  it('makes a file from standard input or from another file', async () => {
    const out = join(folder, 'a.filter')
    expect(await run(['--format', 'plain', '--out', out], 'hunter2\r\npassword\n')).toMatchObject({ code: 0 })
    expect(await (await loadBreachFilter(out)).check('hunter2')).toBe('breached')
    const source = join(folder, 'source.txt')
    await writeFile(source, `${sha1('letmein')}:3\r\n${sha1('rare')}:1\r\n`)
    const made = await run(['--format', 'sha1', '--least-count', '2', '--out', out, source])
    expect(made).toMatchObject({ code: 0, output: expect.stringContaining('1 passwords') })
    expect(await (await loadBreachFilter(out)).check('letmein')).toBe('breached')
  })

  it('says how it is used, leaves the old file where it fails, and never says a password', async () => {
    const out = join(folder, 'b.filter')
    await writeFile(out, 'old')
    expect(await run(['--what'])).toMatchObject({ code: 1 })
    expect(await run(['--out', out])).toMatchObject({ code: 2, output: expect.stringContaining('--format') })
    const failed = await run(['--format', 'sha1', '--out', out], 'hunter2\n')
    expect(failed.code).toBe(1)
    expect(failed.output).not.toContain('hunter2')
    expect(await run(['--format', 'plain', '--out', out, join(folder, 'missing')])).toMatchObject({ code: 1 })
    expect(await readFile(out, 'utf8')).toBe('old')
  })
})
