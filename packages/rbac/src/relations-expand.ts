import type { RelationReasonCode } from './relations-decision.ts'
import type { CompiledRelation, RelationModel } from './relations-schema.ts'
import { isAllowed, type RelationBounds, Search } from './relations-search.ts'
import { type ObjectRef, type SubjectRef, subjectOf, textOf } from './relations-tuple.ts'
import type { Tuples } from './relations-tuples.ts'

/** Who stands in a relation to an object, and why: for people who ask what a share comes to. */
export interface RelationTree {
  readonly object: ObjectRef
  readonly relation: string
  /** Whom tuples name; with the members, where it is a group. */
  readonly subjects: readonly ExpandedSubject[]
  /** What implies it: relations of the same object, and of the objects that it is linked to. */
  readonly implied: readonly RelationTree[]
  /** Why it does not go on here: `seen`, it is elsewhere in the tree; else the bound that was reached. */
  readonly cut?: RelationReasonCode | 'seen'
}

/** Somebody whom a tuple names. */
export interface ExpandedSubject {
  readonly subject: SubjectRef
  /** Milliseconds since the epoch. */
  readonly expiresAt: number | undefined
  readonly members?: RelationTree
}

/** @throws RelationError `rbac.relation_unknown` */
export async function expandRelation(
  model: RelationModel,
  tuples: Tuples,
  bounds: RelationBounds,
  { tenant, object, relation }: { readonly tenant: string; readonly object: ObjectRef; readonly relation: string },
): Promise<{ readonly tree: RelationTree; readonly code: RelationReasonCode | undefined }> {
  const search = new Search(bounds.maxReads)
  const seen = new Set<string>()

  const grow = async ({ type, id }: ObjectRef, one: CompiledRelation, depth: number): Promise<RelationTree> => {
    const head = { object: { type, id }, relation: one.name }
    const bound = depth > bounds.maxDepth ? 'rbac.relation_too_deep' : search.isSpent ? 'rbac.relation_too_costly' : undefined
    if (bound !== undefined) {
      search.cut(bound)
      return { ...head, subjects: [], implied: [], cut: bound }
    }
    const { size } = seen
    if (seen.add(textOf(head.object, one.name)).size === size) return { ...head, subjects: [], implied: [], cut: 'seen' }

    const subjects: ExpandedSubject[] = []
    for (const tuple of await search.collect(tuples.ofRelation(tenant, head.object, one.name))) {
      if (!tuples.isLive(tuple) || !isAllowed(one, tuple)) continue
      const { expiresAt } = tuple
      const { type: set, id: setId, relation: of } = tuple.subject
      const members = setId === undefined || of === undefined ? undefined : model.find(set, of)
      const known = { subject: subjectOf(tuple.subject), expiresAt }
      if (members === undefined || setId === undefined) subjects.push(known)
      else subjects.push({ ...known, members: await grow({ type: set, id: setId }, members, depth + 1) })
    }
    const implied: RelationTree[] = []
    for (const name of one.computed) implied.push(await grow(head.object, model.get(type, name), depth))
    for (const { link, relation: wanted } of one.from) {
      const linked = model.find(type, link)
      const page = { limit: bounds.fanOut + 1 }
      for (const tuple of await search.collect(tuples.ofRelation(tenant, head.object, link, page), bounds.fanOut)) {
        const { type: parent, id: parentId = '' } = tuple.subject
        const found = model.find(parent, wanted)
        if (found === undefined || !tuples.isLive(tuple) || !isAllowed(linked, tuple)) continue
        implied.push(await grow({ type: parent, id: parentId }, found, depth + 1))
      }
    }
    return { ...head, subjects, implied }
  }

  const tree = await grow(object, model.get(object.type, relation), 0)
  const { code } = search
  return { tree: code === undefined || tree.cut !== undefined ? tree : { ...tree, cut: code }, code }
}
