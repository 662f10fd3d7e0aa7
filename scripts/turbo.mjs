// `node scripts/turbo.mjs run build`: turbo with its telemetry off, in the pnpm that package.json pins.
import './node-version.mjs'
import { pathToFileURL } from 'node:url'
import { run } from './run.mjs'
import { pnpm } from './workspace.mjs'

/**
 * @param {readonly string[]} args
 * @param {{ quiet?: boolean, env?: NodeJS.ProcessEnv }} [options]
 */
export function turbo(args, { quiet = false, env = {} } = {}) {
  return run(pnpm(['exec', 'turbo', ...args]), {
    quiet,
    shell: process.platform === 'win32',
    env: {
      ...process.env,
      TURBO_TELEMETRY_DISABLED: '1',
      DO_NOT_TRACK: '1',
      // What passed on one Node.js has not passed on another: a part of each test's cache key.
      PORTCULLIS_NODE: `${process.version} ${process.platform} ${process.arch}`,
      ...env,
    },
  })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.exitCode = (await turbo(process.argv.slice(2))).status
}
