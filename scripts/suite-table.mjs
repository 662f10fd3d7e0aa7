// `node scripts/suite-table.mjs`: what each backend is held to, as Markdown, from the reports that `npm test` left behind. Ends with
// status 1 when a cell failed, was skipped, or is missing.
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './run.mjs'

/** The packages whose tests run the suites. */
const PACKAGES = ['core', 'conformance', 'store-sql', 'store-redis']

/**
 * The published suites of stores, by how their `describe` begins. Parts that a backend need not have are declared for it whole or
 * not at all; all other rows are declared for every backend.
 *
 * @type {readonly { title: string, optional(part: string, backend: string): boolean }[]}
 */
const SUITES = [
  { title: 'a store', optional: () => false },
  {
    title: 'a rate-limit store',
    // With a memory in front, what is left is told as it was: its own suite compares what holds there.
    optional: (part, backend) => part === 'a clock set back' || (part === '' && backend.endsWith(', exhausted keys remembered')),
  },
  { title: 'exhausted keys', optional: () => false },
  { title: 'a revocation feed', optional: (part) => part === 'outages' },
  { title: 'an audit log', optional: () => false },
  { title: 'one-time things', optional: () => false },
  { title: 'seats', optional: () => false },
  { title: 'assignments', optional: () => false },
  { title: 'a failing store', optional: () => true },
]

/**
 * @typedef {import('./results.mjs').Report} Report
 * @typedef {'✓' | '✗' | 'skipped' | 'missing' | '–'} Cell
 * @typedef {{ part: string, title: string, cells: Map<string, Cell> }} Row by backend
 * @typedef {{ markdown: string, faults: string[] }} Table `faults`: one line for each cell that is not as it should be
 */

/**
 * @param {Record<string, Report | undefined>} reports by package; `undefined`: it left none
 * @returns {Table}
 */
export function suiteTable(reports) {
  /** @type {string[]} */
  const faults = []
  for (const [name, report] of Object.entries(reports)) faults.push(...unread(name, report))
  const assertions = Object.values(reports).flatMap(
    (report) => report?.testResults.flatMap((file) => file.assertionResults) ?? [],
  )
  const sections = SUITES.map((suite) => {
    const rows = rowsOf(suite.title, assertions)
    const backends = [...new Set(rows.flatMap(({ cells }) => [...cells.keys()]))]
    if (rows.length === 0) faults.push(`${suite.title}: it ran on no backend`)
    complete(suite, rows, backends)
    for (const { part, title, cells } of rows) {
      for (const [backend, cell] of cells) {
        if (cell !== '✓' && cell !== '–')
          faults.push(`${cell}: ${suite.title}: ${backend} › ${part === '' ? '' : `${part} › `}${title}`)
      }
    }
    return section(suite.title, rows, backends)
  })
  return { markdown: sections.join('\n'), faults }
}

/**
 * @param {string} name
 * @param {Report | undefined} report
 */
function unread(name, report) {
  if (report === undefined) return [`${name} left no report`]
  return report.testResults
    .filter(({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0)
    .map((file) => `${name}: ${path.basename(file.name)} could not be run`)
}

/**
 * @param {string} suite
 * @param {readonly import('./results.mjs').Assertion[]} assertions
 */
function rowsOf(suite, assertions) {
  /** @type {Map<string, Row>} */
  const rows = new Map()
  for (const { ancestorTitles, title, status } of assertions) {
    const at = ancestorTitles.findIndex((ancestor) => ancestor.startsWith(`${suite}: `))
    if (at < 0) continue
    const backend = ancestorTitles[at]?.slice(`${suite}: `.length) ?? ''
    const part = ancestorTitles.slice(at + 1).join(' › ')
    // How often the model is asked is the backend's own: it is one behaviour all the same.
    const behaviour = title.replace(/ \(\d+ sequences\)$/, '')
    const key = `${part}\n${behaviour}`
    const row = rows.get(key) ?? { part, title: behaviour, cells: new Map() }
    rows.set(key, row)
    row.cells.set(backend, worse(row.cells.get(backend), cellOf(status)))
  }
  return [...rows.values()]
}

/**
 * @param {string} status
 * @returns {Cell}
 */
function cellOf(status) {
  if (status === 'passed') return '✓'
  return status === 'failed' ? '✗' : 'skipped'
}

/**
 * Two files may run one suite on backends of one name.
 *
 * @param {Cell | undefined} a
 * @param {Cell} b
 * @returns {Cell}
 */
function worse(a, b) {
  if (a === '✗' || b === '✗') return '✗'
  return a === 'skipped' ? a : b
}

/**
 * Fills the cells that no report speaks of.
 *
 * @param {(typeof SUITES)[number]} suite
 * @param {readonly Row[]} rows
 * @param {readonly string[]} backends
 */
function complete(suite, rows, backends) {
  for (const backend of backends) {
    const parts = new Set(rows.filter(({ cells }) => cells.has(backend)).map(({ part }) => part))
    for (const { part, cells } of rows) {
      if (!cells.has(backend)) cells.set(backend, suite.optional(part, backend) && !parts.has(part) ? '–' : 'missing')
    }
  }
}

/**
 * @param {string} suite
 * @param {readonly Row[]} rows
 * @param {readonly string[]} backends
 */
function section(suite, rows, backends) {
  const lines = rows.map(({ part, title, cells }) => [
    ...[part, title].map(escaped),
    ...backends.map((backend) => cells.get(backend) ?? 'missing'),
  ])
  const table = [['', '', ...backends.map(escaped)], ['', '', ...backends].map(() => '---'), ...lines]
  return [`## ${suite}`, '', ...table.map((cells) => `| ${cells.join(' | ')} |`), ''].join('\n')
}

/** @param {string} text */
function escaped(text) {
  return text.replaceAll('\\', '\\\\').replaceAll('|', '\\|').replaceAll('<', '&lt;')
}

/**
 * @param {string} file
 * @returns {Report | undefined}
 */
const read = (file) => (fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : undefined)

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const reports = PACKAGES.map((name) => [name, read(path.join(root, 'packages', name, '.vitest/results.json'))])
  const { markdown, faults } = suiteTable(Object.fromEntries(reports))
  console.log(markdown)
  for (const fault of faults) console.error(fault)
  process.exitCode = faults.length === 0 ? 0 : 1
}
