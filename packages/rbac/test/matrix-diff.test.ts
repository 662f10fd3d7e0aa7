import { authenticated, open, type RouteInfo, type RoutePolicy } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import { compareMatrices, defineAccess, routeMatrix } from '../src/index.ts'
import { ledger } from './ledger.ts'

const route = (method: string, pattern: string, policy: RoutePolicy | undefined): RouteInfo => ({ method, pattern, policy })
const { permit } = ledger

/** What changed, as `kind: sentence`. */
function changes(before: readonly RouteInfo[], after: readonly RouteInfo[]): string[] {
  return compareMatrices(routeMatrix(ledger, before), routeMatrix(ledger, after)).map(
    ({ kind, message }) => `${kind}: ${message}`,
  )
}

const refund = '/api/invoices/:id/refund'

describe('what became possible for whom, in words (ASVS 8.2.1)', () => {
  const cases: readonly [what: string, before: readonly RouteInfo[], after: readonly RouteInfo[], said: readonly string[]][] = [
    ['nothing', [route('GET', '/x', permit('invoice:read'))], [route('GET', '/x', permit('invoice:read'))], []],
    [
      'a weaker permission',
      [route('POST', refund, permit('invoice:refund'))],
      [route('POST', refund, permit('invoice:read'))],
      [
        `widened: viewer may now POST ${refund} (invoice:read)`,
        `widened: accountant may now POST ${refund} (invoice:read)`,
        `widened: programs acting for themselves may now POST ${refund} (invoice:read)`,
        `changed: the rule of POST ${refund} was "invoice:refund" and is "invoice:read"`,
      ],
    ],
    [
      'a route that was opened',
      [route('GET', '/x', permit('invoice:read'))],
      [route('GET', '/x', open('a partner asked for it'))],
      [
        'widened: GET /x is now open to everybody: a partner asked for it',
        'changed: the rule of GET /x was "invoice:read" and is "a partner asked for it"',
      ],
    ],
    [
      'a route for every known caller',
      [route('GET', '/x', permit('invoice:read'))],
      [route('GET', '/x', authenticated())],
      ['widened: every known caller may now GET /x', 'changed: the rule of GET /x was "invoice:read" and is "authenticated"'],
    ],
    ['a new route', [], [route('GET', '/audit', permit('audit:read'))], ['widened: owner may now GET /audit (audit:read)']],
    [
      'a route that lost its rule',
      [route('GET', '/x', permit('audit:read'))],
      [route('GET', '/x', undefined)],
      ['widened: GET /x declares no rule: nothing refuses anybody', 'changed: the rule of GET /x was "audit:read" and is ""'],
    ],
    [
      'a route that is gone',
      [route('GET', '/audit', permit('audit:read'))],
      [],
      ['narrowed: owner may no longer GET /audit (audit:read)'],
    ],
    [
      'another reason for being open',
      [route('GET', '/x', open('probe'))],
      [route('GET', '/x', open('status page'))],
      ['changed: the rule of GET /x was "probe" and is "status page"'],
    ],
    [
      'every method instead of one',
      [route('GET', '/audit', permit('audit:read'))],
      [route('*', '/audit', permit('audit:read'))],
      ['widened: owner may now * /audit (audit:read)'],
    ],
    [
      'one method instead of every',
      [route('*', '/audit', permit('audit:read'))],
      [route('GET', '/audit', permit('audit:read'))],
      ['narrowed: owner may no longer * /audit (audit:read)'],
    ],
    [
      'a HEAD of its own with the rule of GET',
      [route('GET', '/x', permit('audit:read'))],
      [route('GET', '/x', permit('audit:read')), route('HEAD', '/x', permit('audit:read'))],
      [],
    ],
    [
      'a HEAD of its own that is open',
      [route('GET', '/x', permit('audit:read'))],
      [route('GET', '/x', permit('audit:read')), route('HEAD', '/x', open('cheap'))],
      ['widened: HEAD /x is now open to everybody: cheap', 'changed: the rule of HEAD /x was "audit:read" and is "cheap"'],
    ],
    [
      'a second declaration of the same route, which is open',
      [route('GET', '/x', permit('audit:read'))],
      [route('GET', '/x', permit('audit:read')), route('GET', '/x', open('oops'))],
      ['widened: GET /x is now open to everybody: oops', 'changed: the rule of GET /x was "audit:read" and is "oops"'],
    ],
    [
      'a step-up that is gone',
      [route('POST', refund, permit('invoice:refund', { stepUp: { acr: ['aal2'], maxAge: 300 } }))],
      [route('POST', refund, permit('invoice:refund'))],
      [`widened: POST ${refund} asks for less proof: aal2 within 300 s before, nothing now`],
    ],
    [
      'a step-up that may be older',
      [route('POST', refund, permit('invoice:refund', { stepUp: { maxAge: 300 } }))],
      [route('POST', refund, permit('invoice:refund', { stepUp: { maxAge: 3000 } }))],
      [`widened: POST ${refund} asks for less proof: within 300 s before, within 3000 s now`],
    ],
    [
      'a step-up that another method satisfies as well, and must be younger',
      [route('POST', refund, permit('invoice:refund', { stepUp: { acr: ['aal2'], maxAge: 300 } }))],
      [route('POST', refund, permit('invoice:refund', { stepUp: { acr: ['aal2', 'aal1'], maxAge: 60 } }))],
      [`widened: POST ${refund} asks for less proof: aal2 within 300 s before, aal2 or aal1 within 60 s now`],
    ],
    [
      'a step-up that is new',
      [route('POST', refund, permit('invoice:refund'))],
      [route('POST', refund, permit('invoice:refund', { stepUp: { maxAge: 300 } }))],
      [`narrowed: POST ${refund} asks for more proof: nothing before, within 300 s now`],
    ],
  ]
  it.each(cases)('%s', (_what, before, after, said) => {
    expect(changes(before, after)).toEqual(said)
  })

  it('a role that is new, or was given more, is named with each route that it reaches', () => {
    const resources = { invoice: ['read', 'refund'] } as const
    const before = defineAccess({ resources, roles: { viewer: { allow: ['invoice:read'] } } })
    const after = defineAccess({ resources, roles: { viewer: { allow: ['invoice:*'] }, clients: { allow: ['invoice:read'] } } })
    const routes = [route('GET', '/i', before.permit('invoice:read')), route('POST', '/r', before.permit('invoice:refund'))]
    const found = compareMatrices(routeMatrix(before, routes), routeMatrix(after, routes))
    // A role may be called as one of our own words.
    expect(found.map(({ who, message }) => [who, message])).toEqual([
      ['clients', 'clients may now GET /i (invoice:read)'],
      ['viewer', 'viewer may now POST /r (invoice:refund)'],
    ])
  })

  it('a definition without roles can be compared', () => {
    const none = defineAccess({ resources: { x: ['read'] }, roles: {} })
    const one = routeMatrix(none, [route('GET', '/x', none.permit('x:read'))])
    const other = routeMatrix(none, [route('GET', '/x', open('all'))])
    expect(compareMatrices(one, other)[0]).toMatchObject({ kind: 'widened', who: 'open' })
  })
})
