import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ProbeReport } from '../src/index.ts'
import { bundleApp, bundleBin, run, type Said, temporaryFolder } from './bin.ts'
import { type Defect, Shop, tokens } from './shop.ts'

let bin = ''
let app = ''
const folder = temporaryFolder()
beforeAll(async () => {
  ;[bin, app] = await Promise.all([bundleBin(), bundleApp('app')])
})

const env = { ALICE: tokens.alice, BOB: tokens.bob, CAROL: tokens.carol }
const people = ['--as', 'alice@acme:owner=env:ALICE', '--as', 'bob@globex:owner=env:BOB', '--as', 'carol@acme:viewer=CAROL']
let shop: Shop | undefined
afterEach(async () => {
  await shop?.close()
  shop = undefined
})

interface Probed extends Said {
  readonly report: ProbeReport
}

async function probe(defects: readonly Defect[], args: readonly string[] = [], busy = 0): Promise<Probed> {
  shop = await Shop.open(...defects)
  shop.busy = busy
  const said = await run(bin, ['probe', '--target', shop.url, '--app', app, ...people, '--json', '-', ...args], env)
  return { ...said, report: JSON.parse(said.output) as ProbeReport }
}

describe('an application that is right', () => {
  it('is clean, reading alone and writing as well', async () => {
    const reads = await probe([])
    expect(reads.report.findings).toEqual([])
    expect(reads.report.doubts).toEqual([])
    expect(reads.code).toBe(0)
    expect(reads.report.checks).toBeGreaterThan(100)
    expect(shop?.seen.filter((line) => !/^(?:GET|HEAD) /.test(line))).toEqual([])
    await shop?.close()

    const writes = await probe([], ['--write'])
    expect(writes.report.findings).toEqual([])
    expect(writes.code).toBe(0)
    expect(shop?.seen.filter((line) => line.startsWith('PATCH ')).length).toBeGreaterThan(0)
  })

  it('is asked in every way: without a credential, by role, across tenants, by HEAD, by spelling, by forged ids', async () => {
    const { report } = await probe([])
    const kinds = new Set(report.results.map(({ kind }) => kind))
    expect([...kinds].sort()).toEqual(
      ['forged-id', 'head', 'internal-header', 'listing', 'method', 'no-credential', 'other-tenant', 'role', 'spelling'].sort(),
    )
    const spelt = report.results.filter(
      ({ kind, route, as }) => kind === 'spelling' && route === 'GET /api/me' && as === 'nobody',
    )
    expect(spelt).toHaveLength(24)
  })

  it.each(['a page for every path', 'ids counted for each tenant'] as const)('is clean with %s', async (peculiarity) => {
    const { code, report } = await probe([peculiarity])
    expect(report.findings).toEqual([])
    expect(code).toBe(0)
  })

  it('may list the same to every tenant, where that is said', async () => {
    const { report } = await probe(['tenant of a listing not checked'], ['--shared', '/api/invoices'])
    expect(report.findings).toEqual([])
  })

  it('names the routes that were not tried', async () => {
    const { report } = await probe([])
    expect(report.unprobed).toContainEqual({ route: 'PATCH /api/invoices/:id', why: 'it writes: --write' })
  })
})

describe('finds what is broken', () => {
  const cases: [defect: Defect, kind: string, route: string, as: string, args?: string[]][] = [
    ['tenant of one thing not checked', 'other-tenant', 'GET /api/invoices/:id', 'bob'],
    ['tenant of a listing not checked', 'listing', 'GET /api/invoices', 'bob'],
    ['role not checked', 'role', 'GET /api/audit', 'carol'],
    ['head left open', 'head', 'GET /api/invoices', 'nobody'],
    ['id from the body of a read', 'forged-id', 'GET /api/invoices/:id', 'bob'],
    ['id from the body of a write', 'forged-id', 'PATCH /api/invoices/:id', 'bob', ['--write']],
    ['tenant from a header', 'forged-id', 'GET /api/invoices', 'bob'],
    ['tenant from the query', 'forged-id', 'GET /api/invoices', 'bob'],
    ['header from inside', 'internal-header', 'GET /api/me', 'nobody'],
    ['original url', 'internal-header', 'GET /api/me', 'nobody'],
    ['guard reads upper case as another path', 'spelling', 'GET /api/me', 'nobody'],
    ['guard compares the target as sent', 'spelling', 'GET /api/me', 'nobody'],
    ['any credential will do', 'no-credential', 'GET /api/me', 'nobody'],
    ['undeclared delete', 'method', 'GET /api/invoices/:id', 'alice', ['--write']],
  ]
  it.each(cases)('%s (ASVS 8.2.1, 8.2.2, 8.4.1)', async (defect, kind, route, as, args = []) => {
    const bodies = join(folder, 'bodies.json')
    writeFileSync(bodies, JSON.stringify({ 'PATCH /api/invoices/:id': { customer: 'Probe' } }))
    const { code, report } = await probe([defect], [...args, '--bodies', bodies])
    expect(code).toBe(1)
    expect(report.findings.map((one) => `${one.kind} ${one.route} ${one.as}`)).toContain(`${kind} ${route} ${as}`)
  })

  it('missing tenant check, missing role check, HEAD left open and id from the body, all at once', async () => {
    const { code, report } = await probe([
      'tenant of one thing not checked',
      'role not checked',
      'head left open',
      'id from the body of a read',
    ])
    expect(code).toBe(1)
    const kinds = new Set(report.findings.map(({ kind }) => kind))
    for (const kind of ['other-tenant', 'role', 'head', 'forged-id'] as const) expect(kinds).toContain(kind)
    const told = report.findings.find(({ kind, as }) => kind === 'other-tenant' && as === 'bob')
    expect(told?.message).toBe("bob of globex used GET /api/invoices/:id on what is alice of acme's, and was answered with 200")
  })

  it('in words on standard output, with progress beside it, and no credential in either', async () => {
    shop = await Shop.open('role not checked', 'head left open')
    const junit = join(folder, 'junit.xml')
    const file = join(folder, 'report.json')
    const args = ['probe', '--target', shop.url, '--app', app, ...people, '--junit', junit, '--json', file]
    const { code, output, error } = await run(bin, args, env)
    expect(code).toBe(1)
    expect(output).toContain(
      'GET /api/audit: carol of acme (viewer) used GET /api/audit, which no role of his may, and was answered with 200',
    )
    expect(error).toMatch(/^probe: \d+ of \d+ checks, \d+ found$/m)
    const xml = readFileSync(junit, 'utf8')
    expect(xml).toMatch(/<testsuite name="GET \/api\/audit" tests="\d+" failures="[1-9]\d*" skipped="0">/)
    expect(xml).toContain('<failure message="carol of acme (viewer) used GET /api/audit')
    const everything = [output, error, xml, readFileSync(file, 'utf8')].join()
    for (const token of Object.values(tokens)) expect(everything).not.toContain(token)
  })
})

describe('claims nothing that was not seen', () => {
  it('credentials that are not good', async () => {
    shop = await Shop.open()
    const args = ['probe', '--target', shop.url, '--app', app, ...people, '--json', '-']
    const { code, output } = await run(bin, args, { ...env, BOB: 'expired' })
    expect(code).toBe(3)
    expect((JSON.parse(output) as ProbeReport).doubts).toEqual([
      'bob was served nowhere, also where he may be: is his credential good?',
    ])
  })

  it('an application that answers 429 is asked again; one that goes on is not called clean', async () => {
    const once = await probe([], [], 1)
    expect(once.code).toBe(0)
    await shop?.close()
    const always = await probe([], ['--max-ids', '1'], 100_000)
    expect(always.code).toBe(3)
    expect(always.report.unjudged[0]?.why).toBe('answered with 429 or 503 each time')
  })

  it('an application that hangs: the deadline ends it, and what was not tried is said', async () => {
    shop = await Shop.open()
    shop.hangs = true
    const args = ['probe', '--target', shop.url, '--app', app, ...people, '--json', '-', '--timeout', '1', '--deadline', '2']
    const { code, output } = await run(bin, args, env)
    const report = JSON.parse(output) as ProbeReport
    expect(code).toBe(3)
    expect(report.duration).toBeLessThan(10_000)
    expect(report.unjudged.length).toBeGreaterThan(10)
  })

  it('nobody there', async () => {
    shop = await Shop.open()
    const { url } = shop
    await shop.close()
    shop = undefined
    const { code, error } = await run(bin, ['probe', '--target', url, '--app', app, ...people], env)
    expect(code).toBe(4)
    expect(error).toContain('cli.target_invalid: nobody answers at 127.0.0.1:')
  })

  it('a listing without ids, where every route has to be tried', async () => {
    const strict = await probe([], ['--strict'])
    expect(strict.code).toBe(3)
  })
})

it('takes the routes from access.md, and ids from a file', async () => {
  const access = join(folder, 'access.md')
  expect((await run(bin, ['routes', '--app', app, '--out', access])).code).toBe(0)
  const ids = join(folder, 'ids.json')
  const place = '/api/invoices/:id'
  writeFileSync(
    ids,
    JSON.stringify({ alice: { [place]: ['inv_acme_1'] }, bob: { [place]: [{ id: 'inv_globex_1' }] }, carol: { [place]: [] } }),
  )
  shop = await Shop.open('tenant of one thing not checked')
  const args = ['probe', '--target', shop.url, '--routes', access, ...people, '--ids', ids, '--json', '-']
  const { code, output } = await run(bin, args, env)
  expect(code).toBe(1)
  expect((JSON.parse(output) as ProbeReport).findings.map(({ target }) => target)).toContain('/api/invoices/inv_globex_1')
})

describe('a credential', () => {
  const secret = 'eyJ.very.secret'
  it.each([
    ['on the command line', ['--as', `alice@acme:owner=${secret}`], 2, 'cli.token_on_command_line'],
    ['behind an option that is none', [`--token=${secret}`], 2, 'cli.usage: there is no option --token'],
    ['without an option', [secret], 2, 'cli.usage'],
    ['in a variable that is not set', ['--as', 'alice=env:NOT_SET'], 4, 'cli.token_invalid'],
    ['in a file that is not there', ['--as', 'alice=file:/nowhere/token'], 4, 'cli.file_failed'],
    ['that would end its header', ['--as', 'alice=env:TWO_LINES'], 4, 'cli.token_invalid'],
  ])('%s is refused and not printed', async (_what, args, code, said) => {
    const result = await run(bin, ['probe', '--target', 'http://127.0.0.1:1', '--app', app, ...args], {
      TWO_LINES: `${secret}\r\nx: y`,
    })
    expect(result.code).toBe(code)
    expect(result.error).toContain(said)
    expect(result.output + result.error).not.toContain(secret)
  })

  it('is read from a file, and sent as it is asked', async () => {
    const file = join(folder, 'alice.token')
    writeFileSync(file, `${tokens.alice}\n`)
    shop = await Shop.open()
    const args = ['probe', '--target', shop.url, '--app', app, '--as', `alice@acme:owner=file:${file}`, '--json', '-']
    const bearer = await run(bin, args)
    expect((JSON.parse(bearer.output) as ProbeReport).doubts).toEqual([])
    const cookie = await run(bin, [...args, '--credential', 'Cookie: session={}'])
    expect((JSON.parse(cookie.output) as ProbeReport).doubts).toHaveLength(1)
  })
})

it.each([
  ['no target', [], '--target is missing'],
  ['a target with a path', ['--target', 'http://127.0.0.1/api', '--as', 'a=env:PATH'], 'cli.target_invalid'],
  [
    'a role that the matrix does not have',
    ['--target', 'http://127.0.0.1:1', '--as', 'alice:king=env:ALICE'],
    'the matrix has no role king',
  ],
  ['one name twice', ['--target', 'http://127.0.0.1:1', '--as', 'a=env:ALICE', '--as', 'a=env:BOB'], 'two actors have one name'],
])('%s is refused', async (_what, args, said) => {
  const { code, error } = await run(bin, ['probe', '--app', app, ...args], env)
  expect([2, 4]).toContain(code)
  expect(error).toContain(said)
})
