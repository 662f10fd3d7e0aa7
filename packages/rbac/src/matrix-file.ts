import { PortcullisError } from '@portcullis/core'
import { formatMatrix, type MatrixCell, type MatrixRow } from './matrix.ts'

/** The code of {@link AccessFileError}. */
export type AccessFileErrorCode = 'rbac.access_file_invalid'

/** A committed `access.md` cannot be read. */
export class AccessFileError extends PortcullisError<AccessFileErrorCode> {}

const FORMAT = 'portcullis-access'
const VERSION = 1
const CELLS: readonly string[] = ['allow', 'deny', 'open', 'authenticated', 'undeclared'] satisfies readonly MatrixCell[]

/**
 * The file `access.md`: the matrix as a table for people, and once more as JSON, a line for each route, from which
 * {@link parseAccessFile} reads it. The same rows give the same bytes.
 */
export function formatAccessFile(rows: readonly MatrixRow[]): string {
  return `# Who may call what

Written by \`portcullis routes\`: do not edit. \`portcullis routes --check\` compares it with the application.
A column is a role held alone; token scopes, tenants and records narrow it further.

${formatMatrix(rows)}
<details><summary>The same as data</summary>

\`\`\`json
{"format":"${FORMAT}","version":${VERSION},"routes":[
${rows.map((row) => dataOf(row)).join(',\n')}
]}
\`\`\`

</details>
`
}

// What could end the block, the section or the file's text direction is spelt as JSON allows.
function dataOf(row: MatrixRow): string {
  return JSON.stringify(row).replaceAll(/[`<>\p{Cf}\u2028\u2029]/gu, (character) =>
    [...Array(character.length).keys()].map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`).join(''),
  )
}

/**
 * Reads what {@link formatAccessFile} wrote, or the JSON alone.
 * @throws AccessFileError `rbac.access_file_invalid`
 */
export function parseAccessFile(text: string): readonly MatrixRow[] {
  const block = /^```json\r?\n([\s\S]*?)^```/m.exec(text)?.[1] ?? text
  let data: unknown
  try {
    data = JSON.parse(block)
  } catch {
    throw invalid('it holds no JSON: write it with `portcullis routes`')
  }
  const list = isObject(data) && 'routes' in data ? checkVersion(data).routes : data
  if (!Array.isArray(list)) throw invalid('it holds no list of routes')
  return list.map((row: unknown, at) => checkRow(row, at))
}

function checkVersion(data: Readonly<Record<string, unknown>>): { readonly routes: unknown } {
  const { format, version, routes } = data
  // The answer of an application that publishes its matrix has neither.
  if (format !== undefined && (format !== FORMAT || version !== VERSION)) {
    throw invalid(`its format is ${JSON.stringify(format)} ${JSON.stringify(version)}, not ${FORMAT} ${VERSION}`)
  }
  return { routes }
}

function checkRow(row: unknown, at: number): MatrixRow {
  const fault = `route ${at + 1} is not as the matrix has it`
  if (!isObject(row)) throw invalid(fault)
  const { method, pattern, rule, roles, clients, stepUp, reach, clientsReach } = row
  const texts = typeof method === 'string' && typeof pattern === 'string' && typeof rule === 'string'
  if (!texts || !isObject(roles) || !isCell(clients)) throw invalid(fault)
  const cells = Object.entries(roles).map(([role, cell]): readonly [string, MatrixCell] => {
    if (!isCell(cell)) throw invalid(fault)
    return [role, cell]
  })
  const proof = stepUp === undefined ? {} : { stepUp: checkStepUp(stepUp, fault) }
  if (clientsReach !== undefined && typeof clientsReach !== 'string') throw invalid(fault)
  return {
    method,
    pattern,
    rule,
    ...proof,
    roles: Object.fromEntries(cells),
    clients,
    ...(reach === undefined ? {} : { reach: checkReach(reach, fault) }),
    ...(clientsReach === undefined ? {} : { clientsReach }),
  }
}

function checkReach(reach: unknown, fault: string): NonNullable<MatrixRow['reach']> {
  if (!isObject(reach)) throw invalid(fault)
  const texts = Object.entries(reach).map(([role, text]): readonly [string, string] => {
    if (typeof text !== 'string') throw invalid(fault)
    return [role, text]
  })
  return Object.fromEntries(texts)
}

function checkStepUp(stepUp: unknown, fault: string): NonNullable<MatrixRow['stepUp']> {
  if (!isObject(stepUp)) throw invalid(fault)
  const { acr, maxAge } = stepUp
  const isList = (value: unknown): value is readonly string[] =>
    Array.isArray(value) && value.every((item) => typeof item === 'string')
  if ((acr !== undefined && !isList(acr)) || (maxAge !== undefined && typeof maxAge !== 'number')) throw invalid(fault)
  return { ...(acr === undefined ? {} : { acr }), ...(maxAge === undefined ? {} : { maxAge }) }
}

function isCell(value: unknown): value is MatrixCell {
  return typeof value === 'string' && CELLS.includes(value)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(why: string): AccessFileError {
  return new AccessFileError('rbac.access_file_invalid', `the access file cannot be read: ${why}`)
}
