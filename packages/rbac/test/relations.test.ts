import {
  type Collection,
  type CollectionDeclaration,
  type Json,
  type SecurityEvent,
  type Store,
  subscribe,
} from '@portcullis/core'
import { createRelations, type RelatedCondition, type RelationTree, type RelationTuple } from '@portcullis/rbac/relations'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Drive, folder, grace, group, members, openDrive, readme, schema, tenant, user } from './relations-drive.ts'

const viewer = { tenant, object: readme, relation: 'viewer' } as const
const mayView = async (drive: Drive, id = 'grace'): Promise<boolean> =>
  (await drive.check({ ...viewer, subject: user(id) })).allowed

describe('a relation', () => {
  it('is there for whom a tuple names, and for nobody else', async () => {
    const { drive } = openDrive()
    await drive.write({ ...viewer, subject: user('grace') })
    expect(await drive.check({ ...viewer, subject: user('grace') })).toEqual({
      allowed: true,
      reason: {
        code: 'rbac.related',
        message: 'document:readme#viewer@user:grace: is related by document:readme#viewer → user:grace',
      },
      path: ['document:readme#viewer', 'user:grace'],
      until: undefined,
    })
    expect(await drive.check({ ...viewer, subject: user('hal') })).toMatchObject({
      allowed: false,
      reason: { code: 'rbac.not_related' },
      path: [],
    })
    expect((await drive.check({ ...viewer, relation: 'editor', subject: user('grace') })).allowed).toBe(false)
    expect((await drive.check({ ...viewer, object: { type: 'document', id: 'other' }, subject: user('grace') })).allowed).toBe(
      false,
    )
    expect((await drive.check({ ...viewer, subject: { type: 'client', id: 'grace' } })).allowed).toBe(false)
  })

  it('comes by groups of groups, by parents of parents, and by what implies it; the path says how', async () => {
    const { drive } = openDrive()
    await drive.write({ tenant, object: readme, relation: 'parent', subject: folder('docs') })
    await drive.write({ tenant, object: folder('docs'), relation: 'parent', subject: folder('eng') })
    await drive.write({ tenant, object: folder('eng'), relation: 'editor', subject: members('staff') })
    await drive.write({ tenant, object: group('staff'), relation: 'member', subject: members('core') })
    await drive.write({ tenant, object: group('core'), relation: 'member', subject: user('grace') })
    const { allowed, path } = await drive.check({ ...viewer, subject: user('grace') })
    expect(allowed).toBe(true)
    expect(path[0]).toBe('document:readme#viewer')
    expect(path.slice(-4)).toEqual(['folder:eng#editor', 'group:staff#member', 'group:core#member', 'user:grace'])
    expect(await mayView(drive, 'hal')).toBe(false)
    await drive.remove({ tenant, object: group('staff'), relation: 'member', subject: members('core') })
    expect(await mayView(drive)).toBe(false)
  })

  it('is there for everybody of a type where a tuple says so, in that tenant', async () => {
    const { drive } = openDrive()
    await drive.write({ ...viewer, subject: { type: 'user', everyone: true } })
    expect((await drive.check({ ...viewer, subject: user('anybody') })).path).toEqual([
      'document:readme#viewer',
      'user:*',
      'user:anybody',
    ])
    expect((await drive.check({ ...viewer, subject: { type: 'client', id: 'robot' } })).allowed).toBe(false)
    expect((await drive.check({ ...viewer, tenant: 'globex', subject: user('anybody') })).allowed).toBe(false)
    expect((await drive.check({ ...viewer, subject: user('*') })).path.at(-1)).toBe('user:%2A')
    await drive.remove({ ...viewer, subject: { type: 'user', everyone: true } })
    await drive.write({ ...viewer, subject: user('*') })
    expect(await mayView(drive)).toBe(false)
  })

  it('is there for a set as a whole', async () => {
    const { drive } = openDrive()
    await drive.write({ ...viewer, subject: members('staff') })
    await drive.write({ tenant, object: group('staff'), relation: 'member', subject: members('core') })
    expect((await drive.check({ ...viewer, subject: members('staff') })).allowed).toBe(true)
    expect((await drive.check({ ...viewer, subject: members('core') })).allowed).toBe(true)
    expect((await drive.check({ ...viewer, subject: members('sales') })).allowed).toBe(false)
    const itself = { tenant, object: group('staff'), relation: 'member', subject: members('staff') } as const
    expect((await drive.check(itself)).allowed).toBe(true)
  })

  it('ends by the clock, and the decision says when', async () => {
    const { drive, clock } = openDrive()
    const end = clock.now() + 1000
    await drive.write({ ...viewer, subject: members('staff'), expiresAt: end + 1000 })
    await drive.write({ tenant, object: group('staff'), relation: 'member', subject: user('grace'), expiresAt: end })
    expect((await drive.check({ ...viewer, subject: user('grace') })).until).toBe(end)
    clock.advance(999)
    expect(await mayView(drive)).toBe(true)
    clock.advance(1)
    expect(await mayView(drive)).toBe(false)
    expect((await drive.list({ tenant, type: 'document', relation: 'viewer', subject: user('grace') })).ids).toEqual([])
  })

  it('ends by this process’s clock also where the store’s own is behind', async () => {
    const { store, clock } = openDrive()
    const ahead = createRelations({ store, schema, clock: { now: () => clock.now() + 5000 } })
    const { drive } = { drive: createRelations({ store, schema, clock }) }
    const end = { expiresAt: clock.now() + 1000 }
    await drive.write({ ...viewer, subject: user('grace'), ...end })
    await drive.write({ ...viewer, subject: members('staff'), ...end })
    await drive.write({ tenant, object: group('staff'), relation: 'member', subject: user('hal') })
    await drive.write({ tenant, object: readme, relation: 'parent', subject: folder('a'), ...end })
    await drive.write({ tenant, object: folder('a'), relation: 'viewer', subject: user('ada') })
    for (const id of ['grace', 'hal', 'ada']) {
      expect([await mayView(drive, id), await mayView(ahead, id)]).toEqual([true, false])
      expect((await ahead.list({ tenant, type: 'document', relation: 'viewer', subject: user(id) })).ids).toEqual([])
    }
    expect(await ahead.expand(viewer)).toMatchObject({ subjects: [] })
    expect(await tuplesOf(ahead.tuples({ tenant, object: readme }))).toEqual([])
  })

  it('never leads from one tenant to another (ASVS 8.4.1)', async () => {
    const { drive } = openDrive()
    await drive.write({ tenant: 'globex', object: readme, relation: 'viewer', subject: user('grace') })
    await drive.write({ tenant, object: readme, relation: 'viewer', subject: members('staff') })
    await drive.write({ tenant: 'globex', object: group('staff'), relation: 'member', subject: user('grace') })
    expect(await mayView(drive)).toBe(false)
    expect((await drive.list({ tenant, type: 'document', relation: 'viewer', subject: user('grace') })).ids).toEqual([])
  })

  it.each([
    ['x', 'y#viewer@user:grace'],
    ['readme#viewer', 'grace'],
    ['a","viewer', 'grace'],
    ['a:b', 'c#d'],
    ['*', '*'],
    ['constructor', '__proto__'],
  ])('keeps ids that look like tuples apart: document %j and user %j', async (documentId, userId) => {
    const { drive } = openDrive()
    const object = { type: 'document', id: documentId } as const
    await drive.write({ tenant, object, relation: 'viewer', subject: user(userId) })
    const list = { tenant, type: 'document', relation: 'viewer' } as const
    expect((await drive.check({ tenant, object, relation: 'viewer', subject: user(userId) })).allowed).toBe(true)
    expect(await drive.list({ ...list, subject: user(userId) })).toMatchObject({ ids: [documentId], complete: true })
    expect(await mayView(drive)).toBe(false)
    expect((await drive.list({ ...list, subject: user('grace') })).ids).toEqual(userId === 'grace' ? [documentId] : [])
  })

  it('counts no tuple that the schema has stopped to allow', async () => {
    const { drive, store, clock } = openDrive()
    await drive.write({ ...viewer, subject: members('staff') })
    await drive.write({ tenant, object: group('staff'), relation: 'member', subject: user('grace') })
    await drive.write({ ...viewer, subject: { type: 'user', everyone: true } })
    const narrow = createRelations({
      store,
      clock,
      schema: { user: {}, group: { member: { direct: ['user'] } }, document: { viewer: { direct: ['user'] } } },
    })
    expect((await narrow.check({ ...viewer, subject: user('grace') })).allowed).toBe(false)
    expect((await narrow.list({ tenant, type: 'document', relation: 'viewer', subject: user('grace') })).ids).toEqual([])
    expect((await narrow.expand(viewer)).subjects).toEqual([])
  })

  it('counts no set that the schema has stopped to allow, among those that it still does', async () => {
    const { store, clock } = openDrive()
    const member = { member: { direct: ['user'] } } as const
    const kinds = { user: {}, group: member, team: member } as const
    const wide = createRelations({
      store,
      clock,
      schema: { ...kinds, document: { viewer: { direct: ['group#member', 'team#member'] } } },
    })
    const team = { type: 'team', id: 'x' } as const
    await wide.write({ ...viewer, subject: { ...team, relation: 'member' } })
    await wide.write({ tenant, object: team, relation: 'member', subject: user('grace') })
    const narrow = createRelations({ store, clock, schema: { ...kinds, document: { viewer: { direct: ['group#member'] } } } })
    const question = { ...viewer, subject: user('grace') }
    expect([(await wide.check(question)).allowed, (await narrow.check(question)).allowed]).toEqual([true, false])
    expect((await narrow.list({ tenant, type: 'document', relation: 'viewer', subject: user('grace') })).ids).toEqual([])
  })
})

describe('bounds', () => {
  const heardBounds = (): unknown[] => {
    const heard: SecurityEvent[] = []
    onTestFinished(subscribe((event) => void heard.push(event)))
    return heard
  }
  const chain = async (drive: Drive, length: number): Promise<void> => {
    await drive.write({ ...viewer, subject: members('g1') })
    for (let n = 1; n < length; n++) {
      await drive.write({ tenant, object: group(`g${n}`), relation: 'member', subject: members(`g${n + 1}`) })
    }
    await drive.write({ tenant, object: group(`g${length}`), relation: 'member', subject: user('grace') })
  }
  const list = { tenant, type: 'document', relation: 'viewer', subject: user('grace') } as const

  it('of depth: what is deeper is a no that says so, and an event; the list says that it is not complete', async () => {
    const { drive, again } = openDrive({ maxDepth: 5 })
    await chain(drive, 6)
    const heard = heardBounds()
    expect(await drive.check({ ...viewer, subject: user('grace') })).toMatchObject({
      allowed: false,
      reason: { code: 'rbac.relation_too_deep' },
    })
    expect(await drive.list(list)).toEqual({ ids: [], complete: false, code: 'rbac.relation_too_deep' })
    expect((await drive.expand(viewer)).cut).toBe('rbac.relation_too_deep')
    expect(heard).toMatchObject([
      {
        type: 'rbac.relation_bounded',
        data: { tenant, question: 'document:readme#viewer@user:grace', code: 'rbac.relation_too_deep' },
      },
      { type: 'rbac.relation_bounded', data: { question: 'document#viewer@user:grace' } },
      { type: 'rbac.relation_bounded', data: { question: 'document:readme#viewer' } },
    ])
    const deeper = again({ maxDepth: 6 })
    expect(await mayView(deeper)).toBe(true)
    expect(await deeper.list(list)).toEqual({ ids: ['readme'], complete: true, code: undefined })
  })

  it('of width: with more groups than are looked at, a no says so, and a direct share is still found', async () => {
    const { drive } = openDrive({ fanOut: 3 })
    for (const id of ['a', 'b', 'c', 'd']) await drive.write({ ...viewer, subject: members(id) })
    expect(await drive.check({ ...viewer, subject: user('grace') })).toMatchObject({
      allowed: false,
      reason: { code: 'rbac.relation_too_wide' },
    })
    await drive.write({ ...viewer, subject: user('grace') })
    expect(await mayView(drive)).toBe(true)
  })

  it('of cost: a thousand direct readers cost a check nothing, a thousand groups end it', async () => {
    const { drive } = openDrive({ fanOut: 1000, maxReads: 100, listReads: 100 })
    for (let n = 0; n < 300; n++) await drive.write({ ...viewer, subject: user(`u${n}`) })
    expect((await drive.check({ ...viewer, subject: user('grace') })).reason.code).toBe('rbac.not_related')
    for (let n = 0; n < 300; n++) await drive.write({ ...viewer, subject: members(`g${n}`) })
    expect((await drive.check({ ...viewer, subject: user('grace') })).reason.code).toBe('rbac.relation_too_costly')
    expect((await drive.expand(viewer)).cut).toBe('rbac.relation_too_costly')
    for (let n = 0; n < 300; n++) {
      await drive.write({ tenant, object: { type: 'document', id: `d${n}` }, relation: 'viewer', subject: user('grace') })
    }
    const listed = await drive.list(list)
    expect(listed).toMatchObject({ complete: false, code: 'rbac.relation_too_costly' })
    expect(listed.ids.length).toBeGreaterThan(50)
  })

  it('of cost: within one level, too, a question reads no more than it may', async () => {
    const { drive, store, clock } = openDrive()
    for (let n = 0; n < 60; n++) {
      await drive.write({ ...viewer, subject: members(`g${n}`) })
      await drive.write({ tenant, object: group(`g${n}`), relation: 'member', subject: members(`h${n}`) })
      await drive.write({ tenant, object: { type: 'document', id: `d${n}` }, relation: 'viewer', subject: members('staff') })
      await drive.write({ tenant, object: group(`g${n}`), relation: 'member', subject: user('grace') })
    }
    let reads = 0
    const counting = createRelations({
      store: countingReads(store, () => void reads++),
      schema,
      clock,
      maxReads: 70,
      listReads: 70,
    })
    // The questions of one batch may each have one read under way when the last one is spent.
    const most = 70 + 8
    await counting.check({ ...viewer, subject: user('hal') })
    expect(reads).toBeLessThanOrEqual(most)
    reads = 0
    await counting.list(list)
    expect(reads).toBeLessThanOrEqual(most)
    reads = 0
    await counting.expand(viewer)
    expect(reads).toBeLessThanOrEqual(most)
  })

  it('of a list: so many ids, and that there are more', async () => {
    const { drive } = openDrive()
    for (const id of ['c', 'a', 'b']) {
      await drive.write({ tenant, object: { type: 'document', id }, relation: 'viewer', subject: user('grace') })
    }
    expect(await drive.list({ ...list, limit: 3 })).toEqual({ ids: ['a', 'b', 'c'], complete: true, code: undefined })
    expect(await drive.list({ ...list, limit: 2 })).toMatchObject({ ids: ['a', 'b'], complete: false })
  })

  it('are not needed for cycles: groups and folders that contain each other end the question, and answer it', async () => {
    const { drive } = openDrive({ maxDepth: 50, maxReads: 200 })
    for (const [from, to] of [
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'a'],
      ['a', 'a'],
    ] as const) {
      await drive.write({ tenant, object: group(from), relation: 'member', subject: members(to) })
      await drive.write({ tenant, object: folder(from), relation: 'parent', subject: folder(to) })
    }
    await drive.write({ tenant, object: readme, relation: 'parent', subject: folder('a') })
    await drive.write({ tenant, object: folder('c'), relation: 'viewer', subject: members('a') })
    expect((await drive.check({ ...viewer, subject: user('grace') })).reason.code).toBe('rbac.not_related')
    await drive.write({ tenant, object: group('b'), relation: 'member', subject: user('grace') })
    expect(await mayView(drive)).toBe(true)
    expect(await drive.list(list)).toMatchObject({ ids: ['readme'], complete: true })
    const tree = JSON.stringify(await drive.expand(viewer))
    expect(tree).toContain('"grace"')
    expect(tree).toContain('"seen"')
  })
})

describe('writing', () => {
  it('twice is once, and a new end is a change', async () => {
    const { drive, clock } = openDrive()
    const tuple = { ...viewer, subject: user('grace') }
    const end = { expiresAt: clock.now() + 1000 }
    expect([await drive.write(tuple), await drive.write(tuple), await drive.write({ ...tuple, ...end })]).toEqual([
      true,
      false,
      true,
    ])
    expect([await drive.write({ ...tuple, ...end }), await drive.write(tuple)]).toEqual([false, true])
    clock.advance(1000)
    expect(await mayView(drive)).toBe(true)
    expect([await drive.remove(tuple), await drive.remove(tuple)]).toEqual([true, false])
    expect(await mayView(drive)).toBe(false)
  })

  it('is told as an event, once for each change, with who did it and no more of him than his name', async () => {
    const { drive } = openDrive()
    const heard: unknown[] = []
    onTestFinished(subscribe(({ type, data }) => void heard.push({ type, data })))
    const tuple = { ...viewer, subject: members('staff'), by: { ...grace, kind: 'user' } }
    for (const act of ['write', 'write', 'remove', 'remove'] as const) await drive[act](tuple)
    const by = { kind: 'user', subject: 'grace' }
    const data = { tenant, object: 'document:readme', relation: 'viewer', subject: 'group:staff#member', by }
    expect(heard).toEqual([
      { type: 'rbac.relation_written', data: { ...data, expiresAt: undefined } },
      { type: 'rbac.relation_removed', data },
    ])
  })

  it.each<[what: string, tuple: object, code: string]>([
    ['an unknown type', { object: { type: 'documnet', id: 'x' } }, 'rbac.relation_unknown'],
    ['an unknown relation', { relation: 'reader' }, 'rbac.relation_unknown'],
    ['a relation off the prototype', { relation: 'constructor' }, 'rbac.relation_unknown'],
    ['a type off the prototype', { object: { type: '__proto__', id: 'x' } }, 'rbac.relation_unknown'],
    ['a subject of an unknown type', { subject: { type: 'person', id: 'grace' } }, 'rbac.relation_unknown'],
    ['an unknown set', { subject: { ...group('x'), relation: 'owner' } }, 'rbac.relation_unknown'],
    ['a subject that may not stand there', { subject: folder('x') }, 'rbac.relation_subject_invalid'],
    [
      'everybody where nobody said so',
      { relation: 'owner', subject: { type: 'user', everyone: true } },
      'rbac.relation_subject_invalid',
    ],
    ['a set where only people may stand', { relation: 'owner', subject: members('x') }, 'rbac.relation_subject_invalid'],
    ['an empty id', { subject: user('') }, 'rbac.relation_malformed'],
    ['an id that is a number', { subject: { type: 'user', id: 7 } }, 'rbac.relation_malformed'],
    ['an id of 256 characters', { subject: user('x'.repeat(256)) }, 'rbac.relation_malformed'],
    ['half a character', { object: { type: 'document', id: '\udfff' } }, 'rbac.relation_malformed'],
    ['no tenant', { tenant: '' }, 'rbac.relation_malformed'],
    ['an end that is past', { expiresAt: 1 }, 'rbac.relation_malformed'],
  ])('refuses %s', async (_, part, code) => {
    const { drive } = openDrive()
    const tuple = { ...viewer, subject: user('grace'), ...part } as Parameters<Drive['write']>[0]
    await expect(drive.write(tuple)).rejects.toMatchObject({ code, status: 400 })
  })

  it('forgets an object that is deleted, so that the next one with its id has none of its relations', async () => {
    const { drive } = openDrive()
    await drive.write({ tenant, object: readme, relation: 'parent', subject: folder('a') })
    await drive.write({ tenant, object: folder('a'), relation: 'parent', subject: folder('b') })
    await drive.write({ tenant, object: folder('a'), relation: 'viewer', subject: user('grace') })
    await drive.write({ tenant: 'globex', object: folder('a'), relation: 'viewer', subject: user('grace') })
    for (let n = 0; n < 120; n++) await drive.write({ tenant, object: folder('a'), relation: 'viewer', subject: user(`u${n}`) })
    expect(await mayView(drive)).toBe(true)
    expect(await drive.forget({ tenant, object: folder('a') })).toBe(123)
    expect(await drive.forget({ tenant, object: folder('a') })).toBe(0)
    expect(await mayView(drive)).toBe(false)
    const elsewhere = { tenant: 'globex', object: folder('a'), relation: 'viewer', subject: user('grace') } as const
    expect((await drive.check(elsewhere)).allowed).toBe(true)
  })

  it('forgets a group with its members and with what is shared with it', async () => {
    const { drive } = openDrive()
    await drive.write({ ...viewer, subject: members('staff') })
    await drive.write({ tenant, object: group('staff'), relation: 'member', subject: user('grace') })
    expect(await drive.forget({ tenant, object: group('staff') })).toBe(2)
    await drive.write({ tenant, object: group('staff'), relation: 'member', subject: user('grace') })
    expect(await mayView(drive)).toBe(false)
  })
})

describe('explaining', () => {
  it('expands into who, by which group, by which parent', async () => {
    const { drive, clock } = openDrive()
    const expiresAt = clock.now() + 1000
    await drive.write({ tenant, object: readme, relation: 'parent', subject: folder('docs') })
    await drive.write({ tenant, object: readme, relation: 'viewer', subject: members('staff'), expiresAt })
    await drive.write({ tenant, object: group('staff'), relation: 'member', subject: user('grace') })
    await drive.write({ tenant, object: folder('docs'), relation: 'owner', subject: user('ada') })
    const leaf = (
      object: RelationTree['object'],
      relation: string,
      subjects: string[] = [],
      implied: RelationTree[] = [],
    ): RelationTree => ({
      object,
      relation,
      subjects: subjects.map((id) => ({ subject: user(id), expiresAt: undefined })),
      implied,
    })
    const docs = folder('docs')
    expect(await drive.expand(viewer)).toEqual({
      ...leaf(readme, 'viewer'),
      subjects: [{ subject: members('staff'), expiresAt, members: leaf(group('staff'), 'member', ['grace']) }],
      implied: [
        leaf(readme, 'editor', [], [leaf(readme, 'owner'), leaf(docs, 'editor', [], [leaf(docs, 'owner', ['ada'])])]),
        { ...leaf(docs, 'viewer'), implied: [{ ...leaf(docs, 'editor'), cut: 'seen' }] },
      ],
    })
  })

  it('shows the tuples of an object, and those that name somebody', async () => {
    const { drive, clock } = openDrive()
    await drive.write({ ...viewer, subject: members('staff'), by: { kind: 'user', subject: 'ada' } })
    await drive.write({ ...viewer, relation: 'owner', subject: user('grace') })
    const [share] = await tuplesOf(drive.tuples({ tenant, subject: group('staff') }))
    const { cursor: _, ...tuple } = share!
    expect(tuple).toEqual({
      tenant,
      object: readme,
      relation: 'viewer',
      subject: members('staff'),
      expiresAt: undefined,
      by: { kind: 'user', subject: 'ada' },
      at: clock.now(),
    })
    const first = await tuplesOf(drive.tuples({ tenant, object: readme }, { limit: 1 }))
    const rest = await tuplesOf(drive.tuples({ tenant, object: readme }, { after: first[0]!.cursor }))
    expect([...first, ...rest].map(({ relation }) => relation).sort()).toEqual(['owner', 'viewer'])
  })
})

describe('a relation as a condition', () => {
  interface Paper {
    readonly id: string
    readonly tenant?: string | undefined
  }

  it('is true for the principal who stands in it to the record of his tenant', async () => {
    const { drive } = openDrive()
    const isViewer: RelatedCondition<Paper> = drive.related('document#viewer')
    await drive.write({ ...viewer, subject: user('grace') })
    await drive.write({ ...viewer, subject: { type: 'client', id: 'robot' } })
    await drive.write({ ...viewer, tenant: 'globex', subject: user('grace') })
    const paper = { id: 'readme', tenant }
    const { tenant: _, ...nowhere } = grace
    expect(await isViewer(grace, paper)).toBe(true)
    expect(await isViewer({ ...grace, subject: 'robot', kind: 'client' }, paper)).toBe(true)
    expect(await isViewer({ ...grace, subject: 'robot' }, paper)).toBe(false)
    expect(await isViewer(grace, { id: 'other', tenant })).toBe(false)
    expect(await isViewer(grace, { id: 'readme', tenant: 'globex' })).toBe(false)
    expect(await isViewer(grace, { id: 'readme' })).toBe(false)
    expect(await isViewer(nowhere, { id: 'readme' })).toBe(false)
    expect(await isViewer(nowhere, paper)).toBe(false)
  })

  it('takes the id from where the record has it', async () => {
    const { drive } = openDrive()
    await drive.write({ ...viewer, object: { type: 'document', id: '17' }, subject: user('grace') })
    const byNumber = drive.related('document#viewer', (row: { readonly number: number; readonly tenant: string }) => row.number)
    expect(await byNumber(grace, { number: 17, tenant })).toBe(true)
    expect(await byNumber(grace, { number: 18, tenant })).toBe(false)
    const isViewer = drive.related<{ id: string; tenant: string }>('document#viewer')
    await expect(isViewer(grace, { tenant } as never)).rejects.toMatchObject({ code: 'rbac.relation_malformed' })
  })

  it('relates a principal whose kind is no type to nothing, and takes another name for it', async () => {
    const { store, clock } = openDrive()
    const people = { person: {}, document: { viewer: { direct: ['person'] } } } as const
    const unnamed = createRelations({ store, clock, schema: people })
    const named = createRelations({ store, clock, schema: people, principals: { user: 'person' } })
    await named.write({ ...viewer, subject: { type: 'person', id: 'grace' } })
    const paper = { id: 'readme', tenant }
    expect(await unnamed.related<Paper>('document#viewer')(grace, paper)).toBe(false)
    expect(await named.related<Paper>('document#viewer')(grace, paper)).toBe(true)
    expect(await named.related<Paper>('document#viewer')({ ...grace, kind: 'client' }, paper)).toBe(false)
  })

  it('is refused when it is made for a relation that there is not', () => {
    const { drive } = openDrive()
    expect(() => drive.related('document#reader' as 'document#viewer')).toThrow(
      expect.objectContaining({ code: 'rbac.relation_unknown' }),
    )
  })
})

async function tuplesOf(
  found: AsyncIterable<RelationTuple & { cursor: string }>,
): Promise<(RelationTuple & { cursor: string })[]> {
  const all = []
  for await (const tuple of found) all.push(tuple)
  return all
}

/** A store that tells of each value that is read. */
function countingReads(store: Store, read: () => void): Store {
  return {
    collection<T extends Json>(declaration: CollectionDeclaration): Collection<T> {
      const kept = store.collection<T>(declaration)
      return {
        get(id) {
          read()
          return kept.get(id)
        },
        async *find(index, key, page) {
          for await (const one of kept.find(index, key, page)) {
            read()
            yield one
          }
        },
        create: (id, value, options) => kept.create(id, value, options),
        replace: (id, version, value, options) => kept.replace(id, version, value, options),
        take: (id) => kept.take(id),
        remove: (id) => kept.remove(id),
      }
    },
  }
}
