import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { frameworks } from '../src/config.ts'
import { signInAs } from './person.ts'
import { dataDir, failToStart, type LedgerProcess, startLedger } from './process.ts'

const root = join(import.meta.dirname, '..')
const command = join(root, 'node_modules/@portcullis/cli/dist/bin.js')

// Inside the package, so that its dependencies are found.
const copies = join(root, '.vitest', `copies-${process.pid}`)
afterAll(() => rm(copies, { recursive: true, force: true }))

/** A file of the built Ledger, what stands there, and what somebody made of it. */
type Change = readonly [file: string, from: string, to: string]

/** A copy of the built Ledger with changes. @returns its program */
async function copyWith(name: string, changes: readonly Change[]): Promise<string> {
  const copy = join(copies, name)
  await mkdir(copy, { recursive: true })
  await cp(join(root, 'dist'), copy, { recursive: true })
  for (const [file, from, to] of changes) {
    const text = await readFile(join(copy, file), 'utf8')
    expect(text).toContain(from)
    await writeFile(
      join(copy, file),
      text.replace(from, () => to),
    )
  }
  return join(copy, 'main.js')
}

interface Said {
  readonly code: number
  readonly output: string
  readonly error: string
}

/** `portcullis`, as somebody types it in this folder. */
function portcullis(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Said> {
  return new Promise((resolve) => {
    const options = { cwd: root, env: { PATH: process.env['PATH'], ...env } }
    execFile(process.execPath, [command, ...args], options, (error, output, said) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, output, error: said })
    })
  })
}

describe.each(frameworks)('the access of Ledger on %s (ASVS 8.2.1)', (framework) => {
  it('is what access.md says, which is what was reviewed', async () => {
    const args = ['routes', '--app', 'dist/portcullis-app.js', '--out', 'access.md', '--check']
    expect(await portcullis(args, { FRAMEWORK: framework })).toMatchObject({ code: 0 })
  }, 60_000)
})

/** Asks a running Ledger for all that it must refuse. */
async function probe(url: string): Promise<{ readonly code: number; readonly kinds: readonly string[]; readonly text: string }> {
  const tokens = await Promise.all((['ada', 'linus', 'alan'] as const).map((name) => signInAs(url, name)))
  const env = Object.fromEntries(['ADA', 'LINUS', 'ALAN'].map((name, at) => [name, tokens[at]?.tokens.access_token ?? '']))
  const actors = ['ada@acme:owner=env:ADA', 'linus@globex:owner=env:LINUS', 'alan@acme:viewer=env:ALAN']
  const said = await portcullis(
    [
      'probe',
      ...['--target', url, '--routes', 'access.md', '--write', '--json', '-', '--bodies', 'test/probe-bodies.json'],
      ...actors.flatMap((actor) => ['--as', actor]),
    ],
    env,
  )
  for (const token of Object.values(env)) expect(said.output + said.error).not.toContain(token)
  const report = JSON.parse(said.output)
  const { findings, doubts, unjudged } = report
  const kinds = [...new Set<string>(findings.map(({ kind }: any) => kind))]
  return { code: said.code, kinds, text: JSON.stringify({ findings, doubts, unjudged }) }
}

describe.each(frameworks)('the probe against Ledger on %s (ASVS 8.2.2, 8.3.1, 8.4.1)', { timeout: 120_000 }, (framework) => {
  let dir: Awaited<ReturnType<typeof dataDir>>
  let ledger: LedgerProcess
  beforeAll(async () => {
    dir = await dataDir()
    ledger = await startLedger({ FRAMEWORK: framework, DATA_DIR: dir.path, LIMITS: 'off' })
  }, 60_000)
  afterAll(async () => {
    await ledger?.end('SIGTERM')
    await dir?.remove()
  })

  it('finds nothing', async () => {
    const { code, kinds, text } = await probe(ledger.url)
    expect([code, kinds], text).toEqual([0, []])
  })
})

/** A route that somebody adds without a rule, on each framework. */
const undeclared: Readonly<Record<(typeof frameworks)[number], readonly [from: string, to: string]>> = {
  express: ['assertCovered(app, ', "app.get('/forgotten', (_req, res) => res.end()); assertCovered(app, "],
  fastify: ['await assertCovered(app, ', "app.get('/forgotten', async () => 'hello'); await assertCovered(app, "],
  koa: ['app.use(router.routes());', "router.get('/forgotten', (ctx) => { ctx.body = 'hello' }); app.use(router.routes());"],
}

describe.each(frameworks)('a copy of Ledger on %s with a route that declares no rule', { timeout: 60_000 }, (framework) => {
  it('does not start, and says which one', async () => {
    const program = await copyWith(`undeclared-${framework}`, [[`http/${framework}.js`, ...undeclared[framework]]])
    const { code, stderr } = await failToStart({ FRAMEWORK: framework }, program)
    expect(code).toBe(1)
    expect(stderr).toMatch(/^core\.routes_uncovered: .*\n {2}GET \/forgotten \(.*\.js:\d+\)/m)
  })
})

/** What somebody could have forgotten: a file of the built Ledger, what stands there, and what stands there without the check. */
const mistakes: readonly [kind: string, name: string, changes: readonly Change[]][] = [
  ['other-tenant', 'the tenant is not checked', [['invoices.js', 'stored?.value.tenant === tenant', 'true']]],
  [
    'role',
    'a route asks for no permission',
    [['api.js', "permit('invoice:refund', { stepUp: refundStepUp })", 'authenticated()']],
  ],
  [
    'head',
    'HEAD is answered before the guards',
    [
      [
        'http/express.js',
        'listener: app,',
        "listener: (req, res) => (req.method === 'HEAD' && req.url.startsWith('/api/') ? res.writeHead(200).end() : app(req, res)),",
      ],
    ],
  ],
  [
    'forged-id',
    'what is changed is named by the body',
    [
      [
        'api.js',
        'check(invoiceChange, await readJson(view));',
        'check(invoiceChange, { customer: (forged = await readJson(view)).customer });',
      ],
      [
        'api.js',
        'invoices.change(tenant, invoice.id, change.value)',
        'invoices.change(forged.tenant ?? tenant, forged.id ?? invoice.id, change.value)',
      ],
      ['api.js', 'const customer =', 'let forged; const customer ='],
    ],
  ],
]

describe('the probe against a copy of Ledger with a mistake in it', { timeout: 120_000 }, () => {
  it.each(mistakes)('finds “%s”: %s', async (kind, _, changes) => {
    const program = await copyWith(kind, changes)
    const dir = await dataDir()
    const ledger = await startLedger({ DATA_DIR: dir.path, LIMITS: 'off' }, program)
    const found = await probe(ledger.url).finally(() => ledger.end('SIGTERM'))
    await dir.remove()
    expect([found.code, found.kinds], found.text).toEqual([1, expect.arrayContaining([kind])])
  })
})
