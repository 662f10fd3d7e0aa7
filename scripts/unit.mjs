// `node scripts/unit.mjs`: the packages' tests on whichever Node.js runs this script, past turbo, whose answers are those of another.
import './node-version.mjs'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { readResults, report, sum } from './results.mjs'
import { run } from './run.mjs'
import { workspaces } from './workspace.mjs'

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'portcullis-unit-'))
const { PATH = '' } = process.env
// A test that starts `node` gets this one too.
const env = { ...process.env, PATH: `${path.dirname(process.execPath)}${path.delimiter}${PATH}` }
/** @type {import('./results.mjs').Results[]} */
const all = []
const tested = workspaces('packages').filter(({ manifest }) => manifest.scripts?.['test'] !== undefined)
// Stores wait for their servers, and take longest: begun last, they would run alone.
const isStore = (/** @type {{ short: string }} */ { short }) => short.startsWith('store-')
const waiting = [...tested.filter(isStore), ...tested.filter((workspace) => !isStore(workspace))]

/** One package after the other, from what is waiting. */
async function work() {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) all.push(await test(next))
}

/** @param {ReturnType<typeof workspaces>[number]} workspace */
async function test({ short, folder }) {
  const file = path.join(temporary, `${short}.json`)
  const vitest = path.join(folder, 'node_modules/vitest/vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
  const { status, output } = await run([process.execPath, vitest, 'run', ...reporters], { cwd: folder, env, quiet: true })
  const results = readResults(short, file)
  if (status !== 0 && results.failed.length === 0) results.failed.push(`${short} › vitest ended with status ${status}`)
  if (results.failed.length > 0) process.stderr.write(output)
  console.log(`${results.failed.length === 0 ? '✓' : '✗'} ${short}: ${results.passed} passed on Node.js ${process.version}`)
  return results
}

try {
  // As many at once as turbo runs on the other Node.js.
  await Promise.all(Array.from({ length: os.availableParallelism() }, work))
} finally {
  fs.rmSync(temporary, { recursive: true, force: true })
}
const total = sum(all)
report(total)
process.exitCode = total.failed.length === 0 ? 0 : 1
