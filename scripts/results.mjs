import fs from 'node:fs'
import path from 'node:path'
import { root } from './run.mjs'

/**
 * What one run of vitest came to.
 *
 * @typedef {object} Results
 * @property {number} passed
 * @property {string[]} failed one name per failed test, or per file that could not be run
 * @property {string[]} skipped one name per skipped test
 *
 * @typedef {{ status: string, fullName: string, ancestorTitles: string[], title: string }} Assertion
 * @typedef {{ name: string, status: string, message: string, assertionResults: Assertion[] }} TestFile
 * @typedef {{ success: boolean, testResults: TestFile[] }} Report vitest's json reporter
 */

/**
 * Reads a report of vitest's json reporter. A missing one is a failure: the run ended before it could write it.
 *
 * @param {string} label what ran, for the names
 * @param {string} file
 * @returns {Results}
 */
export function readResults(label, file) {
  if (!fs.existsSync(file)) return { passed: 0, failed: [`${label} › did not finish its run`], skipped: [] }
  return summarize(label, JSON.parse(fs.readFileSync(file, 'utf8')))
}

/**
 * @param {string} label
 * @param {Report} report
 * @returns {Results}
 */
export function summarize(label, report) {
  /** @type {Results} */
  const results = { passed: 0, failed: [], skipped: [] }
  for (const { name, status, message, assertionResults } of report.testResults) {
    const file = path.relative(root, name)
    const red = results.failed.length
    for (const assertion of assertionResults) {
      const title = `${file} › ${[...assertion.ancestorTitles, assertion.title].join(' › ')}`
      if (assertion.status === 'passed') results.passed += 1
      else if (assertion.status === 'failed') results.failed.push(title)
      else results.skipped.push(title)
    }
    // The file itself broke: at its import, or in a hook.
    if (status === 'failed' && results.failed.length === red)
      results.failed.push(`${file} › ${message.split('\n', 1)[0] || 'could not be run'}`)
  }
  if (report.testResults.length === 0) results.failed.push(`${label} › has no tests`)
  // Every test passed and the run did not: an error outside any test, such as an unhandled rejection.
  if (!report.success && results.failed.length === 0) results.failed.push(`${label} › an error outside its tests`)
  return results
}

/** @param {readonly Results[]} all */
export const sum = (all) => ({
  passed: all.reduce((total, { passed }) => total + passed, 0),
  failed: all.flatMap(({ failed }) => failed),
  skipped: all.flatMap(({ skipped }) => skipped),
})

/** @param {Results} results */
export const closingLine = ({ passed, failed, skipped }) => `${passed} passed, ${failed.length} failed, ${skipped.length} skipped`

/**
 * Prints the failed tests, the skipped suites and, last, the closing line.
 *
 * @param {Results} results
 */
export function report(results) {
  const suites = new Map()
  for (const name of results.skipped) {
    const suite = name.split(' › ').slice(0, -1).join(' › ')
    suites.set(suite, (suites.get(suite) ?? 0) + 1)
  }
  for (const [suite, count] of suites) console.log(`skipped: ${suite} (${count})`)
  for (const name of results.failed) console.log(`failed: ${name}`)
  console.log(closingLine(results))
}
