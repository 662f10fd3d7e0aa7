import { createMemoryStore } from '@portcullis/core'
import { AssignmentError, type AssignmentsOptions, createAssignments } from '@portcullis/rbac/assignments'
import { describe, expect, it } from 'vitest'
import {
  access,
  ada,
  afterReads,
  all,
  type FirmRole,
  grace,
  heardBy,
  hierarchy,
  listen,
  openDesk,
  rolesIn,
  root,
  tenant,
} from './assignments-desk.ts'

const hour = 3_600_000

describe('what somebody holds', () => {
  it('is held in the tenant that it was assigned in, and in no other one (ASVS 8.4.1)', async () => {
    const { assignments } = openDesk()
    await assignments.assign({ tenant, holder: grace, roles: ['accountant'], by: ada })
    expect((await assignments.rolesOf(grace, tenant)).roles).toEqual(['accountant'])
    expect((await assignments.rolesOf(grace, 'globex')).roles).toEqual([])
    expect((await assignments.rolesOf(ada, tenant)).roles).toEqual([])
  })

  it('is held by a person, a program or a group apart, whatever they are called', async () => {
    const { assignments } = openDesk()
    const holders = (['user', 'client', 'group'] as const).map((kind) => ({ kind, subject: 'x' }))
    await assignments.assign({ tenant, holder: holders[1]!, roles: ['clerk'], by: ada })
    const held = await Promise.all(holders.map(async (holder) => (await assignments.rolesOf(holder, tenant)).roles))
    expect(held).toEqual([[], ['clerk'], []])
  })

  it('does not meet in one key where tenant and subject run together', async () => {
    const { assignments } = openDesk({ mayCross: () => true })
    const person = (subject: string) => ({ kind: 'user', subject }) as const
    await assignments.assign({ tenant: 'a', holder: person('b user c'), roles: ['admin'], by: ada })
    await assignments.assign({ tenant: 'a', holder: person('b","user","c'), roles: ['admin'], by: ada })
    for (const where of ['a user b', 'a","user","b']) {
      expect((await assignments.rolesOf(person('c'), where)).roles).toEqual([])
    }
  })

  it('ends by the clock and not by a sweep, one role at a time', async () => {
    const { assignments, clock } = openDesk()
    const end = clock.now() + hour
    await assignments.assign({ tenant, holder: grace, roles: ['viewer'], by: ada })
    await assignments.assign({ tenant, holder: grace, roles: ['admin'], by: ada, expiresAt: end })
    expect(await assignments.rolesOf(grace, tenant)).toEqual({ roles: ['viewer', 'admin'], until: end, unknown: [] })
    clock.advance(hour - 1)
    expect((await assignments.rolesOf(grace, tenant)).roles).toEqual(['viewer', 'admin'])
    clock.advance(1)
    expect(await assignments.rolesOf(grace, tenant)).toEqual({ roles: ['viewer'], until: undefined, unknown: [] })
  })

  it('ends by this process’s clock also where the store’s own is behind', async () => {
    const { clock } = openDesk()
    const behind = createMemoryStore({ clock: { now: () => clock.now() - 10 * hour } })
    const assignments = createAssignments({ store: behind, access, hierarchy, clock, mayAssign: () => true })
    await assignments.assign({ tenant, holder: grace, roles: ['admin'], by: ada, expiresAt: clock.now() + hour })
    clock.advance(hour)
    expect((await assignments.rolesOf(grace, tenant)).roles).toEqual([])
    expect(await rolesIn(assignments.list({ tenant }))).toEqual([])
  })

  it('is what every process sees at once (ASVS 8.3.2)', async () => {
    const { assignments, again } = openDesk()
    const other = again()
    expect((await other.rolesOf(grace, tenant)).roles).toEqual([])
    await assignments.assign({ tenant, holder: grace, roles: ['admin'], by: ada })
    expect((await other.rolesOf(grace, tenant)).roles).toEqual(['admin'])
    await assignments.revoke({ tenant, holder: grace, role: 'admin', by: ada })
    expect((await other.rolesOf(grace, tenant)).roles).toEqual([])
  })

  it('counts no role that the definition has lost, and names it', async () => {
    const { assignments, again } = openDesk()
    await assignments.assign({ tenant, holder: grace, roles: ['admin', 'viewer'], by: ada })
    const smaller = again({ access: { roles: ['viewer'] }, hierarchy: {} })
    expect(await smaller.rolesOf(grace, tenant)).toMatchObject({ roles: ['viewer'], unknown: ['admin'] })
    expect(heardBy(await smaller.revoke({ tenant, holder: grace, role: 'admin', by: ada }))).toBe('ok')
    expect((await smaller.rolesOf(grace, tenant)).unknown).toEqual([])
  })

  it('comes by groups, too, and is gone when the group loses it or he leaves the group', async () => {
    let groups = ['bookkeeping', 'canteen']
    const { assignments } = openDesk({ groupsOf: ({ subject }) => (subject === 'grace' ? groups : []) })
    const bookkeeping = { kind: 'group', subject: 'bookkeeping' } as const
    await assignments.assign({ tenant, holder: bookkeeping, roles: ['accountant'], by: ada })
    expect((await assignments.rolesOf(grace, tenant)).roles).toEqual(['accountant'])
    expect((await assignments.rolesOf(ada, tenant)).roles).toEqual([])
    groups = ['canteen']
    expect((await assignments.rolesOf(grace, tenant)).roles).toEqual([])
    groups = ['bookkeeping']
    await assignments.revoke({ tenant, holder: bookkeeping, role: 'accountant', by: ada })
    expect((await assignments.rolesOf(grace, tenant)).roles).toEqual([])
  })

  it('is not answered where the groups can’t be had: a role that denies might come by one', async () => {
    const broken = openDesk({ groupsOf: () => Promise.reject(new TypeError('the directory is down')) })
    await expect(broken.assignments.rolesOf(grace, tenant)).rejects.toThrow('the directory is down')
    const many = openDesk({ groupsOf: () => Array.from({ length: 101 }, (_, n) => `g${n}`) })
    await expect(many.assignments.rolesOf(grace, tenant)).rejects.toMatchObject({ code: 'rbac.groups_too_many' })
  })

  it('takes the place of the roles that a token names', async () => {
    const { assignments } = openDesk()
    await assignments.assign({ tenant, holder: grace, roles: ['viewer'], by: ada })
    const old = { ...grace, roles: ['admin'], scopes: ['invoice:read'] }
    expect(await assignments.principal(old)).toEqual({ ...grace, roles: ['viewer'], scopes: ['invoice:read'] })
    const { tenant: _, ...nowhere } = old
    expect((await assignments.principal(nowhere)).roles).toEqual([])
  })
})

describe('who may assign', () => {
  it('does not assign to himself, nor to a group that he is in', async () => {
    const { assignments } = openDesk({ groupsOf: ({ subject }) => (subject === 'ada' ? ['staff'] : []) })
    const staff = { kind: 'group', subject: 'staff' } as const
    for (const holder of [ada, staff]) {
      expect(heardBy(await assignments.assign({ tenant, holder, roles: ['admin'], by: ada }))).toBe('rbac.own_role')
      await assignments.assign({ tenant, holder, roles: ['suspended'], by: root })
      expect(heardBy(await assignments.revoke({ tenant, holder, role: 'suspended', by: ada }))).toBe('rbac.own_role')
      expect(heardBy(await assignments.revokeAll({ tenant, holder, by: ada }))).toBe('rbac.own_role')
      expect((await assignments.rolesOf(holder, tenant)).roles).toEqual(['suspended'])
    }
    expect(heardBy(await assignments.assign({ tenant, holder: staff, roles: ['admin'], by: grace }))).toBe('ok')
  })

  it('is of the tenant: one that a request’s body names is refused (Flowise CVE-2026-30823, CVE-2026-41277)', async () => {
    const { assignments } = openDesk()
    const change = { tenant: 'globex', holder: grace, by: ada } as const
    expect(heardBy(await assignments.assign({ ...change, roles: ['admin'] }))).toBe('rbac.actor_of_another_tenant')
    expect(heardBy(await assignments.revoke({ ...change, role: 'admin' }))).toBe('rbac.actor_of_another_tenant')
    expect(heardBy(await assignments.revokeAll(change))).toBe('rbac.actor_of_another_tenant')
    const asked = { ...change, holder: ada, role: 'admin', reason: 'x', duration: 60 } as const
    expect(heardBy(await assignments.request(asked))).toBe('rbac.actor_of_another_tenant')
    const { tenant: _, ...nowhere } = ada
    const lost = await assignments.assign({ tenant, holder: grace, roles: ['admin'], by: nowhere })
    expect(heardBy(lost)).toBe('rbac.actor_of_another_tenant')
  })

  it('may cross tenants only where that was said of him', async () => {
    const { assignments } = openDesk({ mayCross: ({ subject }) => subject === 'ada' })
    const change = { tenant: 'globex', holder: { kind: 'user', subject: 'hal' }, roles: ['admin'] } as const
    expect(heardBy(await assignments.assign({ ...change, by: ada }))).toBe('ok')
    expect(heardBy(await assignments.assign({ ...change, by: grace }))).toBe('rbac.actor_of_another_tenant')
  })

  it('is asked of mayAssign, role by role, which sees what the actor holds now', async () => {
    const { assignments, again } = openDesk()
    const own = again({ mayAssign: async ({ role, held }) => (await held()).has(role) })
    const holder = { kind: 'client', subject: 'importer' } as const
    await assignments.assign({ tenant, holder: ada, roles: ['clerk'], by: root })
    expect(heardBy(await own.assign({ tenant, holder, roles: ['viewer'], by: ada }))).toBe('ok')
    expect(heardBy(await own.assign({ tenant, holder, roles: ['viewer', 'admin'], by: ada }))).toBe('rbac.assigning_not_allowed')
    expect((await own.rolesOf(holder, tenant)).roles).toEqual(['viewer'])
    expect(heardBy(await own.assign({ tenant, holder, roles: ['viewer'], by: root }))).toBe('rbac.assigning_not_allowed')
  })

  it.each([undefined, 1, 'yes', { allowed: false }, { allowed: true }, false])(
    'is not somebody of whom mayAssign answers %j: a decision is always truthy',
    async (answer) => {
      const { assignments } = openDesk({ mayAssign: () => answer as boolean })
      const change = { tenant, holder: grace, by: ada } as const
      expect(heardBy(await assignments.assign({ ...change, roles: ['admin'] }))).toBe('rbac.assigning_not_allowed')
      expect(heardBy(await assignments.revoke({ ...change, role: 'admin' }))).toBe('rbac.assigning_not_allowed')
    },
  )
})

describe('a change', () => {
  it('refuses unknown roles, each by name, and changes nothing', async () => {
    const { assignments } = openDesk()
    const roles = ['viewer', 'acountant', '__proto__', 'Admin'] as unknown as [FirmRole]
    const refused = assignments.assign({ tenant, holder: grace, roles, by: ada })
    await expect(refused).rejects.toThrow(AssignmentError)
    await expect(refused).rejects.toMatchObject({
      code: 'rbac.role_unknown',
      status: 400,
      names: ['acountant', '__proto__', 'Admin'],
      message: 'the access definition has no role "acountant", "__proto__", "Admin"',
    })
    expect((await assignments.rolesOf(grace, tenant)).roles).toEqual([])
  })

  it('gives what is held already its new end, reason and actor, and keeps its id', async () => {
    const { assignments, clock } = openDesk()
    const first = await assignments.assign({ tenant, holder: grace, roles: ['admin'], by: ada, reason: 'new here' })
    clock.advance(1000)
    const end = clock.now() + hour
    const second = await assignments.assign({ tenant, holder: grace, roles: ['admin'], by: root, expiresAt: end })
    if (!first.ok || !second.ok) throw new TypeError('refused')
    expect(second.assignments).toEqual([
      { ...first.assignments[0]!, at: clock.now(), by: root, reason: undefined, expiresAt: end },
    ])
    expect(await all(assignments.list({ tenant }))).toMatchObject([{ assignments: second.assignments }])
  })

  it('takes a role away, and says so when it was not held', async () => {
    const { assignments } = openDesk()
    await assignments.assign({ tenant, holder: grace, roles: ['admin', 'viewer'], by: ada })
    expect(await assignments.revoke({ tenant, holder: grace, role: 'admin', by: ada })).toEqual({ ok: true, roles: ['admin'] })
    expect(heardBy(await assignments.revoke({ tenant, holder: grace, role: 'admin', by: ada }))).toBe('rbac.role_not_held')
    expect((await assignments.rolesOf(grace, tenant)).roles).toEqual(['viewer'])
  })

  it('takes everything of somebody who leaves, requests included, or nothing', async () => {
    const { assignments, again } = openDesk()
    await assignments.assign({ tenant, holder: grace, roles: ['admin', 'viewer'], by: ada })
    await assignments.request({ tenant, holder: grace, role: 'clerk', by: grace, reason: 'x', duration: 60 })
    const narrow = again({ mayAssign: ({ role }) => role === 'viewer' })
    expect(heardBy(await narrow.revokeAll({ tenant, holder: grace, by: ada }))).toBe('rbac.assigning_not_allowed')
    expect((await assignments.rolesOf(grace, tenant)).roles).toEqual(['viewer', 'admin'])
    const gone = await assignments.revokeAll({ tenant, holder: grace, by: ada })
    expect(gone.ok && [...gone.roles].sort()).toEqual(['admin', 'viewer'])
    expect(await rolesIn(assignments.list({ holder: grace }))).toEqual([])
    expect(await assignments.revokeAll({ tenant, holder: grace, by: ada })).toEqual({ ok: true, roles: [] })
    expect(heardBy(await assignments.assign({ tenant, holder: grace, roles: ['viewer'], by: ada }))).toBe('ok')
  })

  it('is an event with who, whom, what and why; a refusal, too', async () => {
    const { assignments, clock } = openDesk()
    const heard = listen()
    const expiresAt = clock.now() + hour
    await assignments.assign({ tenant, holder: grace, roles: ['admin'], by: ada, reason: 'cover', expiresAt })
    await assignments.revoke({ tenant, holder: grace, role: 'admin', by: ada })
    await assignments.assign({ tenant, holder: ada, roles: ['admin'], by: ada })
    const [holder, by] = [
      { kind: 'user', subject: 'grace' },
      { kind: 'user', subject: 'ada' },
    ]
    expect(heard).toEqual([
      { type: 'rbac.role_assigned', data: { tenant, holder, role: 'admin', by, reason: 'cover', expiresAt, replaced: false } },
      { type: 'rbac.role_revoked', data: { tenant, holder, role: 'admin', by, reason: undefined } },
      {
        type: 'rbac.assignment_refused',
        data: { act: 'assign', tenant, holder: by, roles: ['admin'], by, code: 'rbac.own_role' },
      },
    ])
  })

  it.each<[what: string, change: object]>([
    ['no tenant', { tenant: '' }],
    ['a tenant of 256 characters', { tenant: 'x'.repeat(256) }],
    ['a holder of no kind', { holder: { subject: 'grace' } }],
    ['a holder of a kind that holds nothing', { holder: { kind: 'system', subject: 'grace' } }],
    ['no holder', { holder: null }],
    ['a subject with half a character', { holder: { kind: 'user', subject: '\ud800' } }],
    ['an actor without a name', { by: { kind: 'user', subject: '' } }],
    ['an actor of no kind', { by: { subject: 'ada', tenant } }],
    ['a reason that writes a line of its own into a log', { reason: 'x\n2030-01-01 approved by root' }],
    ['a reason of 501 characters', { reason: 'x'.repeat(501) }],
    ['an end that is past', { expiresAt: Date.UTC(2030, 0, 1) }],
    ['an end that is no number', { expiresAt: Number.NaN }],
    ['an end in words', { expiresAt: 'tomorrow' }],
    ['no role at all', { roles: [] }],
    ['roles in one text', { roles: 'admin' }],
  ])('is refused as malformed: %s', async (_, part) => {
    const { assignments } = openDesk()
    const change = { tenant, holder: grace, roles: ['admin'], by: ada, ...part } as Parameters<typeof assignments.assign>[0]
    await expect(assignments.assign(change)).rejects.toMatchObject({ code: 'rbac.assignment_malformed', status: 400 })
  })
})

describe('lists', () => {
  it('are of a tenant, of a role in it, of a holder in every tenant, and of what is asked for', async () => {
    const { assignments } = openDesk({ mayCross: () => true })
    const group = { kind: 'group', subject: 'staff' } as const
    await assignments.assign({ tenant, holder: grace, roles: ['admin', 'viewer'], by: ada })
    await assignments.assign({ tenant, holder: group, roles: ['viewer'], by: ada })
    await assignments.assign({ tenant: 'globex', holder: grace, roles: ['clerk'], by: ada })
    await assignments.request({ tenant, holder: grace, role: 'clerk', by: grace, reason: 'x', duration: 60 })
    const lines = {
      admin: 'acme user grace admin active',
      viewer: 'acme user grace viewer active',
      asked: 'acme user grace clerk requested',
      staff: 'acme group staff viewer active',
      globex: 'globex user grace clerk active',
    }
    expect(await rolesIn(assignments.list({ tenant }))).toEqual([lines.staff, lines.admin, lines.asked, lines.viewer])
    expect(await rolesIn(assignments.list({ tenant, role: 'viewer' }))).toEqual([lines.staff, lines.viewer])
    expect(await rolesIn(assignments.list({ tenant, state: 'requested' }))).toEqual([lines.asked])
    expect(await rolesIn(assignments.list({ holder: grace, state: 'active' }))).toEqual([lines.admin, lines.viewer, lines.globex])
    expect(await rolesIn(assignments.list({ tenant: 'initech' }))).toEqual([])
  })

  it('come in pages that miss nobody', async () => {
    const { assignments } = openDesk()
    const subjects = Array.from({ length: 7 }, (_, n) => `u${n}`)
    for (const subject of subjects) {
      await assignments.assign({
        tenant,
        holder: { kind: 'user', subject },
        roles: [subject === 'u3' ? 'admin' : 'viewer'],
        by: ada,
      })
    }
    const seen: string[] = []
    for (let after: string | undefined; ; ) {
      const page = await all(assignments.list({ tenant, role: 'viewer' }, { limit: 2, ...(after ? { after } : {}) }))
      expect(page.length).toBeLessThanOrEqual(2)
      if (page.length === 0) break
      seen.push(...page.map(({ holder }) => holder.subject))
      after = page.at(-1)!.cursor
    }
    expect(seen.sort()).toEqual(subjects.filter((subject) => subject !== 'u3'))
    expect(await all(assignments.list({ tenant }, { limit: 0 }))).toEqual([])
  })
})

describe('a cache', () => {
  it('is behind another process by its seconds and no more, and behind its own by nothing', async () => {
    const { assignments, again, clock } = openDesk()
    const cached = again({ cacheSeconds: 5 })
    expect((await cached.rolesOf(grace, tenant)).roles).toEqual([])
    await assignments.assign({ tenant, holder: grace, roles: ['admin'], by: ada })
    clock.advance(4999)
    expect((await cached.rolesOf(grace, tenant)).roles).toEqual([])
    clock.advance(1)
    expect((await cached.rolesOf(grace, tenant)).roles).toEqual(['admin'])
    await cached.revoke({ tenant, holder: grace, role: 'admin', by: ada })
    expect((await cached.rolesOf(grace, tenant)).roles).toEqual([])
  })

  it('does not make a role last longer than it does', async () => {
    const { again, clock } = openDesk()
    const cached = again({ cacheSeconds: 60 })
    await cached.assign({ tenant, holder: grace, roles: ['admin'], by: ada, expiresAt: clock.now() + 1000 })
    expect((await cached.rolesOf(grace, tenant)).roles).toEqual(['admin'])
    clock.advance(1000)
    expect((await cached.rolesOf(grace, tenant)).roles).toEqual([])
  })

  it('is not read when a change is decided (casbin’s cached enforcer: still allowed after the policy is gone)', async () => {
    const { assignments, again } = openDesk()
    const cached = again({ cacheSeconds: 60, mayAssign: async ({ held }) => (await held()).has('admin') })
    await assignments.assign({ tenant, holder: ada, roles: ['admin'], by: root })
    expect((await cached.rolesOf(ada, tenant)).roles).toEqual(['admin'])
    await assignments.revoke({ tenant, holder: ada, role: 'admin', by: root })
    expect((await cached.rolesOf(ada, tenant)).roles).toEqual(['admin'])
    expect(heardBy(await cached.assign({ tenant, holder: grace, roles: ['viewer'], by: ada }))).toBe('rbac.assigning_not_allowed')
  })

  it('does not keep what was read while this process wrote', async () => {
    const { store, clock } = openDesk()
    let hold: Promise<void> | undefined
    const slow = afterReads(store, () => hold)
    const cached = createAssignments({ store: slow, access, hierarchy, clock, mayAssign: () => true, cacheSeconds: 60 })
    let release = (): void => {}
    hold = new Promise((resolve) => {
      release = resolve
    })
    const early = cached.rolesOf(grace, tenant)
    await new Promise(setImmediate)
    hold = undefined
    await cached.assign({ tenant, holder: grace, roles: ['admin'], by: ada })
    release()
    expect((await early).roles).toEqual([])
    expect((await cached.rolesOf(grace, tenant)).roles).toEqual(['admin'])
  })
})

describe('options', () => {
  const good: AssignmentsOptions<FirmRole> = { store: createMemoryStore(), access, hierarchy, mayAssign: () => true }

  it.each<[what: string, options: object, code: string]>([
    ['no mayAssign: everybody could assign everything', { mayAssign: undefined }, 'rbac.assignments_invalid'],
    ['no hierarchy: inherited roles would not count', { hierarchy: undefined }, 'rbac.assignments_invalid'],
    ['a hierarchy that is not one', { hierarchy: { head: { inherits: 'clerk' } } }, 'rbac.assignments_invalid'],
    ['an unknown role in the hierarchy', { hierarchy: { head: ['clark'] } }, 'rbac.role_unknown'],
    ['an unknown role in a set', { constraints: { static: [{ roles: ['admin', 'clark'] }] } }, 'rbac.role_unknown'],
    ['an unknown role that is always active', { always: ['clark'] }, 'rbac.role_unknown'],
    ['an unknown role that needs approval', { approvalRequired: ['clark'] }, 'rbac.role_unknown'],
    ['a set of one', { constraints: { static: [{ roles: ['admin'] }] } }, 'rbac.separation_invalid'],
    ['a set of one twice', { constraints: { dynamic: [{ roles: ['admin', 'admin'] }] } }, 'rbac.separation_invalid'],
    [
      'a set that excludes nothing',
      { constraints: { static: [{ roles: ['admin', 'clerk'], most: 2 }] } },
      'rbac.separation_invalid',
    ],
    [
      'a set that excludes everything',
      { constraints: { static: [{ roles: ['admin', 'clerk'], most: 0 }] } },
      'rbac.separation_invalid',
    ],
    [
      'a role that breaks a static set alone',
      { constraints: { static: [{ roles: ['clerk', 'accountant'] }] } },
      'rbac.separation_invalid',
    ],
    [
      'a role that breaks a dynamic set alone',
      { constraints: { dynamic: [{ roles: ['head', 'clerk'] }] } },
      'rbac.separation_invalid',
    ],
    ['a cache of more than a minute', { cacheSeconds: 61 }, 'rbac.assignments_invalid'],
    ['half a second', { longestElevation: 60.5 }, 'rbac.assignments_invalid'],
    ['milliseconds in place of seconds', { requestLifetime: 86_400_000 }, 'rbac.assignments_invalid'],
    ['an activation for no time', { activationLifetime: 0 }, 'rbac.assignments_invalid'],
  ])('are refused: %s', (_, options, code) => {
    expect(() => createAssignments({ ...good, ...options })).toThrow(expect.objectContaining({ code }))
  })

  it('take the hierarchy as lists, also one with a circle in it', async () => {
    const lists = { head: ['clerk'], clerk: ['head'] } as const
    const { assignments } = openDesk({ hierarchy: lists, constraints: { static: [{ roles: ['clerk', 'auditor'] }] } })
    await assignments.assign({ tenant, holder: grace, roles: ['auditor'], by: ada })
    expect(heardBy(await assignments.assign({ tenant, holder: grace, roles: ['head'], by: ada }))).toBe('rbac.roles_exclusive')
  })
})
