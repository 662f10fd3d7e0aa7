// `npm test`: from a fresh clone to every test's result. Whatever did not change is answered from turbo's cache.
import './node-version.mjs'
import fs from 'node:fs'
import path from 'node:path'
import { readResults, report, sum } from './results.mjs'
import { root } from './run.mjs'
import { turbo } from './turbo.mjs'
import { install, workspaces } from './workspace.mjs'

await install()

const suites = [...workspaces('packages'), ...workspaces('apps')]
  .filter(({ manifest }) => manifest.scripts?.['test'] !== undefined)
  .map(({ folder, short }) => ({ label: short, file: path.join(folder, '.vitest/results.json') }))
suites.push({ label: 'scripts', file: path.join(root, 'scripts/.vitest/results.json') })
// A result that is there afterwards is of this run, or of the cached run that stands for it.
for (const { file } of suites) fs.rmSync(file, { force: true })

const { PORTCULLIS_VECTORS: vectors } = process.env
const { status } = await turbo(
  ['run', 'test', 'test:scripts', '--continue=always', '--output-logs=errors-only', ...process.argv.slice(2)],
  { env: vectors ? { PORTCULLIS_VECTORS: path.resolve(root, vectors) } : {} },
)

const all = suites.map(({ label, file }) => ({ label, ...readResults(label, file) }))
for (const { label, passed, failed } of all) {
  console.log(
    `${failed.length === 0 ? '✓' : '✗'} ${label}: ${passed} passed${failed.length > 0 ? `, ${failed.length} failed` : ''}`,
  )
}
const total = sum(all)
if (status !== 0 && total.failed.length === 0) total.failed.push(`turbo ended with status ${status}`)
report(total)
process.exitCode = total.failed.length === 0 ? 0 : 1
