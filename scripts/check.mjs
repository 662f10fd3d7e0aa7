// `pnpm check`: what is published is what was meant, and can be used by whoever installs it.
import './node-version.mjs'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { boundaryViolations } from './boundaries.mjs'
import { checkConsumers } from './consumers.mjs'
import { contentFaults, packAll } from './pack.mjs'
import { each, root, run } from './run.mjs'
import { turbo } from './turbo.mjs'

/** @type {string[]} */
const failures = []

/**
 * @param {string} name
 * @param {() => Promise<string[]>} work answers one text per finding
 */
async function step(name, work) {
  const started = performance.now()
  const findings = await work()
  for (const finding of findings) console.error(`${name}: ${finding}`)
  if (findings.length > 0) failures.push(name)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${findings.length === 0 ? '✓' : '✗'} ${name} (${seconds} s)`)
}

/**
 * @param {string[]} command
 * @returns {Promise<string[]>}
 */
async function findingsOf(command) {
  const { status, output } = await run([process.execPath, ...command], { quiet: true })
  return status === 0 ? [] : [output.trim()]
}

/** @param {import('./pack.mjs').Packed} packed */
async function lintTarball({ manifest, tarball }) {
  const { buffer } = new Uint8Array(fs.readFileSync(tarball))
  const { messages, pkg } = await publint({ pack: { tarball: buffer } })
  return messages.map((message) => `${manifest.name}: ${formatMessage(message, pkg, { color: false })}`)
}

/** @param {import('./pack.mjs').Packed} packed */
async function lintTypes({ tarball }) {
  // Only ES modules are published: CommonJS gets them through require(), which Node.js 20.19 can do.
  const profile = ['--profile', 'esm-only', '--no-definitely-typed', '--no-color', '--no-emoji']
  return findingsOf([path.join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js'), tarball, ...profile])
}

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'portcullis-check-'))
try {
  await step('import boundaries', boundaryViolations)
  await step('unused files, exports and dependencies (knip)', () =>
    findingsOf([path.join(root, 'node_modules/knip/bin/knip.js')]),
  )

  const { status, output } = await turbo(['run', 'build', '--filter=./packages/*', '--output-logs=errors-only'], { quiet: true })
  if (status !== 0) {
    process.stderr.write(output)
    failures.push('build')
  } else {
    const packed = await packAll(temporary)
    await step('tarball contents', async () =>
      packed.flatMap((one) => contentFaults(one).map((fault) => `${one.manifest.name}: ${fault}`)),
    )
    await step('manifests (publint)', async () => (await each(packed, 2, lintTarball)).flat())
    await step('types (attw)', async () => (await each(packed, 2, lintTypes)).flat())
    await step('consumers', () => checkConsumers(packed, console.log))
  }
} finally {
  fs.rmSync(temporary, { recursive: true, force: true })
}

if (failures.length > 0) console.error(`failed: ${failures.join(', ')}`)
process.exitCode = failures.length === 0 ? 0 : 1
