// `npm start`: from a fresh clone to a running Ledger. package.json says `exec node …`, because npm passes a signal to the shell
// that it started and no further: with `exec`, that is this process.
import './node-version.mjs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './run.mjs'
import { turbo } from './turbo.mjs'
import { install } from './workspace.mjs'

await install()
const { status, output } = await turbo(['run', 'build', '--filter=@portcullis/demo', '--output-logs=errors-only'], {
  quiet: true,
})
if (status !== 0) {
  process.stderr.write(output)
  process.exit(status)
}

// npm that was killed outright could not pass anything on: Ledger stops as if asked to, rather than keep the port.
const { ppid } = process
if (process.env['npm_lifecycle_event'] === 'start') {
  setInterval(() => process.ppid === ppid || process.kill(process.pid, 'SIGTERM'), 1000).unref()
}

// Ledger runs in this process, not in a child: signals reach it, and its exit code is ours, with nothing in between to lose them.
const main = path.join(root, 'apps/demo/dist/main.js')
process.argv[1] = main
process.setSourceMapsEnabled(true)
await import(pathToFileURL(main).href)
