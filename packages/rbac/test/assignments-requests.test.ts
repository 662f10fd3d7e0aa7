import { describe, expect, it } from 'vitest'
import { ada, afterReads, type Desk, grace, heardBy, listen, openDesk, rolesIn, root, tenant, user } from './assignments-desk.ts'

const hal = user('hal')
const wanted = { tenant, holder: grace, role: 'admin', by: grace, reason: 'incident 17', duration: 3600 } as const

async function ask(
  assignments: Desk['assignments'],
  change: Partial<Parameters<typeof assignments.request>[0]> = {},
): Promise<string> {
  const asked = await assignments.request({ ...wanted, ...change })
  if (!asked.ok) throw new TypeError(asked.reason.code)
  return asked.assignment.id
}

describe('just-in-time elevation', () => {
  it('is asked for, approved by another person, and ends by itself', async () => {
    const { assignments, clock } = openDesk()
    const heard = listen()
    const id = await ask(assignments)
    expect((await assignments.rolesOf(grace, tenant)).roles).toEqual([])
    clock.advance(600_000)
    const approved = await assignments.approve(id, { by: ada, reason: 'seen' })
    const expiresAt = clock.now() + 3_600_000
    const [holder, by] = [
      { kind: 'user', subject: 'grace' },
      { kind: 'user', subject: 'ada' },
    ]
    expect(approved).toEqual({
      ok: true,
      assignment: {
        id,
        tenant,
        holder,
        role: 'admin',
        state: 'active',
        by: holder,
        at: clock.now() - 600_000,
        reason: 'incident 17',
        duration: 3600,
        approvedBy: by,
        approvedAt: clock.now(),
        expiresAt,
      },
    })
    expect(await assignments.rolesOf(grace, tenant)).toMatchObject({ roles: ['admin'], until: expiresAt })
    clock.advance(3_600_000)
    expect((await assignments.rolesOf(grace, tenant)).roles).toEqual([])
    const about = { tenant, holder, role: 'admin', id }
    expect(heard).toEqual([
      { type: 'rbac.role_requested', data: { ...about, by: holder, reason: 'incident 17', duration: 3600 } },
      { type: 'rbac.role_approved', data: { ...about, by, reason: 'seen', requestedBy: holder, expiresAt } },
    ])
  })

  it.each<[who: string, ask: object, by: typeof ada]>([
    ['who asked for himself', {}, grace],
    ['who asked for somebody else', { holder: hal }, grace],
    ['for whom somebody else asked', { holder: hal }, hal],
    ['whose group it is for', { holder: { kind: 'group', subject: 'staff' } }, ada],
  ])('is never approved by him %s', async (_, change, by) => {
    const { assignments } = openDesk({
      mayRequest: () => true,
      groupsOf: ({ subject }) => (subject === 'ada' ? ['staff'] : []),
    })
    const id = await ask(assignments, change)
    expect(heardBy(await assignments.approve(id, { by }))).toBe('rbac.own_request')
    expect(await rolesIn(assignments.list({ tenant, state: 'active' }))).toEqual([])
    expect(heardBy(await assignments.approve(id, { by: user('zoe') }))).toBe('ok')
  })

  it('is approved by whom mayAssign lets, and declined by no other one', async () => {
    const { assignments } = openDesk({ mayAssign: ({ act, by }) => act === 'approve' && by.subject === 'ada' })
    const id = await ask(assignments)
    expect(heardBy(await assignments.approve(id, { by: hal }))).toBe('rbac.assigning_not_allowed')
    expect(heardBy(await assignments.decline(id, { by: hal }))).toBe('rbac.assigning_not_allowed')
    expect(heardBy(await assignments.decline(id, { by: ada }))).toBe('rbac.assigning_not_allowed')
    expect(heardBy(await assignments.approve(id, { by: ada }))).toBe('ok')
  })

  it('does not exist for another tenant, and its refusal is that of no request at all', async () => {
    const { assignments } = openDesk()
    const id = await ask(assignments)
    const foreign = { ...ada, tenant: 'globex' }
    const refusal = await assignments.approve(id, { by: foreign })
    expect(refusal).toEqual(await assignments.approve(`${'A'.repeat(43)}.${'A'.repeat(22)}`, { by: foreign }))
    expect(heardBy(refusal)).toBe('rbac.request_unknown')
    expect(heardBy(await assignments.decline(id, { by: foreign }))).toBe('rbac.request_unknown')
    expect(heardBy(await assignments.approve(id, { by: ada }))).toBe('ok')
  })

  it.each(['', 'x', '.', `${'A'.repeat(43)}.`, null, 7])('has no request under the id %j', async (id) => {
    const { assignments } = openDesk()
    expect(heardBy(await assignments.approve(id as string, { by: ada }))).toBe('rbac.request_unknown')
  })

  it('is answered once', async () => {
    const { assignments } = openDesk()
    const id = await ask(assignments)
    expect(heardBy(await assignments.decline(id, { by: ada }))).toBe('ok')
    expect(heardBy(await assignments.approve(id, { by: ada }))).toBe('rbac.request_unknown')
    const again = await ask(assignments)
    expect(heardBy(await assignments.approve(again, { by: ada }))).toBe('ok')
    expect(heardBy(await assignments.approve(again, { by: hal }))).toBe('rbac.request_unknown')
    expect(heardBy(await assignments.decline(again, { by: hal }))).toBe('rbac.request_unknown')
  })

  it('lapses when nobody answers', async () => {
    const { assignments, clock } = openDesk({ requestLifetime: 60 })
    const id = await ask(assignments)
    clock.advance(60_000)
    expect(heardBy(await assignments.approve(id, { by: ada }))).toBe('rbac.request_unknown')
    expect(await rolesIn(assignments.list({ tenant }))).toEqual([])
    await ask(assignments)
  })

  it('is withdrawn by whoever asked', async () => {
    const { assignments } = openDesk({ mayAssign: () => false })
    const id = await ask(assignments)
    const heard = listen()
    expect(heardBy(await assignments.decline(id, { by: grace }))).toBe('ok')
    expect(heard).toMatchObject([{ type: 'rbac.role_declined', data: { id, withdrawn: true } }])
  })

  it('is given back by whoever asked for it, and nothing else is', async () => {
    const { assignments } = openDesk()
    await assignments.assign({ tenant, holder: grace, roles: ['suspended'], by: ada })
    await assignments.approve(await ask(assignments), { by: ada })
    expect(heardBy(await assignments.revoke({ tenant, holder: grace, role: 'suspended', by: grace }))).toBe('rbac.own_role')
    expect(heardBy(await assignments.revoke({ tenant, holder: grace, role: 'admin', by: grace }))).toBe('ok')
    expect((await assignments.rolesOf(grace, tenant)).roles).toEqual(['suspended'])
  })

  it('is not given back once somebody else has assigned the role', async () => {
    const { assignments } = openDesk()
    await assignments.approve(await ask(assignments, { role: 'suspended' }), { by: ada })
    await assignments.assign({ tenant, holder: grace, roles: ['suspended'], by: ada })
    expect(heardBy(await assignments.revoke({ tenant, holder: grace, role: 'suspended', by: grace }))).toBe('rbac.own_role')
  })

  it('is not given back when the role was assigned in the very moment between look and write', async () => {
    const { assignments, store, again } = openDesk()
    await assignments.approve(await ask(assignments, { role: 'suspended' }), { by: ada })
    let reads = 0
    const between = afterReads(store, () => {
      reads += 1
      return reads === 1 ? assignments.assign({ tenant, holder: grace, roles: ['suspended'], by: ada }) : undefined
    })
    const slow = again({ store: between })
    expect(heardBy(await slow.revoke({ tenant, holder: grace, role: 'suspended', by: grace }))).toBe('rbac.own_role')
    expect((await assignments.rolesOf(grace, tenant)).roles).toEqual(['suspended'])
  })

  it('never makes what is held for good, or for longer, end sooner', async () => {
    const { assignments, clock } = openDesk()
    const id = await ask(assignments)
    await assignments.assign({ tenant, holder: grace, roles: ['admin'], by: ada, expiresAt: clock.now() + 7_200_000 })
    expect(heardBy(await assignments.approve(id, { by: ada }))).toBe('rbac.role_held')
    await assignments.assign({ tenant, holder: grace, roles: ['admin'], by: ada })
    expect(heardBy(await assignments.approve(id, { by: ada }))).toBe('rbac.role_held')
    await assignments.decline(id, { by: ada })
    expect(heardBy(await assignments.request(wanted))).toBe('rbac.role_held')
    expect((await assignments.rolesOf(grace, tenant)).until).toBeUndefined()
  })

  it('follows on one that has not ended, and there is one at a time', async () => {
    const { assignments, clock } = openDesk()
    await assignments.approve(await ask(assignments), { by: ada })
    clock.advance(1_800_000)
    const id = await ask(assignments)
    expect(heardBy(await assignments.request(wanted))).toBe('rbac.request_exists')
    await assignments.approve(id, { by: ada })
    expect(await assignments.rolesOf(grace, tenant)).toMatchObject({ roles: ['admin'], until: clock.now() + 3_600_000 })
    expect(await rolesIn(assignments.list({ tenant }))).toEqual(['acme user grace admin active'])
  })

  it('is for no longer than it may be, also where the bound came later', async () => {
    const { assignments, again } = openDesk()
    expect(heardBy(await assignments.request({ ...wanted, duration: 28_801 }))).toBe('rbac.duration_too_long')
    const id = await ask(assignments, { duration: 28_800 })
    expect(heardBy(await again({ longestElevation: 3600 }).approve(id, { by: ada }))).toBe('rbac.duration_too_long')
  })

  it('is not approved when the role is gone from the definition', async () => {
    const { assignments, again } = openDesk()
    const id = await ask(assignments)
    const smaller = again({ access: { roles: ['viewer'] }, hierarchy: {} })
    await expect(smaller.approve(id, { by: ada })).rejects.toMatchObject({ code: 'rbac.role_unknown', names: ['admin'] })
    expect(heardBy(await smaller.decline(id, { by: ada }))).toBe('ok')
  })

  it('is asked for by oneself, unless mayRequest says otherwise', async () => {
    const { assignments, again } = openDesk()
    expect(heardBy(await assignments.request({ ...wanted, by: ada }))).toBe('rbac.requesting_not_allowed')
    const strict = again({ mayRequest: ({ role }) => role === 'clerk' })
    expect(heardBy(await strict.request(wanted))).toBe('rbac.requesting_not_allowed')
    expect(heardBy(await strict.request({ ...wanted, role: 'clerk', by: ada }))).toBe('ok')
  })

  it('is the only way to a role that needs approval, also one above it', async () => {
    const { assignments } = openDesk({ approvalRequired: ['clerk'] })
    for (const role of ['clerk', 'head'] as const) {
      const change = { tenant, holder: grace, roles: [role], by: ada } as const
      expect(heardBy(await assignments.assign(change))).toBe('rbac.approval_required')
      expect(heardBy(await assignments.assign({ ...change, by: root }))).toBe('rbac.approval_required')
    }
    expect(heardBy(await assignments.approve(await ask(assignments, { role: 'clerk' }), { by: ada }))).toBe('ok')
  })

  it.each<[what: string, change: object]>([
    ['no reason', { reason: undefined }],
    ['an empty reason', { reason: '' }],
    ['no duration', { duration: undefined }],
    ['no time at all', { duration: 0 }],
    ['for ever', { duration: Number.POSITIVE_INFINITY }],
  ])('is refused as malformed: %s', async (_, change) => {
    const { assignments } = openDesk()
    const asked = assignments.request({ ...wanted, ...change } as typeof wanted)
    await expect(asked).rejects.toMatchObject({ code: 'rbac.assignment_malformed', status: 400 })
  })
})
