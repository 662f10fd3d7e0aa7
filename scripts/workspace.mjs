import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { must, root } from './run.mjs'

/**
 * @typedef {object} Manifest the parts of a package.json that the scripts read
 * @property {string} name
 * @property {string} version
 * @property {boolean} [private]
 * @property {boolean} [sideEffects]
 * @property {string} [packageManager]
 * @property {Record<string, unknown>} [exports]
 * @property {Record<string, string>} [scripts]
 * @property {Record<string, string>} [dependencies]
 * @property {Record<string, string>} [peerDependencies]
 * @property {Record<string, string>} [optionalDependencies]
 * @property {Record<string, string>} [devDependencies]
 *
 * @typedef {{ folder: string, short: string, manifest: Manifest }} Workspace
 *   `folder` is absolute, `short` its last part: the name without the scope
 */

/**
 * @param {string} folder
 * @returns {Manifest}
 */
export const manifestOf = (folder) => JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'))

/**
 * @param {'packages' | 'apps'} group
 * @returns {Workspace[]}
 */
export function workspaces(group) {
  return fs
    .readdirSync(path.join(root, group))
    .map((short) => ({ short, folder: path.join(root, group, short) }))
    .filter(({ folder }) => fs.existsSync(path.join(folder, 'package.json')))
    .map(({ short, folder }) => ({ short, folder, manifest: manifestOf(folder) }))
}

const wantedPnpm = manifestOf(root).packageManager ?? 'pnpm'

/**
 * The command that runs pnpm in the version that package.json pins, with nothing but npm installed.
 *
 * @param {readonly string[]} args
 * @returns {string[]}
 */
export function pnpm(args) {
  const { npm_config_user_agent: agent = '', npm_execpath: cli = '' } = process.env
  const [name, version] = wantedPnpm.split('@')
  // Started by that same pnpm: asking npx for it again would only take time.
  if (agent.startsWith(`${name}/${version} `) && /\.c?js$/.test(cli)) return [process.execPath, cli, ...args]
  return ['npx', '-y', wantedPnpm, ...args]
}

/**
 * Runs pnpm quietly, and ends this process when it fails.
 *
 * @param {readonly string[]} args
 * @param {Parameters<typeof must>[1]} [options]
 */
export const mustPnpm = (args, options) => must(pnpm(args), { shell: process.platform === 'win32', ...options })

/** Installs what the lockfile names, unless this checkout already has exactly that. */
export async function install() {
  const modules = path.join(root, 'node_modules')
  const marker = path.join(modules, '.portcullis-installed')
  const wanted = installHash()
  const whole = [root, ...workspaces('packages').map(({ folder }) => folder), ...workspaces('apps').map(({ folder }) => folder)]
  const complete = whole.every((folder) => fs.existsSync(path.join(folder, 'node_modules')))
  if (complete && fs.existsSync(marker) && fs.readFileSync(marker, 'utf8') === wanted) return
  console.error('Installing dependencies …')
  await mustPnpm(['install', '--frozen-lockfile'])
  fs.writeFileSync(marker, wanted)
}

function installHash() {
  const hash = createHash('sha256')
  const manifests = ['packages', 'apps'].flatMap((group) =>
    workspaces(/** @type {'packages' | 'apps'} */ (group)).map(({ folder }) => path.join(folder, 'package.json')),
  )
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', ...manifests]) {
    hash.update(fs.readFileSync(path.resolve(root, file)))
  }
  return `${hash.digest('hex')} ${process.platform} ${process.arch}\n`
}
