import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { createMemoryStore, type Json, type Store } from '@portcullis/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { exportAudit } from '../src/index.ts'
import { fillAudit } from './audit.ts'
import { bundleApp, bundleBin, run, temporaryFolder } from './bin.ts'

let bin = ''
let app = ''
let lines: readonly string[] = []
let anchor = ''
const folder = temporaryFolder()

beforeAll(async () => {
  ;[bin, app] = await Promise.all([bundleBin(), bundleApp('app')])
  const store = createMemoryStore()
  const head = await fillAudit(store)
  anchor = `${head?.seq}:${head?.hash}`
  lines = await exported(store)
})

function memory() {
  const texts: string[] = []
  const output = new Writable({
    write(chunk, _encoding, done) {
      texts.push(String(chunk))
      done()
    },
  })
  return { output, lines: () => texts.join('').trim().split('\n') }
}

async function exported(store: Store, now: () => number = Date.now): Promise<string[]> {
  const { output, lines } = memory()
  const verdict = await exportAudit({ store, log: 'acme', output, clock: { now } })
  expect(verdict.ok).toBe(true)
  return lines()
}

let files = 0
async function verify(some: readonly string[], ...args: string[]) {
  const file = join(folder, `${++files}.ndjson`)
  writeFileSync(file, `${some.join('\n')}\n`)
  return run(bin, ['audit', 'verify', '--file', file, ...args])
}

const change = (line: string, edit: (batch: any) => void): string => {
  const batch = JSON.parse(line)
  edit(batch)
  return JSON.stringify(batch)
}

describe('an exported log (ASVS 16.4)', () => {
  it('has a line for each batch behind one that says what it is, and is whole', async () => {
    expect(lines).toHaveLength(6)
    expect(JSON.parse(lines[0]!)).toMatchObject({ format: 'portcullis-audit', version: 1, log: 'acme', head: { seq: 10 } })
    const { code, output } = await verify(lines)
    expect([code, output]).toEqual([
      0,
      expect.stringMatching(/^Records 1 to 10 are what was written\. Keep this elsewhere as an anchor: 10:/),
    ])
    expect((await verify(lines, '--anchor', anchor)).code).toBe(0)
  })

  const attacks: readonly (readonly [what: string, attack: () => readonly string[], said: string])[] = [
    [
      'a record was changed',
      () => lines.map((line, at) => (at === 3 ? change(line, (batch) => (batch.entries[1].data.id = 'inv_9')) : line)),
      'line 4 (record 5): it is not what was written there',
    ],
    [
      'a time was changed',
      () => lines.map((line, at) => (at === 3 ? change(line, (batch) => (batch.entries[0].time += 1)) : line)),
      'line 4 (record 5): it is not what was written there',
    ],
    ['a line was removed', () => lines.filter((_, at) => at !== 3), 'line 4 (record 7): records before it are missing'],
    ['the first line was removed', () => lines.filter((_, at) => at !== 1), 'line 2 (record 3): records before it are missing'],
    ['the last line was removed', () => lines.slice(0, -1), 'behind line 5: records 9 to 10 are missing'],
    [
      'two lines were exchanged',
      () => [lines[0]!, lines[1]!, lines[3]!, lines[2]!, lines[4]!, lines[5]!],
      'line 3 (record 5): records before it are missing',
    ],
    [
      'a line was doubled',
      () => [...lines.slice(0, 3), lines[2]!, ...lines.slice(3)],
      'line 4 (record 3): it is not what was written there',
    ],
    ['a line was cut', () => lines.map((line, at) => (at === 3 ? line.slice(0, 40) : line)), 'line 4 is not a batch of records'],
    [
      'a record was removed from its batch',
      () => lines.map((line, at) => (at === 3 ? change(line, (batch) => batch.entries.pop()) : line)),
      'line 4 (record 5)',
    ],
    [
      'a hash was changed together with its record',
      () =>
        lines.map((line, at) =>
          at === 3
            ? change(line, (batch) => {
                batch.entries[1].data.id = 'inv_9'
                batch.hash = 'A'.repeat(43)
              })
            : line,
        ),
      'line 4 (record 5)',
    ],
    [
      'it is said to be another log',
      () => [change(lines[0]!, (head) => (head.log = 'globex')), ...lines.slice(1)],
      'line 2 (record 1)',
    ],
  ]
  it.each(attacks)('%s: the line is named', async (_what, attack, said) => {
    const { code, output } = await verify(attack())
    expect(code).toBe(1)
    expect(output).toContain(said)
  })

  it('cut at its end and said to end there: an anchor shows it', async () => {
    const [first, ...rest] = lines.slice(0, -1)
    const cut = [change(first!, (head) => (head.head = null)), ...rest]
    expect((await verify(cut)).code).toBe(0)
    const whole = (await verify(lines)).output.trim().split(' ').at(-1)!
    const { code, output } = await verify(cut, '--anchor', whole)
    expect([code, output]).toEqual([1, 'behind line 5: records 9 to 10 are missing\n'])
  })

  it('cut behind the anchor: the head that the file names shows it', async () => {
    const { code, output } = await verify(lines.slice(0, -1), '--anchor', anchor)
    expect([code, output]).toEqual([1, 'behind line 5: records up to 10 are missing\n'])
  })

  it('another anchor than that of the log is refused', async () => {
    expect((await verify(lines, '--anchor', `6:${'A'.repeat(43)}`)).code).toBe(1)
    expect((await verify(lines, '--anchor', 'six')).code).toBe(2)
  })

  it('what had expired before the export may be missing; what is old now may not', async () => {
    const long = 1000 * 86_400_000
    const store = createMemoryStore({ clock: { now: () => Date.now() - long } })
    await fillAudit(store, () => Date.now() - long)
    const old = await exported(store, () => Date.now() - long)
    expect((await verify(old)).code).toBe(0)
    const { code, output } = await verify(old.filter((_, at) => at !== 3))
    expect([code, output]).toEqual([1, expect.stringContaining('line 4 (record 7): records before it are missing')])
    // An export that claims to be of today does not make it so: a gap is told unless it is asked for.
    const today = [change(old[0]!, (head) => (head.exportedAt = Date.now())), ...old.slice(1)].filter((_, at) => at !== 3)
    const gap = await verify(today)
    expect([gap.code, gap.output]).toEqual([1, expect.stringContaining('before line 4: records 5 to 6 are missing')])
    expect((await verify(today, '--expired')).code).toBe(0)
  })

  it('a file that is none is refused', async () => {
    expect((await verify(['{}'])).error).toContain('cli.file_invalid')
    expect((await verify(['{}'])).code).toBe(4)
    expect((await run(bin, ['audit', 'verify', '--file', '/nowhere'])).code).toBe(4)
  })
})

describe('a log in a store', () => {
  const env = { SHOP_STORE: '1' }

  it('is verified where it is', async () => {
    const { code, output } = await run(bin, ['audit', 'verify', '--app', app, '--log', 'acme'], env)
    expect([code, output]).toEqual([0, expect.stringMatching(/^Records 1 to 10 are what was written/)])
    expect((await run(bin, ['audit', 'verify', '--app', app, '--log', 'acme', '--anchor', anchor], env)).code).toBe(1)
  })

  it('is exported into a file that verifies', async () => {
    const file = join(folder, 'export.ndjson')
    const { code, error } = await run(bin, ['audit', 'export', '--app', app, '--log', 'acme', '--out', file], env)
    expect([code, error]).toEqual([0, expect.stringContaining('Records 1 to 10')])
    expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(6)
    expect((await run(bin, ['audit', 'verify', '--file', file])).code).toBe(0)
  })

  it('is exported whole also when it is not right, and that is said', async () => {
    const store = createMemoryStore()
    await fillAudit(store)
    const batches = store.collection<Json>({ name: 'core.audit', indexes: ['log'] })
    const ids: string[] = []
    for await (const { id } of batches.find('log', 'acme')) ids.push(id)
    await batches.remove(ids[1]!)
    const { output, lines: written } = memory()
    expect(await exportAudit({ store, log: 'acme', output })).toEqual({ ok: false, reason: 'missing', seq: 5 })
    expect(written()).toHaveLength(5)
  })

  it('an export to a place that is not there fails', async () => {
    const { code, error } = await run(bin, ['audit', 'export', '--app', app, '--out', '/nowhere/x'], env)
    expect([code, error]).toEqual([4, expect.stringContaining('cli.file_failed')])
  })

  it.each([[['--app', 'x', '--file', 'y']], [[]], [['--file', 'y', '--log', 'acme']]])('%j is no use', async (args) => {
    expect((await run(bin, ['audit', 'verify', ...args])).code).toBe(2)
  })
})
