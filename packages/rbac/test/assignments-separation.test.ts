import { describe, expect, it } from 'vitest'
import { ada, books, type FirmRole, grace, heardBy, listen, openDesk, tenant, user } from './assignments-desk.ts'

describe('static separation of duty (INCITS 359-2012 §5.4.1)', () => {
  it.each<[had: readonly FirmRole[], wants: readonly [FirmRole, ...FirmRole[]], heard: string]>([
    [[], ['accountant', 'auditor'], 'rbac.roles_exclusive'],
    [['accountant'], ['auditor'], 'rbac.roles_exclusive'],
    [['auditor'], ['accountant'], 'rbac.roles_exclusive'],
    // §6.3: what is inherited is held
    [['auditor'], ['head'], 'rbac.roles_exclusive'],
    [['head'], ['auditor'], 'rbac.roles_exclusive'],
    [['auditor'], ['clerk', 'viewer'], 'ok'],
    [['accountant'], ['accountant', 'head'], 'ok'],
  ])('who holds %j and shall have %j: %s', async (had, wants, heard) => {
    const { assignments } = openDesk({ constraints: books })
    for (const role of had) await assignments.assign({ tenant, holder: grace, roles: [role], by: ada })
    expect(heardBy(await assignments.assign({ tenant, holder: grace, roles: wants, by: ada }))).toBe(heard)
    const { roles } = await assignments.rolesOf(grace, tenant)
    expect([...roles].sort()).toEqual([...new Set(heard === 'ok' ? [...had, ...wants] : had)].sort())
  })

  it('says which roles of which set, for the log', async () => {
    const { assignments } = openDesk({ constraints: books })
    await assignments.assign({ tenant, holder: grace, roles: ['head'], by: ada })
    expect(await assignments.assign({ tenant, holder: grace, roles: ['auditor'], by: ada })).toEqual({
      ok: false,
      reason: {
        code: 'rbac.roles_exclusive',
        message: 'the holder would have roles that exclude each other: accountant, auditor; at most 1 of accountant, auditor',
        conflict: { held: ['accountant', 'auditor'], roles: ['accountant', 'auditor'], most: 1 },
      },
    })
  })

  it('lets as many of a larger set as it says', async () => {
    const constraints = { static: [{ roles: ['clerk', 'auditor', 'admin'], most: 2 }] } as const
    const { assignments } = openDesk({ constraints })
    const heard: string[] = []
    for (const role of ['clerk', 'auditor', 'admin'] as const) {
      heard.push(heardBy(await assignments.assign({ tenant, holder: grace, roles: [role], by: ada })))
    }
    expect(heard).toEqual(['ok', 'ok', 'rbac.roles_exclusive'])
  })

  it('is of one tenant and one holder', async () => {
    const { assignments } = openDesk({ constraints: books, mayCross: () => true })
    await assignments.assign({ tenant, holder: grace, roles: ['accountant'], by: ada })
    for (const [where, holder] of [
      ['globex', grace],
      [tenant, user('hal')],
    ] as const) {
      expect(heardBy(await assignments.assign({ tenant: where, holder, roles: ['auditor'], by: ada }))).toBe('ok')
    }
  })

  it('ends with the role that excluded, and not before', async () => {
    const { assignments, clock } = openDesk({ constraints: books })
    await assignments.assign({ tenant, holder: grace, roles: ['accountant'], by: ada, expiresAt: clock.now() + 1000 })
    const change = { tenant, holder: grace, roles: ['auditor'], by: ada } as const
    expect(heardBy(await assignments.assign(change))).toBe('rbac.roles_exclusive')
    clock.advance(1000)
    expect(heardBy(await assignments.assign(change))).toBe('ok')
  })

  it('is looked at when a role is asked for, and again when it is approved', async () => {
    const { assignments } = openDesk({ constraints: books })
    const wanted = { tenant, holder: grace, by: grace, reason: 'x', duration: 60 } as const
    const one = await assignments.request({ ...wanted, role: 'accountant' })
    const two = await assignments.request({ ...wanted, role: 'auditor' })
    if (!one.ok || !two.ok) throw new TypeError('refused')
    expect(heardBy(await assignments.approve(one.assignment.id, { by: ada }))).toBe('ok')
    expect(heardBy(await assignments.approve(two.assignment.id, { by: ada }))).toBe('rbac.roles_exclusive')
    await assignments.decline(two.assignment.id, { by: ada })
    expect(heardBy(await assignments.request({ ...wanted, role: 'auditor' }))).toBe('rbac.roles_exclusive')
  })

  it('counts what a group gives when something is assigned to a member', async () => {
    const { assignments } = openDesk({ constraints: books, groupsOf: ({ subject }) => (subject === 'grace' ? ['books'] : []) })
    await assignments.assign({ tenant, holder: { kind: 'group', subject: 'books' }, roles: ['accountant'], by: ada })
    const wanted = { tenant, holder: grace, by: grace, role: 'auditor', reason: 'x', duration: 60 } as const
    expect(heardBy(await assignments.assign({ ...wanted, roles: ['auditor'], by: ada }))).toBe('rbac.roles_exclusive')
    expect(heardBy(await assignments.request(wanted))).toBe('rbac.roles_exclusive')
  })

  it('leaves no role at all to him whom a group brings into conflict: one that was left out might be one that denies', async () => {
    const { assignments } = openDesk({ constraints: books, groupsOf: ({ subject }) => (subject === 'grace' ? ['books'] : []) })
    await assignments.assign({ tenant, holder: grace, roles: ['auditor', 'viewer'], by: ada })
    const heard = listen()
    await assignments.assign({ tenant, holder: { kind: 'group', subject: 'books' }, roles: ['head'], by: ada })
    const conflict = { held: ['accountant', 'auditor'], roles: ['accountant', 'auditor'], most: 1 }
    expect(await assignments.rolesOf(grace, tenant)).toMatchObject({ roles: [], conflict })
    expect((await assignments.principal(grace)).roles).toEqual([])
    expect(heard.filter(({ type }) => type === 'rbac.roles_in_conflict')).toContainEqual({
      type: 'rbac.roles_in_conflict',
      data: { tenant, holder: { kind: 'user', subject: 'grace' }, conflict },
    })
  })

  it('holds for what was assigned before the set was written', async () => {
    const { assignments, again } = openDesk()
    await assignments.assign({ tenant, holder: grace, roles: ['auditor', 'accountant'], by: ada })
    const strict = again({ constraints: books })
    expect((await strict.rolesOf(grace, tenant)).roles).toEqual([])
    expect(heardBy(await strict.revoke({ tenant, holder: grace, role: 'auditor', by: ada }))).toBe('ok')
    expect((await strict.rolesOf(grace, tenant)).roles).toEqual(['accountant'])
  })
})

describe('dynamic separation of duty (INCITS 359-2012 §5.4.2)', () => {
  const dynamic = { constraints: { dynamic: [{ roles: ['accountant', 'auditor'] }] } } as const

  it('lets him hold both, and have one active in a session', async () => {
    const { assignments } = openDesk(dynamic)
    await assignments.assign({ tenant, holder: grace, roles: ['accountant', 'auditor'], by: ada })
    expect((await assignments.rolesOf(grace, tenant)).roles).toEqual(['accountant', 'auditor'])
    const both = await assignments.activate(grace, tenant, ['accountant', 'auditor'], 's1')
    expect(heardBy(both)).toBe('rbac.active_roles_exclusive')
    expect(await assignments.activeRoles(grace, tenant, 's1')).toEqual([])
    expect(await assignments.activate(grace, tenant, ['auditor'], 's1')).toEqual({ ok: true, roles: ['auditor'] })
    expect(await assignments.activate(grace, tenant, ['accountant'], 's1')).toEqual({ ok: true, roles: ['accountant'] })
    expect(await assignments.activeRoles(grace, tenant, 's1')).toEqual(['accountant'])
  })

  it('counts what is inherited', async () => {
    const { assignments } = openDesk(dynamic)
    await assignments.assign({ tenant, holder: grace, roles: ['head', 'auditor'], by: ada })
    expect(heardBy(await assignments.activate(grace, tenant, ['head', 'auditor'], 's1'))).toBe('rbac.active_roles_exclusive')
    expect(heardBy(await assignments.activate(grace, tenant, ['clerk', 'auditor'], 's1'))).toBe('ok')
  })

  it('lets him activate what he holds and what that inherits, and nothing else', async () => {
    const { assignments } = openDesk()
    await assignments.assign({ tenant, holder: grace, roles: ['accountant'], by: ada })
    expect(heardBy(await assignments.activate(grace, tenant, ['viewer'], 's1'))).toBe('ok')
    expect(heardBy(await assignments.activate(grace, tenant, ['head'], 's1'))).toBe('rbac.role_not_held')
    expect(heardBy(await assignments.activate(grace, tenant, ['viewer', 'admin'], 's1'))).toBe('rbac.role_not_held')
    await expect(assignments.activate(grace, tenant, ['hed' as FirmRole], 's1')).rejects.toMatchObject({ names: ['hed'] })
    expect(await assignments.activeRoles(grace, tenant, 's1')).toEqual(['viewer'])
  })

  it('is of one session of one holder in one tenant', async () => {
    const { assignments } = openDesk({ mayCross: () => true })
    for (const where of [tenant, 'globex']) {
      for (const holder of [grace, user('hal')]) await assignments.assign({ tenant: where, holder, roles: ['admin'], by: ada })
    }
    await assignments.activate(grace, tenant, ['admin'], 's1')
    expect(await assignments.activeRoles(grace, tenant, 's2')).toEqual([])
    expect(await assignments.activeRoles(user('hal'), tenant, 's1')).toEqual([])
    expect(await assignments.activeRoles(grace, 'globex', 's1')).toEqual([])
    expect((await assignments.principal(grace, 's1')).roles).toEqual(['admin'])
    expect((await assignments.principal(grace, 's2')).roles).toEqual([])
  })

  it('goes on with nothing that was taken away, has ended, or is excluded by now', async () => {
    const { assignments, again, clock } = openDesk()
    const change = { tenant, holder: grace, by: ada } as const
    await assignments.assign({ ...change, roles: ['admin'], expiresAt: clock.now() + 1000 })
    await assignments.assign({ ...change, roles: ['auditor', 'accountant'] })
    await assignments.activate(grace, tenant, ['admin', 'auditor', 'accountant'], 's1')
    expect(await again(dynamic).activeRoles(grace, tenant, 's1')).toEqual([])
    clock.advance(1000)
    expect(await assignments.activeRoles(grace, tenant, 's1')).toEqual(['accountant', 'auditor'])
    await assignments.revoke({ ...change, role: 'auditor' })
    expect(await assignments.activeRoles(grace, tenant, 's1')).toEqual(['accountant'])
  })

  it('ends with the session, or after its time', async () => {
    const { assignments, clock } = openDesk({ activationLifetime: 60 })
    await assignments.assign({ tenant, holder: grace, roles: ['admin'], by: ada })
    const heard = listen()
    await assignments.activate(grace, tenant, ['admin'], 's1')
    expect(await assignments.deactivate(grace, tenant, 's1')).toBe(true)
    expect(await assignments.deactivate(grace, tenant, 's1')).toBe(false)
    expect(heard.map(({ data }) => (data as { roles: string[] }).roles)).toEqual([['admin'], []])
    await assignments.activate(grace, tenant, ['admin'], 's1')
    clock.advance(60_000)
    expect(await assignments.activeRoles(grace, tenant, 's1')).toEqual([])
  })

  it('does not let him leave out a role that denies him something', async () => {
    const { assignments } = openDesk()
    await assignments.assign({ tenant, holder: grace, roles: ['admin', 'suspended'], by: ada })
    expect(await assignments.activate(grace, tenant, ['admin'], 's1')).toEqual({ ok: true, roles: ['admin', 'suspended'] })
    expect(await assignments.activeRoles(grace, tenant, 's1')).toEqual(['admin', 'suspended'])
    expect(await assignments.activeRoles(grace, tenant, 'never activated')).toEqual(['suspended'])
  })

  it('does not let a role that was always to be active be left out, be it inherited', async () => {
    const { assignments } = openDesk({ always: ['clerk'] })
    await assignments.assign({ tenant, holder: grace, roles: ['head'], by: ada })
    expect(await assignments.activate(grace, tenant, ['viewer'], 's1')).toEqual({ ok: true, roles: ['viewer', 'clerk'] })
  })

  it('activates nothing for him whose roles are in conflict', async () => {
    const { assignments, again } = openDesk()
    await assignments.assign({ tenant, holder: grace, roles: ['auditor', 'accountant'], by: ada })
    await assignments.activate(grace, tenant, ['auditor'], 's1')
    const strict = again({ constraints: books })
    expect(heardBy(await strict.activate(grace, tenant, ['auditor'], 's1'))).toBe('rbac.roles_exclusive')
    expect(await strict.activeRoles(grace, tenant, 's1')).toEqual([])
  })
})
