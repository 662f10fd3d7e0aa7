// `node scripts/boundaries.mjs`: who may import what. The table is biome.boundaries.json, one entry per package.
import './node-version.mjs'
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { root, run } from './run.mjs'
import { workspaces } from './workspace.mjs'

/**
 * @typedef {{ includes: string[], linter: { rules: { style: { noRestrictedImports: { options: { patterns: { group: string[] }[] } } } } } }} Override
 */

/**
 * The names that each package may import, as biome.boundaries.json says it.
 *
 * @returns {Map<string, string[]>}
 */
export function boundaries() {
  /** @type {{ overrides: Override[] }} */
  const config = JSON.parse(fs.readFileSync(path.join(root, 'biome.boundaries.json'), 'utf8'))
  const table = new Map()
  for (const { includes, linter } of config.overrides) {
    const name = /^packages\/([\w-]+)\/src\/\*\*$/.exec(includes[0] ?? '')?.[1]
    if (name === undefined) continue
    const group = linter.rules.style.noRestrictedImports.options.patterns.flatMap((pattern) => pattern.group)
    if (group[0] !== '**')
      throw new TypeError(`biome.boundaries.json: the entry of ${name} does not begin with a refusal of everything`)
    const bare = group.filter((pattern) => /^!(?!\.|node:)/.test(pattern) && !pattern.endsWith('/**'))
    table.set(
      name,
      bare.map((pattern) => pattern.slice(1)),
    )
  }
  return table
}

/**
 * What a manifest gives a package that its boundary does not. The lint rule reads import statements; a type written
 * `import('jose').JWK` or a name put together at run time gets past it, but neither resolves without being declared.
 *
 * @param {string} name the package's folder
 * @param {import('./workspace.mjs').Manifest} manifest
 * @param {ReadonlyMap<string, readonly string[]>} table
 * @returns {string[]} one sentence per violation
 */
export function undeclared(name, manifest, table = boundaries()) {
  const allowed = table.get(name)
  if (allowed === undefined) return [`${name} has no entry in biome.boundaries.json`]
  const declared = { ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.optionalDependencies }
  return Object.keys(declared)
    .filter((dependency) => !allowed.some((pattern) => matches(dependency, pattern)))
    .map((dependency) => `${name} depends on ${dependency}, which biome.boundaries.json does not let it import`)
}

/**
 * @param {string} dependency
 * @param {string} pattern a package name, or a scope followed by `/*`
 */
const matches = (dependency, pattern) =>
  pattern.endsWith('/*') ? dependency.startsWith(pattern.slice(0, -1)) : dependency === pattern

/**
 * Runs the import rule alone.
 *
 * @param {string} [folder] the folder that stands for the repository's root
 */
export function lintImports(folder = root) {
  const biome = path.join(root, 'node_modules/@biomejs/biome/bin/biome')
  const rule = ['lint', '--only=style/noRestrictedImports', '--max-diagnostics=none', '--reporter=github', '.']
  return run([process.execPath, biome, ...rule], { cwd: folder, quiet: true })
}

/** @returns {Promise<string[]>} one sentence per violation */
export async function boundaryViolations() {
  const table = boundaries()
  const violations = workspaces('packages').flatMap(({ short, manifest }) => undeclared(short, manifest, table))
  const { status, output } = await lintImports()
  if (status !== 0) violations.push(output.trim())
  return violations
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const violations = await boundaryViolations()
  for (const violation of violations) console.error(violation)
  process.exitCode = violations.length === 0 ? 0 : 1
}
