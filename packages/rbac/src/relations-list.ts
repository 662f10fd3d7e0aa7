import type { RelationReasonCode } from './relations-decision.ts'
import type { CompiledRelation, RelationModel } from './relations-schema.ts'
import { inBatches, isAllowed, type RelationBounds, Search } from './relations-search.ts'
import { type KeptTuple, type ObjectRef, type SubjectRef, subjectOf, textOf } from './relations-tuple.ts'
import type { Tuples } from './relations-tuples.ts'

/** The objects of one type to which a subject stands in a relation. */
export interface RelatedObjects {
  /** In order of their characters. */
  readonly ids: readonly string[]
  /** Whether these are all. If not, there may be more: `code` says which bound was reached. */
  readonly complete: boolean
  readonly code: RelationReasonCode | undefined
}

/** What is asked. */
export interface ListQuery {
  readonly tenant: string
  readonly type: string
  readonly relation: string
  readonly subject: SubjectRef
  /** The most ids. */
  readonly limit: number
}

interface Found {
  readonly object: ObjectRef
  readonly relation: CompiledRelation
}

/** From the subject up, over what may lead to the relation that is asked for, and nothing else. */
export async function listObjects(
  model: RelationModel,
  tuples: Tuples,
  bounds: RelationBounds,
  { tenant, type, relation, subject, limit }: ListQuery,
): Promise<RelatedObjects> {
  const target = model.get(type, relation)
  const leading = relationsTo(model, target)
  const search = new Search(bounds.listReads)
  const seen = new Set<string>()
  const ids = new Set<string>()
  // Each that is found, and what it implies on the same object.
  const widen = (found: readonly Found[]): Found[] =>
    found
      .flatMap(({ object, relation: one }) =>
        leading.filter(({ same }) => same.includes(one)).map((each) => ({ object, relation: each })),
      )
      .filter(({ object, relation: one }) => {
        const isNew = seen.size < seen.add(JSON.stringify([object.type, object.id, one.name])).size
        if (isNew && one === target) ids.add(object.id)
        return isNew
      })

  let level = widen(await named(model, tuples, search, tenant, subject))
  for (let depth = 1; level.length > 0 && ids.size <= limit && !search.isSpent; depth++) {
    const next = await inBatches(level, (one) => above(model, tuples, search, tenant, one))
    const wider = widen(next.flat())
    if (wider.length > 0 && depth > bounds.maxDepth) {
      search.cut('rbac.relation_too_deep')
      for (const { object, relation: one } of wider) if (one === target) ids.delete(object.id)
      break
    }
    level = wider
  }
  if (search.isSpent && level.length > 0) search.cut('rbac.relation_too_costly')
  const all = [...ids].sort()
  if (all.length > limit) search.cut('rbac.relation_too_wide')
  return Object.freeze({ ids: Object.freeze(all.slice(0, limit)), complete: search.code === undefined, code: search.code })
}

/** What tuples give the subject at once. */
async function named(
  model: RelationModel,
  tuples: Tuples,
  search: Search,
  tenant: string,
  subject: SubjectRef,
): Promise<Found[]> {
  const isOne = !('everyone' in subject) && !('relation' in subject)
  const subjects: SubjectRef[] = isOne ? [subject, { type: subject.type, everyone: true }] : [subject]
  const found: Found[] = []
  for (const one of subjects) {
    for (const tuple of await search.collect(tuples.ofSubject(tenant, one))) {
      if (textOf(subjectOf(tuple.subject)) === textOf(one)) found.push(...foundBy(model, tuples, tuple, tuple.relation))
    }
  }
  const itself = 'relation' in subject ? model.find(subject.type, subject.relation) : undefined
  if ('id' in subject && itself !== undefined) found.push({ object: subject, relation: itself })
  return found
}

/** What comes to whoever stands in a relation to an object: as its userset, and over links to it. */
async function above(
  model: RelationModel,
  tuples: Tuples,
  search: Search,
  tenant: string,
  { object, relation }: Found,
): Promise<Found[]> {
  const naming = await search.collect(tuples.ofSubject(tenant, object))
  return naming.flatMap((tuple) => {
    if (tuple.subject.relation === relation.name) return foundBy(model, tuples, tuple, tuple.relation)
    // A link names objects one by one, so a tuple of it that names a set is one that the schema does not allow.
    return [...model.all]
      .filter((one) => one.type === tuple.object.type)
      .filter(({ from }) => from.some((way) => way.link === tuple.relation && way.relation === relation.name))
      .flatMap((one) => foundBy(model, tuples, tuple, one.name))
  })
}

/** @param gives the relation to the tuple's object that it gives */
function foundBy(model: RelationModel, tuples: Tuples, tuple: KeptTuple, gives: string): Found[] {
  const { object } = tuple
  const relation = model.find(object.type, gives)
  if (relation === undefined || !tuples.isLive(tuple)) return []
  return isAllowed(model.find(object.type, tuple.relation), tuple) ? [{ object, relation }] : []
}

/** The relations that may lead to it: of the same object, of members of its usersets, of what it is linked to. */
function relationsTo(model: RelationModel, target: CompiledRelation): readonly CompiledRelation[] {
  const leading = new Set([target])
  for (const relation of leading) {
    for (const one of relation.same) {
      leading.add(one)
      const sets = [...one.usersets].map((name) => name.split('#'))
      const links = one.from.flatMap(({ relation: wanted, link }) =>
        [...(model.find(one.type, link)?.objects ?? [])].map((type) => [type, wanted]),
      )
      for (const [type = '', name = ''] of [...sets, ...links]) {
        const found = model.find(type, name)
        if (found !== undefined) leading.add(found)
      }
    }
  }
  return [...leading]
}
