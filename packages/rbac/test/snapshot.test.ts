import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { type AccessSnapshot, createSnapshot, snapshotEndpoint, snapshotOf } from '../src/snapshot.ts'
import { client, clock, user } from './ledger.ts'
import { access, bearerOf, listen, serve } from './policy-kit.ts'

const run = promisify(execFile)
const now = (): number => clock.time

describe('a snapshot', () => {
  test('holds what the principal may do with some, by resource, and when it ends', () => {
    const seconds = clock.time / 1000
    expect(snapshotOf(access, user(['accountant']), { clock, lifetime: 60 })).toEqual({
      version: 1,
      issuedAt: seconds,
      expiresAt: seconds + 60,
      permissions: { invoice: ['read', 'create', 'update'] },
    })
    expect(snapshotOf(access, user([])).permissions).toEqual({})
  })

  test('says the same as canSome, for every permission and kind of caller', () => {
    const principals = [
      ...access.roles.map((role) => user([role])),
      user(['owner', 'suspended']),
      user(['owner'], { scopes: ['invoice:read'] }),
      client(['invoice:read', 'audit:read']),
      user(['nobody']),
    ]
    for (const principal of principals) {
      const snapshot = createSnapshot(JSON.parse(JSON.stringify(snapshotOf(access, principal, { clock }))), { now })
      const may = access.permissions.filter((permission) => access.canSome(principal, permission))
      expect(snapshot.permissions).toEqual(may)
      for (const permission of access.permissions) expect(snapshot.canSome(permission)).toBe(may.includes(permission))
    }
  })

  test('tells nothing of roles, tenants, scopes, reasons, or what others may do', () => {
    const text = JSON.stringify(
      snapshotOf(access, user(['owner', 'suspended'], { scopes: ['invoice:read', 'audit:read'] }), { clock }),
    )
    expect(JSON.parse(text).permissions).toEqual({ invoice: ['read'], audit: ['read'] })
    expect(text).not.toMatch(/owner|suspended|acme|u1|rbac\.|refund/)
  })

  test('takes nothing but true for a permit: a decision, which is an object, is none', () => {
    const decisions = { permissions: ['invoice:read'], canSome: () => ({ allowed: false }) as never }
    expect(snapshotOf(decisions, user([])).permissions).toEqual({})
  })

  test.each([0, -1, 1.5, Number.NaN, 86_401])('can not last %s seconds', (lifetime) => {
    expect(() => snapshotOf(access, user([]), { lifetime })).toThrow(
      expect.objectContaining({ code: 'rbac.decider_options_invalid' }),
    )
  })

  test('allows nothing from the second on in which it ends', () => {
    let time = clock.time
    const snapshot = createSnapshot(snapshotOf(access, user(['viewer']), { clock, lifetime: 60 }), { now: () => time })
    expect(snapshot.canSome('invoice:read')).toBe(true)
    expect(snapshot.expiresIn).toBe(60_000)
    time += 59_999
    expect(snapshot.canSome('invoice:read')).toBe(true)
    time += 1
    expect(snapshot.canSome('invoice:read')).toBe(false)
    expect(snapshot.permissions).toEqual([])
    expect(snapshot.expiresIn).toBe(0)
  })

  const right: AccessSnapshot = { version: 1, issuedAt: 0, expiresAt: 4e9, permissions: { invoice: ['read'] } }

  test.each<[what: string, json: unknown]>([
    ['nothing', undefined],
    ['a problem', { type: 'about:blank', title: 'Unauthorized', status: 401 }],
    ['a text', JSON.stringify(right)],
    ['another version', { ...right, version: 2 }],
    ['no end', { ...right, expiresAt: undefined }],
    ['an end that never comes', { ...right, expiresAt: Number.POSITIVE_INFINITY }],
    ['an end in words', { ...right, expiresAt: '4000000000' }],
    ['permissions as a list', { ...right, permissions: ['invoice:read'] }],
    ['actions that are no texts', { ...right, permissions: { invoice: [1] } }],
  ])('is not made of %s', (_, json) => {
    expect(() => createSnapshot(json)).toThrow(expect.objectContaining({ code: 'snapshot_malformed' }))
  })

  test.each(['__proto__:x', 'constructor:name', 'invoice:length', 'invoice', 'read', ''])('does not allow %j', (permission) => {
    expect(createSnapshot(right).canSome(permission)).toBe(false)
  })
})

describe('the endpoint', () => {
  const callers = { grace: user(['accountant']), heidi: user(['viewer'], { subject: 'heidi' }) }
  const guards = [bearerOf(callers)]

  test('v5.0.0-8.3.1: gives each caller his own snapshot, nobody else any, and no cache keeps it', async () => {
    const url = await serve(() => [snapshotEndpoint(access, { guards })])
    const get = (as: string, query = ''): Promise<Response> =>
      fetch(`${url}/access/snapshot${query}`, { headers: { authorization: `Bearer ${as}` } })
    expect((await get('mallory')).status).toBe(401)
    const response = await get('heidi', '?subject=u1&role=owner')
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(createSnapshot(await response.json()).permissions).toEqual(['invoice:read'])
    expect(createSnapshot(await (await get('grace')).json()).permissions).toHaveLength(3)
  })

  test.each([{ guards: [] }, { guards, path: 'x' }, { guards, lifetime: 0 }])('is refused at the start with %j', (options) => {
    expect(() => snapshotEndpoint(access, options)).toThrow(expect.objectContaining({ code: 'rbac.decider_options_invalid' }))
  })
})

const chromium = (process.env['PATH'] ?? '')
  .split(delimiter)
  .flatMap((folder) => ['chromium', 'chromium-browser', 'google-chrome'].map((name) => join(folder, name)))
  .find((path) => existsSync(path))

test('Chromium is on the PATH, or this is not CI and the test below is skipped by name', () => {
  if (process.env['CI'] !== undefined) expect(chromium).toBeDefined()
})

describe('the browser module', () => {
  let module: string
  beforeAll(async () => {
    module = await compiled('snapshot-browser')
  }, 60_000)

  test('is one file without imports and without anything of Node', () => {
    const code = module.replaceAll(/\/\*[\s\S]*?\*\//g, '')
    expect(code).toContain('export function createSnapshot')
    expect(code).not.toMatch(/\b(?:import|require|process|Buffer|node:)/)
  })

  test.skipIf(chromium === undefined)('runs in Chromium as it is, on what the endpoint sends', { timeout: 60_000 }, async () => {
    const snapshot = JSON.stringify(snapshotOf(access, user(['accountant'])))
    const page = `<!doctype html><title>waiting</title><body><script type="module">
      import { createSnapshot } from '/snapshot-browser.js'
      const access = createSnapshot(await (await fetch('/access/snapshot')).json())
      document.body.textContent = ['invoice:update', 'invoice:refund'].map((name) => name + '=' + access.canSome(name)).join(' ')
    </script>`
    const url = await listen((req, res) => {
      const [type, body] =
        req.url === '/snapshot-browser.js'
          ? ['text/javascript', module]
          : req.url === '/access/snapshot'
            ? ['application/json', snapshot]
            : ['text/html', page]
      res.writeHead(200, { 'content-type': type }).end(body)
    })
    const profile = await mkdtemp(join(tmpdir(), 'portcullis-rbac-'))
    try {
      const flags = [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-background-networking',
        `--user-data-dir=${profile}`,
      ]
      const { stdout } = await run(chromium!, [...flags, '--virtual-time-budget=10000', '--dump-dom', url], { timeout: 50_000 })
      expect(stdout).toContain('invoice:update=true invoice:refund=false')
    } finally {
      await rm(profile, { recursive: true, force: true, maxRetries: 5 })
    }
  })
})

/** A source as the build makes it. */
async function compiled(name: string): Promise<string> {
  const folder = fileURLToPath(new URL('..', import.meta.url))
  const out = await mkdtemp(join(tmpdir(), 'portcullis-rbac-'))
  try {
    const config = join(out, 'tsconfig.json')
    const compilerOptions = { rootDir: join(folder, 'src'), outDir: out, declarationMap: false, sourceMap: false, types: [] }
    const files = [join(folder, 'src', `${name}.ts`)]
    await writeFile(config, JSON.stringify({ extends: join(folder, 'tsconfig.build.json'), include: [], files, compilerOptions }))
    const compiler = dirname(createRequire(import.meta.url).resolve('typescript/package.json'))
    await run(process.execPath, [join(compiler, 'bin/tsc'), '-p', config])
    return await readFile(join(out, `${name}.js`), 'utf8')
  } finally {
    await rm(out, { recursive: true })
  }
}
