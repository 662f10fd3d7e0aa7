import { authenticated, open, type RouteInfo } from '@portcullis/core'
import { expect, test } from 'vitest'
import { defineAccess, formatMatrix, routeMatrix } from '../src/index.ts'
import { ledger } from './ledger.ts'

const routes: readonly RouteInfo[] = [
  {
    method: 'POST',
    pattern: '/api/invoices/:id/refund',
    policy: ledger.permit('invoice:refund', { stepUp: { acr: ['aal2'], maxAge: 300 } }),
  },
  { method: 'GET', pattern: '/healthz', policy: open('load | balancer\nprobe') },
  { method: 'POST', pattern: '/api/invoices', policy: ledger.permit('invoice:create') },
  { method: 'GET', pattern: '/api/invoices', policy: ledger.permit('invoice:read') },
  { method: 'GET', pattern: '/api/me', policy: authenticated() },
  { method: 'GET', pattern: '/api/report', policy: ledger.permit(['invoice:read', 'audit:read']) },
  { method: '*', pattern: '/^\\/legacy|<x>$/', policy: undefined },
  { method: 'GET', pattern: '/late', policy: ledger.permit('invoice:read'), flaw: 'a handler stands before the guard' },
]

test('routes × roles, sorted, as JSON', () => {
  const rows = routeMatrix(ledger, routes)
  expect(rows.map((row) => `${row.method} ${row.pattern}`)).toEqual([
    '* /^\\/legacy|<x>$/',
    'GET /api/invoices',
    'POST /api/invoices',
    'POST /api/invoices/:id/refund',
    'GET /api/me',
    'GET /api/report',
    'GET /healthz',
    'GET /late',
  ])
  expect(JSON.parse(JSON.stringify(rows[3]))).toEqual({
    method: 'POST',
    pattern: '/api/invoices/:id/refund',
    rule: 'invoice:refund',
    stepUp: { acr: ['aal2'], maxAge: 300 },
    roles: { viewer: 'deny', accountant: 'deny', owner: 'allow', suspended: 'deny' },
    clients: 'deny',
  })
  expect(rows[4]).not.toHaveProperty('stepUp')
})

test('the order in which routes are listed changes nothing', () => {
  expect(routeMatrix(ledger, [...routes].reverse())).toEqual(routeMatrix(ledger, routes))
})

test('as Markdown, in which no pattern and no reason can break out of its cell', () => {
  expect(formatMatrix(routeMatrix(ledger, routes))).toBe(`\
| method | route | rule | step-up | viewer | accountant | owner | suspended | clients |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| \\* | /^\\\\/legacy\\|&lt;x&gt;$/ |  |  | undeclared | undeclared | undeclared | undeclared | undeclared |
| GET | /api/invoices | invoice:read |  | allow | allow | allow | deny | allow |
| POST | /api/invoices | invoice:create |  | deny | allow | allow | deny | deny |
| POST | /api/invoices/:id/refund | invoice:refund | aal2, within 300 s | deny | deny | allow | deny | deny |
| GET | /api/me | authenticated |  | authenticated | authenticated | authenticated | authenticated | authenticated |
| GET | /api/report | invoice:read, audit:read |  | deny | deny | allow | deny | deny |
| GET | /healthz | load \\| balancer probe |  | open | open | open | open | open |
| GET | /late |  |  | undeclared | undeclared | undeclared | undeclared | undeclared |
`)
})

test('a route whose permission this definition does not know is refused by name', () => {
  const other = defineAccess({ resources: { weather: ['read'] }, roles: {} })
  const route = { method: 'GET', pattern: '/weather', policy: other.permit('weather:read') }
  expect(() => routeMatrix(ledger, [route])).toThrow(expect.objectContaining({ names: ['weather:read'] }))
})

test('a policy of somebody else that asks for no permission is not taken to let anybody through', () => {
  const policy = { kind: 'permission', label: 'my own', permissions: [], guard: () => ({ type: 'continue' as const }) } as const
  const [row] = routeMatrix(ledger, [{ method: 'GET', pattern: '/own', policy }])
  expect(row).toMatchObject({ roles: { viewer: 'deny', owner: 'deny' }, clients: 'deny' })
})
