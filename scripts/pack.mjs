import fs from 'node:fs'
import path from 'node:path'
import { each, must } from './run.mjs'
import { mustPnpm, workspaces } from './workspace.mjs'

/**
 * @typedef {import('./workspace.mjs').Workspace & { tarball: string, files: string[] }} Packed
 *   `files` as paths inside the package
 */

/**
 * Packs every package as it would be published. They must have been built.
 *
 * @param {string} into the folder for the tarballs
 * @returns {Promise<Packed[]>}
 */
export async function packAll(into) {
  await mustPnpm(['--recursive', '--filter', './packages/*', 'pack', '--pack-destination', into])
  const published = workspaces('packages').filter(({ manifest }) => manifest.private !== true)
  return each(published, 2, async (workspace) => {
    const { name, version } = workspace.manifest
    const tarball = path.join(into, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`)
    // What is in the archive, not what the packer says it put there: it leaves the root's LICENSE out of its list.
    const listing = await must(['tar', '-tzf', tarball])
    return {
      ...workspace,
      tarball,
      files: listing
        .trim()
        .split('\n')
        .map((file) => file.trim().slice('package/'.length)),
    }
  })
}

/**
 * What is wrong with a package's contents.
 *
 * @param {Packed} packed
 * @returns {string[]} one sentence per finding
 */
export function contentFaults({ folder, files, manifest }) {
  const faults = []
  const inside = new Set(files)
  for (const file of ['README.md', 'LICENSE', 'package.json', 'dist/index.js', 'dist/index.d.ts', 'src/index.ts']) {
    if (!inside.has(file)) faults.push(`${file} is missing`)
  }
  for (const file of files) {
    const expected = /^(?:(?:dist|src)\/.*|docs\/[\w-]+\.svg|package\.json|README\.md|CHANGELOG\.md|LICENSE)$/.test(file)
    if (!expected || /\.test\.|\.tsbuildinfo$|(?:^|\/)(?:test|node_modules)\//.test(file))
      faults.push(`${file} does not belong in it`)
  }
  for (const map of files.filter((file) => /^dist\/.*\.map$/.test(file))) {
    /** @type {{ sources: string[] }} */
    const { sources } = JSON.parse(fs.readFileSync(path.join(folder, map), 'utf8'))
    for (const source of sources) {
      const target = path.posix.join(path.posix.dirname(map), source)
      if (!inside.has(target))
        faults.push(`${map} points to ${target}, which is not in it (an old build? remove dist and build again)`)
    }
  }
  if (manifest.sideEffects !== false) faults.push('package.json does not say sideEffects: false')
  return faults
}
