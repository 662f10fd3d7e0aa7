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
const all = []
try {
  for (const { short, folder, manifest } of workspaces('packages')) {
    if (manifest.scripts?.['test'] === undefined) continue
    const file = path.join(temporary, `${short}.json`)
    const vitest = path.join(folder, 'node_modules/vitest/vitest.mjs')
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
    const { status, output } = await run([process.execPath, vitest, 'run', ...reporters], { cwd: folder, env, quiet: true })
    const results = readResults(short, file)
    if (status !== 0 && results.failed.length === 0) results.failed.push(`${short} › vitest ended with status ${status}`)
    if (results.failed.length > 0) process.stderr.write(output)
    console.log(`${results.failed.length === 0 ? '✓' : '✗'} ${short}: ${results.passed} passed on Node.js ${process.version}`)
    all.push(results)
  }
} finally {
  fs.rmSync(temporary, { recursive: true, force: true })
}
const total = sum(all)
report(total)
process.exitCode = total.failed.length === 0 ? 0 : 1
