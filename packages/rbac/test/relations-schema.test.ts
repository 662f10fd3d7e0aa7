import { createMemoryStore } from '@portcullis/core'
import { createRelations, RelationError, type RelationSchema } from '@portcullis/rbac/relations'
import { describe, expect, it } from 'vitest'
import { openDrive, readme, tenant, user } from './relations-drive.ts'

const store = createMemoryStore()
const create = (schema: unknown): unknown => createRelations({ store, schema: schema as RelationSchema })

describe('a schema', () => {
  it.each<[what: string, schema: unknown, names: readonly string[]]>([
    [
      'an unknown type',
      { user: {}, doc: { viewer: { direct: ['usr', 'grp#member', 'anyone:*'] } } },
      ['usr', 'anyone:*', 'grp#member'],
    ],
    ['an unknown relation', { user: {}, doc: { viewer: { direct: ['user'], anyOf: ['editor'] } } }, ['editor']],
    [
      'a set of a relation that the group lacks',
      { user: {}, group: {}, doc: { viewer: { direct: ['group#member'] } } },
      ['group#member'],
    ],
    [
      'a link that there is not',
      { user: {}, doc: { viewer: { direct: ['user'], anyOf: ['viewer from parent'] } } },
      ['viewer from parent'],
    ],
    [
      'a link to what has no such relation',
      { user: {}, folder: {}, doc: { parent: { direct: ['folder'] }, viewer: { anyOf: ['viewer from parent'] } } },
      ['viewer from parent'],
    ],
    [
      'a link that names sets: whoever is put into the set would become a parent',
      {
        user: {},
        doc: { owner: { direct: ['user'] }, parent: { direct: ['doc', 'doc#owner'] }, viewer: { anyOf: ['owner from parent'] } },
      },
      ['owner from parent'],
    ],
    [
      'a link that something implies',
      {
        doc: {
          a: { direct: ['doc'] },
          parent: { direct: ['doc'], anyOf: ['a'] },
          viewer: { direct: ['doc'], anyOf: ['viewer from parent'] },
        },
      },
      ['viewer from parent'],
    ],
    ['a relation that nobody could stand in', { user: {}, doc: { viewer: {} } }, ['doc#viewer']],
    [
      'a member that it does not know: somebody relies on it',
      { user: {}, doc: { viewer: { direct: ['user'], exclude: ['user'] } } },
      ['exclude'],
    ],
    ['a list that is none', { user: {}, doc: { viewer: { direct: 'user' } } }, ['doc#viewer']],
    ['a name that is none', { user: {}, 'a b': {} }, ['a b']],
    ['a polluting name', JSON.parse('{ "user": {}, "__proto__": { "viewer": { "direct": ["user"] } } }'), ['__proto__']],
    ['a type that is a list', { user: [] }, []],
    ['nothing', undefined, []],
  ])('is refused with each wrong name: %s', (_, schema, names) => {
    expect(() => create(schema)).toThrow(RelationError)
    expect(() => create(schema)).toThrow(expect.objectContaining({ code: 'rbac.relation_schema_invalid', names }))
  })

  it('may imply in a circle', async () => {
    const drive = createRelations({
      store,
      schema: { user: {}, doc: { a: { direct: ['user'], anyOf: ['b'] }, b: { direct: ['user'], anyOf: ['a'] } } },
    })
    const object = { type: 'doc', id: 'x' } as const
    await drive.write({ tenant, object, relation: 'a', subject: user('grace') })
    expect((await drive.check({ tenant, object, relation: 'b', subject: user('grace') })).path).toEqual([
      'doc:x#b',
      'doc:x#a',
      'user:grace',
    ])
    expect((await drive.list({ tenant, type: 'doc', relation: 'b', subject: user('grace') })).ids).toEqual(['x'])
  })

  it.each([
    { maxDepth: 0 },
    { maxDepth: 51 },
    { fanOut: 0.5 },
    { maxReads: 9 },
    { listReads: Number.NaN },
    { principals: { user: 'person' } },
  ])('is used within bounds: %j is refused', (options) => {
    expect(() => createRelations({ store, schema: { user: {} }, ...(options as object) })).toThrow(
      expect.objectContaining({ code: 'rbac.relations_invalid' }),
    )
  })

  it('gives names that the compiler checks', async () => {
    const { drive } = openDrive()
    const viewer = { tenant, object: readme, relation: 'viewer' } as const
    // @ts-expect-error: no such relation of a document
    await expect(drive.check({ ...viewer, relation: 'member', subject: user('x') })).rejects.toThrow(RelationError)
    // @ts-expect-error: no such type
    await expect(drive.check({ ...viewer, subject: { type: 'usr', id: 'x' } })).rejects.toThrow(RelationError)
    // @ts-expect-error: no such relation
    expect(() => drive.related('document#veiwer')).toThrow(RelationError)
    // @ts-expect-error: no such type in direct
    expect(() => createRelations({ store, schema: { user: {}, doc: { viewer: { direct: ['usr'] } } } })).toThrow(RelationError)
    // @ts-expect-error: no such relation in anyOf
    expect(() => createRelations({ store, schema: { user: {}, doc: { viewer: { anyOf: ['editor'] } } } })).toThrow(RelationError)
    const linked = { user: {}, doc: { viewer: { direct: ['user'], anyOf: ['viewer from parnt'] } } } as const
    // @ts-expect-error: no such link
    expect(() => createRelations({ store, schema: linked })).toThrow(RelationError)
  })
})
