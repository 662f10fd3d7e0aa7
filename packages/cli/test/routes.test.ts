import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAccessFile } from '@portcullis/rbac'
import { beforeAll, describe, expect, it } from 'vitest'
import { bundleApp, bundleBin, run, temporaryFolder } from './bin.ts'

let bin = ''
let app = ''
const folder = temporaryFolder()
const file = join(folder, 'access.md')
beforeAll(async () => {
  ;[bin, app] = await Promise.all([bundleBin(), bundleApp('app')])
  expect(await run(bin, ['routes', '--app', app, '--out', file])).toEqual({ code: 0, output: '', error: '' })
})

const check = (change: string, ...args: string[]) =>
  run(bin, ['routes', '--app', app, '--out', file, '--check', ...args], { SHOP_CHANGE: change })

describe('portcullis routes', () => {
  it('writes who may call what, and ends although the application leaves timers behind', () => {
    const text = readFileSync(file, 'utf8')
    expect(text).toContain('| POST | /api/invoices/:id/refund | invoice:refund | within 300 s | deny | deny | allow | deny |')
    expect(parseAccessFile(text)).toHaveLength(8)
  })

  it('prints the file, or JSON, and writes nothing then', async () => {
    const printed = await run(bin, ['routes', '--app', app, '--out', '-'])
    expect(printed.output).toBe(readFileSync(file, 'utf8'))
    const data = await run(bin, ['routes', '--app', app, '--out', join(folder, 'none.md'), '--json'])
    expect(JSON.parse(data.output)).toEqual({ routes: parseAccessFile(printed.output) })
    expect(() => readFileSync(join(folder, 'none.md'))).toThrow()
  })

  it('--check is content with what is committed, also with line ends of Windows', async () => {
    expect(await check('')).toEqual({ code: 0, output: '', error: '' })
    const windows = join(folder, 'windows.md')
    writeFileSync(windows, readFileSync(file, 'utf8').replaceAll('\n', '\r\n'))
    expect((await run(bin, ['routes', '--app', app, '--out', windows, '--check'])).code).toBe(0)
  })

  it('--check ends with 1 when access was widened, and says what became possible for whom (ASVS 8.2.1)', async () => {
    const { code, output } = await check('widened')
    expect(code).toBe(1)
    expect(output).toContain('Access was widened:\n  viewer may now POST /api/invoices/:id/refund (invoice:read)\n')
    expect(output).toContain('asks for less proof: within 300 s before, nothing now')
  })

  it('--check ends with 3 when the file differs and nobody may do more', async () => {
    const { code, output } = await check('reworded')
    expect(code).toBe(3)
    expect(output).toContain('the rule of GET /healthz was "probe of load balancers" and is "status page"')
    expect(output).not.toContain('widened')
  })

  it('--check tells the differences as JSON', async () => {
    const { code, output } = await check('widened', '--json')
    expect(code).toBe(1)
    expect(JSON.parse(output)).toMatchObject({ isSame: false, changes: [{ kind: 'widened', who: 'viewer' }, {}, {}, {}] })
  })

  it('--check sees a table that says something else than the data behind it', async () => {
    const forged = join(folder, 'forged.md')
    const text = readFileSync(file, 'utf8')
    writeFileSync(
      forged,
      text.replace('| GET | /api/audit | audit:read |  | deny |', '| GET | /api/audit | audit:read |  | allow |'),
    )
    const { code, output } = await run(bin, ['routes', '--app', app, '--out', forged, '--check'])
    expect(code).toBe(3)
    expect(output).toContain('Nobody may do more or less')
  })
})

describe('fails, and says why', () => {
  it('an application that throws', async () => {
    const { code, error } = await check('throws')
    expect([code, error]).toEqual([4, `cli.app_failed: ${app} failed: TypeError: no database\n`])
  })

  it('an application whose promise never resolves is no success', async () => {
    expect((await check('hangs')).code).toBe(4)
  })

  it.each([
    ['no module', 'export const x = 1', 'cli.app_invalid', 'has no default export that is an object'],
    ['no access', 'export default { routes: [] }', 'cli.app_invalid', 'gives no access'],
    ['no routes', 'export default { access: { roles: [], bind() {} } }', 'cli.app_invalid', 'gives no routes'],
    [
      'routes that are none',
      'export default { access: { roles: [], bind() {} }, routes: [1] }',
      'cli.app_invalid',
      'gives routes that are no list of them',
    ],
    ['a module that is none', 'export default {', 'cli.app_failed', 'SyntaxError'],
  ])('%s', async (_what, source, code, said) => {
    const path = join(folder, `${code}${said.length}.mjs`)
    writeFileSync(path, source)
    const result = await run(bin, ['routes', '--app', path, '--out', '-'])
    expect(result.code).toBe(4)
    expect(result.error).toContain(code)
    expect(result.error).toContain(said)
  })

  it.each([
    [
      'a file that is not there',
      ['--out', '/nowhere/access.md'],
      'cli.file_failed: /nowhere/access.md could not be read: ENOENT',
    ],
    ['a file that is none', ['--out', 'package.json'], 'rbac.access_file_invalid'],
  ])('%s', async (_what, args, said) => {
    const { code, error } = await run(bin, ['routes', '--app', app, '--check', ...args])
    expect(code).toBe(4)
    expect(error).toContain(said)
  })
})

describe('the command', () => {
  it.each(['routes', 'advise', 'probe', 'audit'])('%s --help says how it is used, and with which exit codes', async (name) => {
    const { code, output, error } = await run(bin, [name, '--help'])
    expect([code, error]).toEqual([0, ''])
    expect(output).toContain(`portcullis ${name}`)
    expect(output).toContain('Exit codes: 0')
  })

  it.each([
    [['--help'], 0],
    [[], 2],
    [['dance'], 2],
    [['audit'], 2],
    [['routes'], 2],
    [['routes', '--app'], 2],
    [['routes', '--check', '--app', 'x', '--out', '-'], 2],
  ])('%j ends with %i', async (args, code) => {
    expect((await run(bin, args)).code).toBe(code)
  })
})
