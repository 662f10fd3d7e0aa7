import type { Principal, RouteInfo } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import { adviseRoles, type RoleGrant } from '../src/advisor.ts'
import { compareMatrices, defineAccess, formatAccessFile, formatMatrix, parseAccessFile, routeMatrix } from '../src/index.ts'

const own = { owner: 'createdBy' } as const
const paid = { field: 'status', eq: 'paid' } as const
const base = {
  resources: { invoice: ['read', 'update'] },
  fields: { invoice: { createdBy: 'string', status: 'string' } },
} as const

const access = defineAccess({
  ...base,
  roles: {
    author: { allow: ['invoice:read', { permission: 'invoice:update', when: own }] },
    editor: { allow: ['invoice:*'] },
    support: { crossTenant: true, allow: ['invoice:*'] },
    frozen: { deny: [{ permission: 'invoice:update', when: paid }] },
    odd: { allow: [{ permission: 'invoice:update', when: (_caller: Principal, record: object) => 'x' in record }] },
    guest: { allow: [{ permission: 'invoice:update', until: '2999-01-01T00:00:00Z' }] },
  },
})
const routes = (from: Pick<typeof access, 'permit'>): RouteInfo[] => [
  { method: 'PATCH', pattern: '/i/:id', policy: from.permit('invoice:update') },
]
const rows = routeMatrix(access, routes(access))

describe('a cell says on which records it counts (ASVS 8.2.2)', () => {
  it('in words, where that is not every one of the tenant', () => {
    expect(rows[0]?.reach).toEqual({
      author: 'where createdBy is the caller’s subject',
      support: 'in every tenant',
      odd: expect.stringMatching(/^where .*says so$/),
      guest: 'for a time',
    })
    expect(formatMatrix(rows)).toContain(
      '| allow where createdBy is the caller’s subject | allow | allow in every tenant | deny |',
    )
  })

  it('also of programs acting for themselves, and of rules that need several permissions', () => {
    const both = defineAccess({
      ...base,
      roles: { author: { allow: ['invoice:read', { permission: 'invoice:update', when: own }] } },
      clients: { crossTenant: true, allow: ['invoice:*'] },
    })
    const [row] = routeMatrix(both, [{ method: 'GET', pattern: '/x', policy: both.permit(['invoice:read', 'invoice:update']) }])
    expect(row).toMatchObject({
      reach: { author: 'invoice:update where createdBy is the caller’s subject' },
      clientsReach: 'invoice:read in every tenant; invoice:update in every tenant',
    })
  })

  it('and the file keeps it', () => {
    expect(parseAccessFile(formatAccessFile(rows))).toEqual(rows)
    const forged = JSON.stringify([{ ...rows[0], reach: { author: 1 } }])
    expect(() => parseAccessFile(forged)).toThrow(expect.objectContaining({ code: 'rbac.access_file_invalid' }))
  })
})

describe('a condition that changes', () => {
  const rule = (when: typeof own | typeof paid | undefined, crossTenant = false) =>
    defineAccess({
      ...base,
      roles: {
        author: {
          crossTenant,
          allow: [when === undefined ? 'invoice:update' : { permission: 'invoice:update', when }],
        },
      },
    })
  const change = (before: typeof access, after: typeof access) =>
    compareMatrices(routeMatrix(before, routes(before)), routeMatrix(after, routes(after))).map(
      ({ kind, message }) => `${kind}: ${message}`,
    )
  const every = 'every record of the tenant'
  const mine = 'where createdBy is the caller’s subject'

  it.each([
    ['is gone', rule(own), rule(undefined), `widened: author may PATCH /i/:id on other records: ${mine} before, ${every} now`],
    ['is new', rule(undefined), rule(own), `narrowed: author may PATCH /i/:id on other records: ${every} before, ${mine} now`],
    [
      'is another',
      rule(own),
      rule(paid),
      `widened: author may PATCH /i/:id on other records: ${mine} before, where status is "paid" now`,
    ],
    [
      'lets every tenant in',
      rule(undefined),
      rule(undefined, true),
      `widened: author may PATCH /i/:id on other records: ${every} before, in every tenant now`,
    ],
    ['is the same', rule(own), rule(own), undefined],
  ])('%s', (_what, before, after, said) => {
    expect(change(before as never, after as never)).toEqual(said === undefined ? [] : [said])
  })
})

describe('the advisor knows on which records a role counts', () => {
  const now = 1_800_000_000_000
  const since = 0
  const allow = (subject: string, permission: string): string =>
    JSON.stringify({
      v: 1,
      type: 'decision',
      time: now - 1000,
      about: 'record',
      outcome: 'allowed',
      permissions: [permission],
      subject,
      kind: 'user',
    })
  const offered = async (role: string, used: readonly string[], more: readonly RoleGrant[] = []) => {
    const start = JSON.stringify({ v: 1, type: 'log.start', time: 0 })
    const { callers, replay } = await adviseRoles({
      access,
      clock: { now: () => now },
      grants: [{ subject: 'ada', role, since }, ...more],
      async *log() {
        yield* [start, ...used.map((permission) => allow('ada', permission))]
      },
    })
    return { proposed: callers.find(({ subject }) => subject === 'ada')?.proposed, verdict: replay.verdict }
  }

  it.each(['editor', 'support', 'author'])('%s is offered no role that counts on other records', async (role) => {
    const { proposed, verdict } = await offered(role, ['invoice:update'])
    expect(proposed).toEqual([role])
    expect(verdict).toBe('safe')
  })

  it('a role that denies on some records is never taken away, nor given', async () => {
    const { proposed } = await offered('editor', [], [{ subject: 'ada', role: 'frozen', since }])
    expect(proposed).toEqual(['frozen'])
    expect((await offered('author', ['invoice:read'])).proposed).not.toContain('frozen')
  })
})

it('two functions are not taken for one another, however alike they read', async () => {
  const functions = defineAccess({
    ...base,
    roles: {
      big: { allow: ['invoice:read', { permission: 'invoice:update', when: () => true }] },
      small: { allow: [{ permission: 'invoice:update', when: () => false }] },
    },
  })
  const now = 1_800_000_000_000
  const line = { v: 1, type: 'decision', time: now - 1000, about: 'record', outcome: 'allowed', subject: 'ada', kind: 'user' }
  const { callers } = await adviseRoles({
    access: functions,
    clock: { now: () => now },
    grants: ['ada', 'bob'].map((subject) => ({ subject, role: 'big', since: 0 })),
    async *log() {
      yield JSON.stringify({ ...line, permissions: ['invoice:update'] })
      yield JSON.stringify({ ...line, subject: 'bob', permissions: ['invoice:read'] })
    },
  })
  expect(callers.find(({ subject }) => subject === 'ada')?.proposed).toEqual(['big'])
})

it('a definition whose conditions meet a caller of whom they know nothing can be listed', () => {
  const asked = defineAccess({
    ...base,
    roles: {
      author: {
        allow: [
          {
            permission: 'invoice:update',
            when: (caller: Principal) => caller.amr![0] === 'otp',
          },
        ],
      },
    },
  })
  expect(routeMatrix(asked, routes(asked as never))[0]?.roles).toEqual({ author: 'allow' })
})
