import type { SubjectOf } from '@portcullis/rbac/relations'
import { describe, expect, it } from 'vitest'
import { folder, group, members, openDrive, type schema, tenant, user } from './relations-drive.ts'

type Subject = SubjectOf<typeof schema>
type Tuple = Parameters<ReturnType<typeof openDrive>['drive']['write']>[0]

const ids = ['a', 'b', 'c'] as const
const documents = ids.map((id) => ({ type: 'document', id }) as const)
const subjects: readonly Subject[] = [
  ...ids.map(user),
  ...ids.map(members),
  // The group itself is not its members.
  ...ids.map(group),
  { type: 'user', everyone: true },
  { type: 'client', id: 'a' },
]

/** Mulberry32: the same graphs each time, whatever the machine. */
function randomOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** Every tuple that the schema lets there be among three of each type. */
const possible: readonly Tuple[] = ids.flatMap((id) => {
  const at = <T extends Tuple['object'], R extends string>(object: T, relation: R, names: readonly Subject[]): Tuple[] =>
    names.map((subject) => ({ tenant, object, relation, subject }) as Tuple)
  const people = ids.map(user)
  const sets = [...people, ...ids.map(members)]
  const everybody = [...sets, { type: 'user', everyone: true } as const]
  const robot = { type: 'client', id: 'a' } as const
  return [
    ...at(group(id), 'member', sets),
    ...at(folder(id), 'parent', ids.map(folder)),
    ...at(folder(id), 'owner', people),
    ...at(folder(id), 'editor', sets),
    ...at(folder(id), 'viewer', everybody),
    ...at({ type: 'document', id } as const, 'parent', ids.map(folder)),
    ...at({ type: 'document', id } as const, 'owner', people),
    ...at({ type: 'document', id } as const, 'editor', [...sets, robot]),
    ...at({ type: 'document', id } as const, 'viewer', [...everybody, robot]),
  ]
})

/** What the schema says, worked out until nothing is added: sets of members of each `type:id#relation`, and no searching. */
function workedOut(tuples: readonly Tuple[]): (object: { type: string; id: string }, relation: string) => ReadonlySet<string> {
  const of = new Map<string, Set<string>>()
  const setOf = (key: string): Set<string> => {
    const found = of.get(key) ?? new Set()
    of.set(key, found)
    return found
  }
  // A set stands in itself.
  for (const id of ids) setOf(`group:${id}#member`).add(`group:${id}#member`)
  const textOf = (one: Subject): string =>
    'everyone' in one ? `${one.type}:*` : `${one.type}:${one.id}${'relation' in one ? `#${one.relation}` : ''}`
  const implied = { editor: ['owner'], viewer: ['editor'] } as Readonly<Record<string, readonly string[]>>
  for (let before = -1, size = 0; before !== size; size = [...of.values()].reduce((sum, set) => sum + set.size, 0)) {
    before = size
    for (const { object, relation, subject } of tuples) {
      const set = setOf(`${object.type}:${object.id}#${relation}`)
      set.add(textOf(subject))
      if ('relation' in subject) for (const one of setOf(textOf(subject))) set.add(one)
      if (relation === 'parent') {
        for (const each of ['editor', 'viewer']) {
          for (const one of setOf(`${textOf(subject)}#${each}`)) setOf(`${object.type}:${object.id}#${each}`).add(one)
        }
      }
    }
    for (const type of ['folder', 'document']) {
      for (const id of ids) {
        for (const [to, from] of Object.entries(implied)) {
          for (const each of from) for (const one of setOf(`${type}:${id}#${each}`)) setOf(`${type}:${id}#${to}`).add(one)
        }
      }
    }
  }
  return ({ type, id }, relation) => {
    const set = setOf(`${type}:${id}#${relation}`)
    const people = set.has('user:*') ? ids.map((one) => `user:${one}`) : []
    return new Set([...set, ...people])
  }
}

describe('check, list and expand agree with the schema, worked out without a search', () => {
  it.each(Array.from({ length: 40 }, (_, n) => n + 1))('on random graph %i, cycles and all', async (seed) => {
    const random = randomOf(seed)
    const tuples = Array.from({ length: 4 + random(24) }, () => possible[random(possible.length)]!)
    const { drive } = openDrive()
    for (const tuple of tuples) await drive.write(tuple)
    const expected = workedOut(tuples)
    for (const relation of ['owner', 'editor', 'viewer'] as const) {
      for (const subject of subjects) {
        const name =
          'everyone' in subject
            ? `${subject.type}:*`
            : `${subject.type}:${subject.id}${'relation' in subject ? `#${subject.relation}` : ''}`
        const wanted = documents.filter((document) => expected(document, relation).has(name)).map(({ id }) => id)
        const checked: string[] = []
        for (const object of documents) {
          const { allowed } = await drive.check({ tenant, object, relation, subject })
          if (allowed) checked.push(object.id)
        }
        const listed = await drive.list({ tenant, type: 'document', relation, subject })
        expect({ relation, name, checked, listed }).toEqual({
          relation,
          name,
          checked: wanted,
          listed: { ids: wanted, complete: true, code: undefined },
        })
      }
    }
    for (const object of documents) {
      const tree = JSON.stringify(await drive.expand({ tenant, object, relation: 'viewer' }))
      for (const id of ids) {
        const named = expected(object, 'viewer')
        if (named.has(`user:${id}`) && !named.has('user:*')) expect(tree).toContain(JSON.stringify(user(id)))
      }
    }
  })
})
