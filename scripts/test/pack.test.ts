import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contentFaults } from '../pack.mjs'

const whole = ['README.md', 'LICENSE', 'package.json', 'dist/index.js', 'dist/index.js.map', 'dist/index.d.ts', 'src/index.ts']

describe("a tarball's contents", () => {
  let folder: string
  const faults = (files: readonly string[], manifest: { sideEffects?: boolean } = { sideEffects: false }) =>
    contentFaults({
      folder,
      files: [...files],
      short: 'x',
      tarball: 'x.tgz',
      manifest: { name: 'x', version: '0.0.0', ...manifest },
    })

  beforeAll(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'portcullis-pack-'))
    fs.mkdirSync(path.join(folder, 'dist'))
    for (const name of ['index', 'gone']) {
      fs.writeFileSync(path.join(folder, `dist/${name}.js.map`), JSON.stringify({ sources: [`../src/${name}.ts`] }))
    }
  })
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

  it('are fine with the build, the sources, a README and a LICENSE', () => {
    expect(faults(whole)).toEqual([])
  })

  it.each(whole.filter((file) => !file.endsWith('.map')))('may not lack %s', (file) => {
    expect(faults(whole.filter((other) => other !== file))).toContain(`${file} is missing`)
  })

  it.each([
    'test/a.test.ts',
    'src/a.test.ts',
    'tsconfig.json',
    'vitest.config.ts',
    'dist/tsconfig.build.tsbuildinfo',
    '.vitest/results.json',
    '.env',
    'src/node_modules/x/index.js',
  ])('may not have %s', (file) => {
    expect(faults([...whole, file])).toEqual([`${file} does not belong in it`])
  })

  it('may not have the build of a source that is gone', () => {
    expect(faults([...whole, 'dist/gone.js.map'])).toEqual([expect.stringContaining('dist/gone.js.map points to src/gone.ts')])
  })

  it('say that there are no side effects', () => {
    expect(faults(whole, {})).toEqual(['package.json does not say sideEffects: false'])
  })
})
