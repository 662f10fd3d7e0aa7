import { once } from 'node:events'
import { createWriteStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Advice, DecisionLine } from '@portcullis/rbac/advisor'
import { beforeAll, describe, expect, it } from 'vitest'
import { bundleApp, bundleBin, run, temporaryFolder } from './bin.ts'

let bin = ''
let app = ''
const folder = temporaryFolder()
const DAY = 86_400_000
const now = Date.now()
beforeAll(async () => {
  ;[bin, app] = await Promise.all([bundleBin(), bundleApp('app')])
})

const allow = (subject: string, permission: string, days: number, more: Partial<DecisionLine> = {}): string =>
  JSON.stringify({
    v: 1,
    type: 'decision',
    time: Math.floor(now - days * DAY),
    about: 'route',
    outcome: 'allowed',
    permissions: [permission],
    subject,
    kind: 'user',
    tenant: 'acme',
    ...more,
  } satisfies DecisionLine)
const start = JSON.stringify({ v: 1, type: 'log.start', time: now - 200 * DAY })

let files = 0
function written(lines: readonly string[], pack = false): string {
  const file = join(folder, `${++files}.ndjson${pack ? '.gz' : ''}`)
  const text = `${lines.join('\n')}\n`
  writeFileSync(file, pack ? gzipSync(text) : text)
  return file
}

const grants = [
  { subject: 'ada', tenant: 'acme', role: 'owner', since: now - 400 * DAY },
  { subject: 'grace', tenant: 'acme', role: 'clerk', since: now - 400 * DAY },
].map((grant) => JSON.stringify(grant))

const advise = (log: string, ...args: string[]) => run(bin, ['advise', '--app', app, '--log', log, ...args])

describe('portcullis advise', () => {
  it('proposes smaller roles, and says that the replay missed nothing', async () => {
    const log = written([
      start,
      allow('ada', 'invoice:refund', 3),
      allow('ada', 'invoice:read', 3),
      allow('grace', 'invoice:read', 5),
    ])
    const { code, output } = await advise(log, '--grants', written(grants))
    expect(output).toContain('  owner: nobody of 1 used invoice:create, invoice:update, audit:read\n')
    expect(output).toContain('  clerk: invoice:read\n')
    expect(output).toContain('Replayed against it: safe\n  none of 3 logged allows would become a denial\n')
    expect(code).toBe(0)
  })

  it('says so when the log is shorter than the window, and ends with 3', async () => {
    const { code, output } = await advise(written([allow('ada', 'invoice:read', 30)]), '--grants', written(grants))
    expect(code).toBe(3)
    expect(output).toContain('Replayed against it: unproven\n  the log covers 30.0 days of a window of 90.0\n')
    const lines = [allow('ada', 'invoice:read', 30), allow('ada', 'invoice:read', 1)]
    const shorter = await advise(written(lines), '--grants', written(grants), '--window', '20')
    expect(shorter.code).toBe(0)
  })

  it('reads rotated logs behind one another, packed or not, and tells everything as JSON', async () => {
    const [old, young] = [written([start, allow('ada', 'audit:read', 80)], true), written([allow('ada', 'invoice:read', 1)])]
    const { code, output } = await advise(old, '--log', young, '--grants', written(grants), '--json')
    const advice = JSON.parse(output) as Advice
    expect(code).toBe(0)
    expect(advice.coverage).toMatchObject({ lines: 3, allows: 2 })
    expect(advice.proposal.roles['owner']).toEqual(['invoice:read', 'audit:read'])
  })

  it('streams: a log of a million lines, in a heap of 48 MB', async () => {
    const file = join(folder, 'million.ndjson')
    const out = createWriteStream(file)
    const block = Array.from(
      { length: 1000 },
      (_, n) => `${allow(`u${n}`, 'invoice:read', n % 89, { roles: ['clerk'] })}\n`,
    ).join('')
    out.write(`${start}\n`)
    for (let n = 0; n < 1000; n++) if (!out.write(block)) await once(out, 'drain')
    out.end()
    await once(out, 'close')
    const { code, output } = await run(bin, ['advise', '--app', app, '--log', file, '--json'], {
      NODE_OPTIONS: '--max-old-space-size=48',
    })
    expect(code).toBe(0)
    const advice = JSON.parse(output) as Advice
    expect(advice.coverage).toMatchObject({ lines: 1_000_001, allows: 1_000_000 })
    expect(advice.replay).toMatchObject({ verdict: 'safe', checked: 1_000_000 })
    expect(advice.proposal.roles).toEqual({ clerk: ['invoice:read'] })
  }, 300_000)

  it('a line without end fills no memory, and counts as one that cannot be read', async () => {
    const file = join(folder, 'endless.ndjson')
    const out = createWriteStream(file)
    for (let n = 0; n < 100; n++) if (!out.write('x'.repeat(1_048_576))) await once(out, 'drain')
    out.end(`\n${start}\n`)
    await once(out, 'close')
    const { code, output } = await run(bin, ['advise', '--app', app, '--log', file, '--json'], {
      NODE_OPTIONS: '--max-old-space-size=48',
    })
    expect(code).toBe(3)
    expect((JSON.parse(output) as Advice).coverage.unreadable).toEqual({ count: 1, first: [1] })
  })

  it('names in a log move no cursor', async () => {
    const log = written([start, allow('\u001b[2Jada\u202e', 'invoice:read', 3)])
    const evil = JSON.stringify({ subject: '\u001b[2Jada\u202e', tenant: 'acme', role: 'owner' })
    const { output } = await advise(log, '--grants', written([evil]))
    expect(output).toContain('\\u{1b}[2Jada\\u{202e} of acme')
    expect(output).not.toContain('\u001b')
  })

  it.each([
    ['a log that is not there', ['--log', '/nowhere'], 4, 'cli.file_failed'],
    ['grants that are no JSON', ['--grants', 'package.json'], 4, 'package.json: line 1 is not JSON'],
    ['a window that is no number', ['--window', '1e3'], 2, '--window is not a whole number'],
  ])('%s', async (_what, args, code, said) => {
    const result = await advise(written([start]), ...args)
    expect(result.code).toBe(code)
    expect(result.error).toContain(said)
  })
})
