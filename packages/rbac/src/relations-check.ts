import { type RelationDecision, relationReason } from './relations-decision.ts'
import type { CompiledRelation, RelationModel } from './relations-schema.ts'
import { inBatches, mayName, type RelationBounds, Search } from './relations-search.ts'
import { type KeptTuple, type ObjectRef, type SubjectRef, subjectOf, type TupleKey, textOf } from './relations-tuple.ts'
import type { Tuples } from './relations-tuples.ts'

/** A relation to an object that would do, and how the question came there. */
interface Node {
  readonly object: ObjectRef
  readonly relation: CompiledRelation
  readonly below: Node | undefined
  /** What led here from there. */
  readonly tuple: KeptTuple | undefined
  /** By which relation of the object below. */
  readonly through: CompiledRelation | undefined
}

/** The last step: a tuple that names the subject, or that the subject is the very set that is asked about. */
interface Hit {
  readonly node: Node
  readonly relation: CompiledRelation
  readonly tuple: KeptTuple | undefined
}

/**
 * Whether a subject stands in a relation to an object. By breadth, so that the first visit of an object is the shortest one, and each
 * is made once: cycles end. Everything in a schema adds and nothing takes away, so a search that is cut short never says yes wrongly.
 */
export async function checkRelation(
  model: RelationModel,
  tuples: Tuples,
  bounds: RelationBounds,
  { tenant, object, relation, subject }: TupleKey,
): Promise<RelationDecision> {
  const search = new Search(bounds.maxReads)
  const question = `${textOf(object, relation)}@${textOf(subject)}`
  const seen = new Set<string>()
  const asNew = (node: Node): boolean => {
    const key = JSON.stringify([node.object.type, node.object.id, node.relation.name])
    return seen.size < seen.add(key).size
  }
  const root: Node = {
    object,
    relation: model.get(object.type, relation),
    below: undefined,
    tuple: undefined,
    through: undefined,
  }
  let level = [root].filter(asNew)
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > bounds.maxDepth) {
      search.cut('rbac.relation_too_deep')
      break
    }
    const looked = await inBatches(
      level,
      (node) => findHit(tuples, search, tenant, node, subject),
      (hit) => hit !== undefined,
    )
    const hit = looked.find((one) => one !== undefined)
    if (hit !== undefined) return decisionOf(hit, question, subject)
    if (search.isSpent) {
      search.cut('rbac.relation_too_costly')
      break
    }
    const next = await inBatches(level, (node) => nextNodes(model, tuples, search, bounds, tenant, node))
    level = next.flat().filter(asNew)
  }
  const reason = relationReason(search.code ?? 'rbac.not_related', question)
  return Object.freeze({ allowed: false, reason, path: Object.freeze([]), until: undefined })
}

async function findHit(
  tuples: Tuples,
  search: Search,
  tenant: string,
  node: Node,
  subject: SubjectRef,
): Promise<Hit | undefined> {
  const { object } = node
  const everybody: SubjectRef = { type: subject.type, everyone: true }
  for (const relation of node.relation.same) {
    if (isItself(object, relation, subject)) return { node, relation, tuple: undefined }
    const named = [subject, ...(isOne(subject) ? [everybody] : [])].filter((one) => mayName(relation, one))
    for (const one of named) {
      if (!search.spend()) return undefined
      const tuple = await tuples.get({ tenant, object, relation: relation.name, subject: one })
      if (tuple !== undefined) return { node, relation, tuple }
    }
  }
  return undefined
}

/** Members of the groups that stand in the relation, and whoever has the relation to what the object is linked to. */
async function nextNodes(
  model: RelationModel,
  tuples: Tuples,
  search: Search,
  { fanOut }: RelationBounds,
  tenant: string,
  node: Node,
): Promise<Node[]> {
  const nodes: Node[] = []
  const add = (tuple: KeptTuple, relation: string, through: CompiledRelation): void => {
    const { type, id = '' } = tuple.subject
    const found = model.find(type, relation)
    if (found !== undefined) nodes.push({ object: { type, id }, relation: found, below: node, tuple, through })
  }
  const live = (relation: CompiledRelation | undefined, found: readonly KeptTuple[]): KeptTuple[] =>
    found.filter((tuple) => tuples.isLive(tuple) && relation !== undefined && mayName(relation, subjectOf(tuple.subject)))

  for (const relation of node.relation.same) {
    if (relation.usersets.size > 0) {
      const page = { limit: fanOut + 1 }
      const found = await search.collect(tuples.usersetsOf(tenant, node.object, relation.name, page), fanOut)
      for (const tuple of live(relation, found)) add(tuple, tuple.subject.relation ?? '', relation)
    }
    for (const { link, relation: wanted } of relation.from) {
      const found = await search.collect(tuples.ofRelation(tenant, node.object, link, { limit: fanOut + 1 }), fanOut)
      for (const tuple of live(model.find(node.object.type, link), found)) add(tuple, wanted, relation)
    }
  }
  return nodes
}

function decisionOf({ node, relation, tuple }: Hit, question: string, subject: SubjectRef): RelationDecision {
  const path = tuple === undefined ? [] : [textOf(subjectOf(tuple.subject))]
  const ends = [tuple?.expiresAt]
  let through: CompiledRelation | undefined = relation
  for (let at: Node | undefined = node; at !== undefined; at = at.below) {
    if (through !== undefined && through !== at.relation) path.unshift(textOf(at.object, through.name))
    path.unshift(textOf(at.object, at.relation.name))
    ends.push(at.tuple?.expiresAt)
    through = at.through
  }
  const [last] = path.slice(-1)
  // By a tuple for everybody: the subject himself is still the end of the way.
  if (tuple?.subject.everyone && last !== textOf(subject)) path.push(textOf(subject))
  const until = Math.min(...ends.map((end) => end ?? Number.POSITIVE_INFINITY))
  return Object.freeze({
    allowed: true,
    reason: relationReason('rbac.related', question, path),
    path: Object.freeze(path),
    until: Number.isFinite(until) ? until : undefined,
  })
}

/** One somebody, and not a set. */
function isOne(subject: SubjectRef): boolean {
  return !('everyone' in subject) && !('relation' in subject)
}

/** The members of a group stand in `member` to the group: nobody writes a tuple for it. */
function isItself({ type, id }: ObjectRef, { name }: CompiledRelation, subject: SubjectRef): boolean {
  return 'relation' in subject && subject.type === type && subject.id === id && subject.relation === name
}
