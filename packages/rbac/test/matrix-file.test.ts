import { open, type RouteInfo } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import { AccessFileError, formatAccessFile, formatMatrix, type MatrixRow, parseAccessFile, routeMatrix } from '../src/index.ts'
import { ledger } from './ledger.ts'

const row = (more: Partial<MatrixRow> = {}): MatrixRow => ({
  method: 'GET',
  pattern: '/x',
  rule: 'invoice:read',
  roles: { viewer: 'allow' },
  clients: 'deny',
  ...more,
})

describe('access.md', () => {
  it('is read back as the rows that it was written from', () => {
    const rows = [
      row({ pattern: '/a|b`c`<!-- -->', rule: '```\n</details>\u202e\u{1f600}' }),
      row({ stepUp: { acr: ['aal2'], maxAge: 0 }, roles: {} }),
      row({ clients: 'undeclared', rule: '' }),
    ]
    expect(parseAccessFile(formatAccessFile(rows))).toEqual(rows)
    expect(parseAccessFile(formatAccessFile(rows).replaceAll('\n', '\r\n'))).toEqual(rows)
    expect(parseAccessFile(formatAccessFile([]))).toEqual([])
  })

  it('is the same file whatever order routes are listed in, also when a route is listed twice', () => {
    const routes: readonly RouteInfo[] = [
      { method: 'GET', pattern: '/a', policy: ledger.permit('invoice:read') },
      { method: 'GET', pattern: '/a', policy: open('twice') },
      { method: 'GET', pattern: '/b', policy: ledger.permit('audit:read') },
    ]
    const file = formatAccessFile(routeMatrix(ledger, routes))
    expect(formatAccessFile(routeMatrix(ledger, [...routes].reverse()))).toBe(file)
  })

  it('has a line of data for each route, so that a review shows which changed', () => {
    const file = formatAccessFile([row(), row({ method: 'POST' })])
    expect(file.split('\n').filter((line) => line.startsWith('{"method"'))).toHaveLength(2)
  })

  it('holds nothing that ends its block, its section or the direction of its text (Trojan Source, CVE-2021-42574)', () => {
    const file = formatAccessFile([row({ rule: '```</details>\u202egnp.exe\u0007' })])
    expect(file.match(/```/g)).toHaveLength(2)
    expect(file.match(/<\/details>/g)).toHaveLength(1)
    expect(file).not.toContain('\u202e')
    expect(file).not.toContain('\u0007')
    expect(file).toContain('U+202E')
  })

  it.each([
    ['*[x](javascript:alert(1))*', '\\*\\[x\\](javascript:alert(1))\\*'],
    ['a|b\nc', 'a\\|b c'],
    ['<img src=x onerror=y>', '&lt;img src=x onerror=y&gt;'],
    ['&lt;', '&amp;lt;'],
    ['`code` ~~gone~~', '\\`code\\` \\~\\~gone\\~\\~'],
    ['/\\d+/', '/\\\\d+/'],
  ])('a cell of the table holds %j as text', (rule, cell) => {
    expect(formatMatrix([row({ rule })])).toContain(`| ${cell} |`)
  })

  it.each([
    ['nothing', ''],
    ['another format', '```json\n{"format":"other","version":1,"routes":[]}\n```'],
    ['a later version', '{"format":"portcullis-access","version":2,"routes":[]}'],
    ['no list', '{"routes":{}}'],
    ['a cell of no known kind', JSON.stringify([{ ...row(), clients: 'maybe' }])],
    ["a role's cell of no known kind", JSON.stringify([{ ...row(), roles: { viewer: 1 } }])],
    ['a step-up of the wrong type', JSON.stringify([{ ...row(), stepUp: { acr: 'aal2' } }])],
    ['a row that is none', '[null]'],
  ])('%s is refused', (_what, text) => {
    expect(() => parseAccessFile(text)).toThrow(AccessFileError)
    expect(() => parseAccessFile(text)).toThrow(expect.objectContaining({ code: 'rbac.access_file_invalid' }))
  })

  it('rows are read from the answer of an application that publishes its matrix', () => {
    expect(parseAccessFile(JSON.stringify({ routes: [row()] }))).toEqual([row()])
  })
})
