import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { boundaries, lintImports, undeclared } from '../boundaries.mjs'
import { root } from '../run.mjs'
import { manifestOf, workspaces } from '../workspace.mjs'

/** What the "may import" column of the design says, and the ways around it that somebody in a hurry would find. */
const violations: readonly (readonly [what: string, file: string, code: string])[] = [
  ['a package that is not in its column', 'packages/rbac/src/a.ts', "import { verify } from '@portcullis/tokens'"],
  ['a type from a package that is not in its column', 'packages/rbac/src/b.ts', "import type { V } from '@portcullis/tokens'"],
  ['a subpath of a package that is not in its column', 'packages/oauth/src/a.ts', "export * from '@portcullis/mfa/totp'"],
  ['any package from core', 'packages/core/src/a.ts', "import { x } from '@portcullis/rbac'"],
  ['a framework in core', 'packages/core/src/b.ts', "import type { Request } from 'express'"],
  ['a framework in a domain package', 'packages/tokens/src/a.ts', "import Koa from 'koa'"],
  ['another framework in an adapter', 'packages/express/src/a.ts', "import { fastify } from 'fastify'"],
  ['a framework in the conformance suites', 'packages/conformance/src/a.ts', "import Koa from 'koa'"],
  ['a driver outside a store', 'packages/sessions/src/a.ts', "import Database from 'libsql'"],
  ['a driver by dynamic import', 'packages/core/src/c.ts', "const pg = await import('ioredis')"],
  ['a query builder outside a store', 'packages/oauth/src/b.ts', "import { Kysely } from 'kysely'"],
  ['a test library in published code', 'packages/mfa/src/a.ts', "import { vi } from 'vitest'"],
  ['the sources of another package', 'packages/rbac/src/c.ts', "import { x } from '../../tokens/src/index.ts'"],
  ['the sources of another package, by a detour', 'packages/rbac/src/d.ts', "import { x } from './../../tokens/src/index.ts'"],
  ['the sources of another package, by another', 'packages/rbac/src/e.ts', "import { x } from './f/../../../tokens/src/x.ts'"],
  ['its own tests', 'packages/rbac/src/f.ts', "import { x } from '../test/fixture.ts'"],
  ['its own build', 'packages/rbac/src/g.ts', "import { x } from '../dist/index.js'"],
  ['a Node.js module without its prefix', 'packages/rbac/src/h.ts', "import fs from 'fs'"],
  ['anything from a package without an entry', 'packages/brand-new/src/a.ts', "import { x } from '@portcullis/core'"],
  ['the sources of another package, in a test', 'packages/rbac/test/a.test.ts', "import { x } from '../../tokens/src/index.ts'"],
  ['the tests of another package, in a test', 'packages/rbac/test/b.test.ts', "import { x } from '../../tokens/test/fixture.ts'"],
  ['an app, in a test', 'packages/rbac/test/c.test.ts', "import { x } from '../../../apps/demo/src/main.ts'"],
  ['the sources of a package, in an app', 'apps/demo/src/a.ts', "import { x } from '../../../packages/core/src/index.ts'"],
]

const allowed: readonly (readonly [file: string, code: string])[] = [
  [
    'packages/core/src/ok.ts',
    "import { randomBytes } from 'node:crypto'\nimport { readFile } from 'node:fs/promises'\nimport ip from 'ipaddr.js'",
  ],
  ['packages/core/src/noun/ok.ts', "import { x } from './part.ts'\nimport { y } from '../clock.ts'"],
  ['packages/oauth/src/ok.ts', "import { x } from '@portcullis/tokens'\nimport { y } from '@portcullis/core/node'"],
  ['packages/express/src/ok.ts', "import type { Request } from 'express'\nexport * from '@portcullis/core'"],
  ['packages/koa/src/ok.ts', "import type Koa from 'koa'\nimport type Router from '@koa/router'"],
  ['packages/store-sql/src/ok.ts', "import { Kysely } from 'kysely'\nimport Database from 'libsql'"],
  [
    'packages/rbac/test/ok.test.ts',
    "import { x } from '../src/index.ts'\nimport { y } from '@portcullis/conformance/store'\nimport express from 'express'",
  ],
  [
    'apps/demo/src/ok.ts',
    "import { x } from '@portcullis/mfa/totp'\nimport express from 'express'\nimport { y } from './app.ts'",
  ],
]

describe('the import boundaries', () => {
  let folder: string
  let output: string
  let status: number

  beforeAll(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'portcullis-boundaries-'))
    for (const name of ['biome.json', 'biome.boundaries.json']) fs.copyFileSync(path.join(root, name), path.join(folder, name))
    // biome wants the ignore file that its configuration promises.
    fs.writeFileSync(path.join(folder, '.gitignore'), 'node_modules/\n')
    for (const [file, code] of [...violations.map(([, ...rest]) => rest), ...allowed]) {
      fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
      fs.writeFileSync(path.join(folder, file), `${code}\n`)
    }
    const result = await lintImports(folder)
    output = result.output
    status = result.status
  })

  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

  it.each(violations)('refuse %s', (_what, file) => {
    expect(status).not.toBe(0)
    expect(output).toMatch(new RegExp(`::error [^\\n]*file=[^,\\n]*${file.replaceAll('.', '\\.')},`))
  })

  it.each(allowed)('let through what the column of %s allows', (file) => {
    expect(output).not.toContain(file)
  })

  it('have an entry for every package', () => {
    const table = boundaries()
    expect(workspaces('packages').filter(({ short }) => !table.has(short))).toEqual([])
  })
})

describe("a manifest's dependencies", () => {
  it.each(workspaces('packages').map(({ short, manifest }) => [short, manifest] as const))(
    'stay within the boundary of %s',
    (short, manifest) => {
      expect(undeclared(short, manifest)).toEqual([])
    },
  )

  it('are refused when they go beyond it, as a dependency or as a peer', () => {
    const rbac = { ...manifestOf(path.join(root, 'packages/rbac')), peerDependencies: {} }
    expect(undeclared('rbac', { ...rbac, dependencies: { '@portcullis/core': '*', '@portcullis/tokens': '*' } })).toEqual([
      'rbac depends on @portcullis/tokens, which biome.boundaries.json does not let it import',
    ])
    expect(undeclared('rbac', { ...rbac, peerDependencies: { express: '*' } })).toHaveLength(1)
    expect(undeclared('core', { ...rbac, dependencies: { '@portcullis/core': '*' } })).toHaveLength(1)
  })

  it('are refused for a package without an entry', () => {
    expect(undeclared('brand-new', { name: 'x', version: '0.0.0' })).toEqual(['brand-new has no entry in biome.boundaries.json'])
  })

  it('may be any Portcullis package in the conformance suites', () => {
    expect(undeclared('conformance', { name: 'x', version: '0.0.0', dependencies: { '@portcullis/rbac': '*' } })).toEqual([])
    expect(undeclared('conformance', { name: 'x', version: '0.0.0', dependencies: { express: '*' } })).toHaveLength(1)
  })
})
