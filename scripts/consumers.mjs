// Installs each packed package alone in an empty folder, as a stranger would, and uses every one of its subpaths.
import './node-version.mjs'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { each, root, run } from './run.mjs'
import { manifestOf } from './workspace.mjs'

/** @typedef {import('./pack.mjs').Packed} Packed */

/**
 * @param {readonly Packed[]} all
 * @param {(line: string) => void} say called once per package as it is done
 * @returns {Promise<string[]>} one text per failed check
 */
export async function checkConsumers(all, say) {
  const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'portcullis-consumers-'))
  try {
    const failures = await each(all, 2, (packed) => consume(packed, all, path.join(temporary, packed.short), say))
    return failures.flat()
  } finally {
    fs.rmSync(temporary, { recursive: true, force: true })
  }
}

/**
 * @param {Packed} packed
 * @param {readonly Packed[]} all
 * @param {string} folder
 * @param {(line: string) => void} say
 */
async function consume(packed, all, folder, say) {
  const { name } = packed.manifest
  const specifiers = Object.keys(packed.manifest.exports ?? {})
    .filter((subpath) => subpath !== './package.json')
    .map((subpath) => name + subpath.slice(1))

  fs.mkdirSync(folder, { recursive: true })
  const write = (/** @type {string} */ file, /** @type {string} */ text) => fs.writeFileSync(path.join(folder, file), text)
  write('package.json', JSON.stringify(consumerManifest(packed, all), undefined, 2))
  write('esm.mjs', specifiers.map((specifier) => probe(specifier, `await import('${specifier}')`)).join(''))
  write('commonjs.cjs', specifiers.map((specifier) => probe(specifier, `require('${specifier}')`)).join(''))
  write(
    'esm.ts',
    typed(specifiers, (local, specifier) => `import * as ${local} from '${specifier}'`),
  )
  write(
    'commonjs.cts',
    typed(specifiers, (local, specifier) => `import ${local} = require('${specifier}')`),
  )
  // A bundler takes ES modules only; under nodenext, CommonJS may require() them too.
  write('nodenext.json', tsconfig('nodenext', 'nodenext', ['esm.ts', 'commonjs.cts']))
  write('bundler.json', tsconfig('esnext', 'bundler', ['esm.ts']))

  const tsc = path.join(root, 'node_modules/typescript/bin/tsc')
  const npm = [
    'install',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--no-package-lock',
    '--ignore-scripts',
    '--loglevel=error',
  ]
  /** @type {[what: string, command: string[]][]} */
  const checks = [
    ['installs alone', ['npm', ...npm]],
    ['imports from ESM', [process.execPath, 'esm.mjs']],
    ['requires from CommonJS', [process.execPath, 'commonjs.cjs']],
    ['compiles under nodenext', [process.execPath, tsc, '-p', 'nodenext.json']],
    ['compiles under bundler', [process.execPath, tsc, '-p', 'bundler.json']],
  ]
  const failures = []
  const shell = process.platform === 'win32'
  for (const [what, command] of checks) {
    const { status, output } = await run(command, { cwd: folder, quiet: true, shell: shell && command[0] === 'npm' })
    if (status !== 0) failures.push(`${name}: ${what}: status ${status}\n${output}`)
    // Nothing below can be right without the first.
    if (status !== 0 && what === 'installs alone') break
  }
  const passed = failures.length === 0
  const subpaths = specifiers.length === 1 ? '1 entry' : `${specifiers.length} entries`
  say(
    `${passed ? '✓' : '✗'} ${name}: ${passed ? `${checks.length} checks` : `${failures.length} of ${checks.length} checks failed`} on ${subpaths}`,
  )
  return failures
}

/**
 * The package, its peers, and the types its peers are typed by; its Portcullis dependencies come as tarballs as well.
 *
 * @param {Packed} packed
 * @param {readonly Packed[]} all
 */
function consumerManifest(packed, all) {
  const { peerDependencies = {}, devDependencies = {} } = packed.manifest
  const tarballs = Object.fromEntries(all.map(({ manifest, tarball }) => [manifest.name, `file:${tarball}`]))
  const needed = portcullisDependencies(packed, all)
  /** @type {Record<string, string>} */
  const dependencies = { [packed.manifest.name]: tarballs[packed.manifest.name] ?? '' }
  for (const [peer, range] of Object.entries(peerDependencies)) {
    dependencies[peer] = tarballs[peer] ?? range
    const types = `@types/${peer.replace(/^@(.*)\//, '$1__')}`
    if (types in devDependencies) dependencies[types] = installedVersion(packed, types)
  }
  dependencies['@types/node'] = installedVersion(packed, '@types/node')
  // Never a package of the same name from somewhere else.
  const overrides = Object.fromEntries(needed.map((name) => [name, tarballs[name]]))
  return { name: 'consumer', private: true, type: 'module', dependencies, overrides }
}

/**
 * @param {Packed} packed
 * @param {readonly Packed[]} all
 * @returns {string[]} names of the Portcullis packages that it needs, at any depth
 */
function portcullisDependencies(packed, all) {
  /** @type {Set<string>} */
  const found = new Set()
  const visit = (/** @type {Packed} */ current) => {
    for (const name of Object.keys({ ...current.manifest.dependencies })) {
      const dependency = all.find(({ manifest }) => manifest.name === name)
      if (dependency === undefined || found.has(name)) continue
      found.add(name)
      visit(dependency)
    }
  }
  visit(packed)
  return [...found]
}

/**
 * @param {Packed} packed
 * @param {string} dependency
 */
const installedVersion = (packed, dependency) => manifestOf(path.join(packed.folder, 'node_modules', dependency)).version

/**
 * @param {string} specifier
 * @param {string} expression
 */
const probe = (specifier, expression) =>
  `if (Object.keys(${expression}).length === 0) throw new TypeError('${specifier} exports nothing')\n`

/**
 * @param {readonly string[]} specifiers
 * @param {(local: string, specifier: string) => string} statement
 */
function typed(specifiers, statement) {
  const locals = specifiers.map((specifier, index) => [`entry${index}`, specifier])
  return [
    ...locals.map(([local = '', specifier = '']) => statement(local, specifier)),
    // Fails to compile when the types were not found and everything became `any`.
    'type Typed<T> = 0 extends 1 & T ? never : true',
    ...locals.map(([local]) => `export const typed_${local}: Typed<typeof ${local}> = true`),
    '',
  ].join('\n')
}

/**
 * @param {string} module
 * @param {string} moduleResolution
 * @param {readonly string[]} files
 */
function tsconfig(module, moduleResolution, files) {
  const compilerOptions = {
    module,
    moduleResolution,
    target: 'es2023',
    lib: ['es2023'],
    types: ['node'],
    strict: true,
    noEmit: true,
    // Our own declarations are checked, and those of everything they stand on.
    skipLibCheck: false,
  }
  return JSON.stringify({ compilerOptions, files }, undefined, 2)
}
