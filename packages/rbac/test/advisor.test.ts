import { describe, expect, it } from 'vitest'
import { type AdviseOptions, adviseRoles, type DecisionLine, type RoleGrant, replayDecisions } from '../src/advisor.ts'
import { defineAccess } from '../src/index.ts'

const DAY = 86_400_000
const now = 1_800_000_000_000
const clock = { now: (): number => now }

const access = defineAccess({
  resources: { invoice: ['read', 'create', 'refund'], audit: ['read'] },
  roles: {
    viewer: { allow: ['invoice:read'] },
    clerk: { inherits: ['viewer'], allow: ['invoice:create'] },
    owner: { inherits: ['clerk'], allow: ['invoice:refund', 'audit:read'] },
    auditor: { allow: ['audit:read'] },
    intern: { allow: ['invoice:read'] },
    frozen: { deny: ['invoice:refund'] },
  },
  clients: { allow: ['invoice:read', 'invoice:create'] },
})

const grant = (subject: string, role: string, days: number | undefined = 400, tenant = 'acme'): RoleGrant => ({
  subject,
  tenant,
  role,
  ...(days === undefined ? {} : { since: now - days * DAY }),
})

function allow(subject: string, permission: string, days: number, more: Partial<DecisionLine> = {}): string {
  const line: DecisionLine = {
    v: 1,
    type: 'decision',
    time: now - days * DAY,
    about: 'route',
    outcome: 'allowed',
    permissions: [permission],
    subject,
    kind: 'user',
    tenant: 'acme',
    ...more,
  }
  return JSON.stringify(line)
}

/** The log's first line, before every window of these tests. */
const start = JSON.stringify({ v: 1, type: 'log.start', time: now - 500 * DAY })

const log = (lines: readonly string[]): AdviseOptions['log'] =>
  async function* () {
    yield* lines
  }

function advise(lines: readonly string[], grants: readonly RoleGrant[], more: Partial<AdviseOptions> = {}) {
  return adviseRoles({ access, grants, clock, log: log([start, ...lines]), ...more })
}

describe('a role', () => {
  it('loses what nobody who holds it used in 90 days, and the replay says that nothing is missed', async () => {
    const { roles, proposal, replay } = await advise(
      [allow('ada', 'invoice:read', 1), allow('ada', 'invoice:refund', 89)],
      [grant('ada', 'owner')],
    )
    expect(roles.find(({ role }) => role === 'owner')).toEqual({
      role: 'owner',
      standing: 'reduced',
      permissions: ['invoice:read', 'invoice:create', 'invoice:refund', 'audit:read'],
      unused: ['invoice:create', 'audit:read'],
      recent: [],
      holders: { judged: 1, young: 0, undated: 0 },
    })
    expect(proposal).toEqual({ roles: { owner: ['invoice:read', 'invoice:refund'] }, assignments: [] })
    expect(replay).toMatchObject({
      verdict: 'safe',
      checked: 2,
      broken: 0,
      because: ['none of 2 logged allows would become a denial'],
    })
  })

  it('keeps what one of its holders used, through this role or another', async () => {
    const { roles } = await advise(
      [allow('ada', 'invoice:read', 1), allow('bob', 'invoice:create', 1)],
      [grant('ada', 'clerk'), grant('bob', 'clerk'), grant('bob', 'owner')],
    )
    expect(roles.find(({ role }) => role === 'clerk')).toMatchObject({ standing: 'kept', unused: [] })
  })

  it('is not judged when everybody has held it for less than the window', async () => {
    const { roles, proposal } = await advise([], [grant('ada', 'owner', 89)])
    expect(roles.find(({ role }) => role === 'owner')).toMatchObject({ standing: 'young', holders: { judged: 0, young: 1 } })
    expect(proposal).toEqual({ roles: {}, assignments: [] })
  })

  it('keeps what those used who are new to it', async () => {
    const { roles } = await advise([allow('new', 'audit:read', 1)], [grant('ada', 'owner'), grant('new', 'owner', 3)])
    expect(roles.find(({ role }) => role === 'owner')?.unused).not.toContain('audit:read')
  })

  it('keeps a permission that it has had for less than the window', async () => {
    const { roles } = await advise([allow('ada', 'invoice:read', 1)], [grant('ada', 'clerk')], {
      since: (_role, permission) => (permission === 'invoice:create' ? now - DAY : undefined),
    })
    expect(roles.find(({ role }) => role === 'clerk')).toMatchObject({ standing: 'kept', unused: [], recent: ['invoice:create'] })
  })

  it('that denies is left as it is; one that nobody holds is named', async () => {
    const { roles } = await advise([], [grant('ada', 'frozen')])
    expect(roles.map(({ role, standing }) => [role, standing])).toEqual([
      ['viewer', 'unheld'],
      ['clerk', 'unheld'],
      ['owner', 'unheld'],
      ['auditor', 'unheld'],
      ['intern', 'unheld'],
      ['frozen', 'denying'],
    ])
  })

  it('counts grants of unknown age as old, and says how many there are', async () => {
    const { roles } = await advise([], [{ subject: 'ada', tenant: 'acme', role: 'clerk' }])
    expect(roles.find(({ role }) => role === 'clerk')).toMatchObject({
      standing: 'reduced',
      holders: { judged: 1, young: 0, undated: 1 },
    })
  })

  it('that another one makes needless is named, equal ones once', async () => {
    const { subsets } = await advise([allow('ada', 'invoice:create', 1)], [grant('ada', 'viewer'), grant('ada', 'clerk')])
    expect(subsets).toContainEqual({ role: 'viewer', of: 'clerk', equal: false, proposed: false, heldTogether: 1 })
    expect(subsets).toContainEqual({ role: 'viewer', of: 'intern', equal: true, proposed: false, heldTogether: 0 })
    expect(subsets.filter(({ role, of }) => role === 'intern' && of === 'viewer')).toEqual([])
  })

  it('what programs never used of what they may hold is named', async () => {
    const { clients } = await advise([allow('c1', 'invoice:read', 1, { kind: 'client' })], [])
    expect(clients).toEqual({ permissions: ['invoice:read', 'invoice:create'], unused: ['invoice:create'] })
  })
})

describe('a caller', () => {
  it('who has more than he used is offered roles that do, and the replay covers them', async () => {
    const { callers, proposal, replay } = await advise(
      [
        allow('ada', 'invoice:read', 2),
        ...['read', 'create', 'refund'].map((action) => allow('bob', `invoice:${action}`, 1)),
        allow('bob', 'audit:read', 1),
      ],
      [grant('ada', 'owner'), grant('bob', 'owner')],
    )
    expect(callers).toEqual([
      {
        subject: 'ada',
        tenant: 'acme',
        roles: ['owner'],
        used: ['invoice:read'],
        unused: ['invoice:create', 'invoice:refund', 'audit:read'],
        proposed: ['viewer'],
      },
    ])
    expect(proposal).toEqual({ roles: {}, assignments: [{ subject: 'ada', tenant: 'acme', roles: ['viewer'] }] })
    expect(replay.verdict).toBe('safe')
  })

  it('who used nothing needs no role, and keeps one that denies', async () => {
    const { proposal } = await advise(
      [allow('bob', 'invoice:refund', 1)],
      [grant('ada', 'owner'), grant('ada', 'frozen'), grant('bob', 'owner')],
    )
    expect(proposal.assignments).toEqual([{ subject: 'ada', tenant: 'acme', roles: ['frozen'] }])
  })

  it('is one in his tenant: what he used in another says nothing of this one', async () => {
    const { callers } = await advise(
      [allow('ada', 'invoice:create', 1, { tenant: 'globex' }), allow('ada', 'invoice:read', 1)],
      [grant('ada', 'clerk', 400, 'acme'), grant('ada', 'clerk', 400, 'globex')],
    )
    expect(callers.map(({ tenant, used }) => [tenant, used])).toEqual([
      ['acme', ['invoice:read']],
      ['globex', ['invoice:create']],
    ])
  })

  it('whose grant is for every tenant is judged by what he did in all of them', async () => {
    const { callers, replay } = await advise(
      [allow('ada', 'invoice:create', 1, { tenant: 'globex' }), allow('ada', 'invoice:read', 1)],
      [{ subject: 'ada', role: 'clerk', since: 0 }],
    )
    expect(callers).toEqual([])
    expect(replay).toMatchObject({ verdict: 'safe', unknown: 0 })
  })

  it('who is new is not judged', async () => {
    const { callers } = await advise([], [grant('ada', 'viewer', 400), grant('ada', 'owner', 1)])
    expect(callers).toEqual([])
  })

  it('is never offered a role that reaches further, or other records, than those he holds', async () => {
    const own = defineAccess({
      resources: { invoice: ['read', 'update', 'void'] },
      roles: {
        // Only his own, by what `reachOf` says.
        author: { allow: ['invoice:read', 'invoice:update', 'invoice:void'] },
        editor: { allow: ['invoice:read', 'invoice:update'] },
        assistant: { allow: ['invoice:read', 'invoice:update'] },
      },
    })
    const reachOf = (role: string) => (role === 'author' ? 'own' : role === 'assistant' ? 'team' : undefined)
    const lines = [allow('ada', 'invoice:update', 1), allow('bob', 'invoice:void', 1), allow('bob', 'invoice:read', 1)]
    const { callers } = await advise(lines, [grant('ada', 'author'), grant('bob', 'author')], { access: own, reachOf })
    expect(callers.find(({ subject }) => subject === 'ada')?.proposed).toEqual(['author'])
    const everyone = await advise(lines, [grant('ada', 'author'), grant('bob', 'author')], { access: own })
    expect(everyone.callers.find(({ subject }) => subject === 'ada')?.proposed).toEqual(['editor'])
  })
})

it('a role is not offered for one permission when another of it reaches further than before', async () => {
  const wide = defineAccess({
    resources: { invoice: ['read', 'update', 'void'] },
    roles: { broad: { allow: ['invoice:*'] }, wide: { allow: ['invoice:read', 'invoice:update'] } },
  })
  const reachOf = (role: string, permission: string) =>
    role === 'wide' && permission === 'invoice:update' ? 'everywhere' : undefined
  const lines = [
    allow('ada', 'invoice:read', 1),
    ...['read', 'update', 'void'].map((action) => allow('bob', `invoice:${action}`, 1)),
  ]
  const held = [grant('ada', 'broad'), grant('bob', 'broad')]
  const offer = async (more: Partial<AdviseOptions>) =>
    (await advise(lines, held, { access: wide, ...more })).callers.find(({ subject }) => subject === 'ada')?.proposed
  expect(await offer({})).toEqual(['wide'])
  expect(await offer({ reachOf })).toEqual(['broad'])
})

describe('the replay', () => {
  const grants = [grant('ada', 'owner')]
  const proposal = { roles: { owner: ['invoice:read'] }, assignments: [] }
  const replay = (
    lines: readonly string[],
    more: Partial<AdviseOptions> = {},
    what = proposal as Parameters<typeof replayDecisions>[0]['proposal'],
  ) => replayDecisions({ access, grants, clock, log: log([start, ...lines]), proposal: what, ...more })

  it('finds what a proposal would break, and names the lines', async () => {
    const found = await replay([allow('ada', 'invoice:read', 3), allow('ada', 'invoice:refund', 2)])
    expect(found).toMatchObject({ verdict: 'unsafe', broken: 1, because: ['1 allowed decision of the window would be denied'] })
    expect(found.examples).toEqual([
      { line: 3, time: now - 2 * DAY, subject: 'ada', tenant: 'acme', permission: 'invoice:refund' },
    ])
  })

  it('looks at the roles that a caller would hold', async () => {
    const lines = [allow('ada', 'invoice:refund', 2)]
    const assignments = [{ subject: 'ada', tenant: 'acme', roles: ['viewer'] }]
    expect(await replay(lines, {}, { roles: {}, assignments })).toMatchObject({ verdict: 'unsafe', broken: 1 })
    const elsewhere = [{ subject: 'ada', tenant: 'globex', roles: ['viewer'] }]
    expect(await replay(lines, {}, { roles: {}, assignments: elsewhere })).toMatchObject({ verdict: 'safe' })
  })

  it('goes by the roles that a line has, before those of today', async () => {
    const then = allow('ada', 'invoice:create', 2, { roles: ['clerk'] })
    expect(await replay([then])).toMatchObject({ verdict: 'safe', checked: 1 })
    const both = allow('ada', 'audit:read', 2, { roles: ['auditor', 'owner'] })
    expect(await replay([both])).toMatchObject({ verdict: 'safe' })
  })

  it('a role of another reach does not stand in', async () => {
    const reachOf = (role: string) => (role === 'auditor' ? 'own' : undefined)
    const lines = [allow('ada', 'audit:read', 2)]
    const assignments = [{ subject: 'ada', tenant: 'acme', roles: ['auditor'] }]
    expect(await replay(lines, {}, { roles: {}, assignments })).toMatchObject({ verdict: 'safe' })
    expect(await replay(lines, { reachOf }, { roles: {}, assignments })).toMatchObject({ verdict: 'unsafe' })
  })

  it('what the rules of today deny already is told apart', async () => {
    expect(await replay([allow('ada', 'weather:read', 2)])).toMatchObject({ verdict: 'safe', outdated: 1, broken: 0 })
  })

  const doubts: readonly (readonly [what: string, lines: readonly string[], more: Partial<AdviseOptions>, because: string])[] = [
    [
      'the log is younger than the window',
      [],
      { log: log([allow('ada', 'invoice:read', 9)]) },
      'the log covers 9.0 days of a window of 90.0',
    ],
    ['the log is empty', [], { log: log([]) }, 'the log covers nothing of a window of 90.0'],
    [
      'the log is a sample without the first of each kind',
      [allow('ada', 'invoice:read', 1, { sampling: { rate: 0.1, first: false } })],
      {},
      'the log holds 0.1 of what was allowed: what somebody used less than 29 times may be missing from it (0.05)',
    ],
    [
      'the log left lines out',
      [JSON.stringify({ v: 1, type: 'log.dropped', time: now, allows: 2, denials: 0 })],
      {},
      'the log left out 2 allowed decisions: its writer was too slow',
    ],
    ['a line cannot be read', ['{"v":1,"ty'], {}, '1 line could not be read, the first in line 2'],
    [
      'nobody tells the roles of a caller',
      [allow('eve', 'invoice:read', 1)],
      {},
      '1 allow of callers whose roles nobody tells could not be replayed',
    ],
    [
      'something is done once a year',
      [allow('ada', 'invoice:refund', 300)],
      {},
      '1 allow from before the window would be denied',
    ],
  ]
  it.each(doubts)('claims nothing when %s', async (_what, lines, more, because) => {
    const found = await replay(lines, more)
    expect(found.verdict).toBe('unproven')
    expect(found.because).toEqual([because])
  })

  it('claims what a sample shows that has the first of each kind', async () => {
    const sampling = { rate: 0, first: true }
    expect(await replay([allow('ada', 'invoice:read', 1, { sampling })])).toMatchObject({ verdict: 'safe' })
  })

  it('denials that were left out are no reason to doubt what is allowed', async () => {
    const dropped = JSON.stringify({ v: 1, type: 'log.dropped', time: now, allows: 0, denials: 9 })
    expect(await replay([dropped])).toMatchObject({ verdict: 'safe' })
  })
})

it('a proposal follows roles that the log alone tells', async () => {
  const { proposal, replay } = await advise([allow('ada', 'invoice:read', 1, { roles: ['clerk'] })], [])
  expect(proposal.roles).toEqual({ clerk: ['invoice:read'] })
  expect(replay).toMatchObject({ verdict: 'safe', unknown: 0 })
})

it('refusals count as no use', async () => {
  const { roles } = await advise([allow('ada', 'invoice:create', 1, { outcome: 'refused' })], [grant('ada', 'clerk')])
  expect(roles.find(({ role }) => role === 'clerk')?.unused).toContain('invoice:create')
})

it.each([
  ['a window of nothing', { window: 0 }],
  ['a grant without a role', { grants: [{ subject: 'ada' } as RoleGrant] }],
  ['a grant whose date is no number', { grants: [{ subject: 'ada', role: 'owner', since: '2026' as never }] }],
])('%s is refused', async (_what, more) => {
  await expect(advise([], [], more)).rejects.toMatchObject({ code: 'rbac.advice_invalid' })
})
