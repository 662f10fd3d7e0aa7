import { type Clock, type EventContext, type Page, type Principal, type Store, systemClock } from '@portcullis/core'
import { checkRelation } from './relations-check.ts'
import type { RelationDecision } from './relations-decision.ts'
import { RelationError } from './relations-errors.ts'
import { relationBounded } from './relations-events.ts'
import { expandRelation, type RelationTree } from './relations-expand.ts'
import { listObjects, type RelatedObjects } from './relations-list.ts'
import {
  type CheckedSchema,
  RelationModel,
  type RelationName,
  type RelationOf,
  type RelationSchema,
  type TypeOf,
} from './relations-schema.ts'
import type { RelationBounds } from './relations-search.ts'
import {
  checkObject,
  checkSubject,
  checkTenant,
  type ObjectRef,
  type RelationTo,
  type RelationTuple,
  type SubjectOf,
  type TupleKey,
  textOf,
  tupleOf,
} from './relations-tuple.ts'
import { Tuples } from './relations-tuples.ts'
import { RelationWriter, type WriteRelationOptions } from './relations-writer.ts'

export type { Party } from './assignments-holder.ts'
export type { RelationDecision, RelationReason, RelationReasonCode } from './relations-decision.ts'
export { RelationError, type RelationErrorCode } from './relations-errors.ts'
export { type RelationEvent, relationBounded, relationRemoved, relationWritten } from './relations-events.ts'
export type { ExpandedSubject, RelationTree } from './relations-expand.ts'
export type { RelatedObjects } from './relations-list.ts'
export type { CheckedSchema, RelationDefinition, RelationName, RelationOf, RelationSchema, TypeOf } from './relations-schema.ts'
export type {
  EveryoneRef,
  ObjectRef,
  RelationTo,
  RelationTuple,
  SubjectOf,
  SubjectRef,
  UsersetRef,
} from './relations-tuple.ts'
export type { WriteRelationOptions } from './relations-writer.ts'

/** Options of {@link createRelations}. */
export interface RelationsOptions<S extends RelationSchema> {
  /** Keeps the tuples. */
  readonly store: Store
  /** Types, their relations, and what implies what. A name that it does not have does not compile. */
  readonly schema: S & CheckedSchema<S>
  /** Which type a principal is, by his kind. By default `user` and `client`, where the schema has such types. */
  readonly principals?: { readonly [Kind in Principal['kind']]?: TypeOf<NoInfer<S>> }
  /** Steps from group to group and from parent to parent: 1 to 50; 10 by default. */
  readonly maxDepth?: number
  /** How many groups, or parents, of one object are looked at: 1 to 1,000; 100 by default. */
  readonly fanOut?: number
  /** Reads that one `check` or `expand` may cost: 10 to 100,000; 1,000 by default. */
  readonly maxReads?: number
  /** Reads that one `list` may cost: 10 to 1,000,000; 10,000 by default. */
  readonly listReads?: number
  /** By which tuples end. Default: the machine's. */
  readonly clock?: Clock
}

/** A record, as {@link Relations.related} looks at it. */
export interface RelatedRecord {
  /** The tenant that it belongs to, as the store has it. A record without one is nobody's. */
  readonly tenant?: string | undefined
}

/** A condition on a record: `true` when the principal stands in the relation to it. */
export type RelatedCondition<Rec extends RelatedRecord> = (principal: Principal, record: Rec) => Promise<boolean>

/**
 * Who stands in which relation to which object: `object#relation@subject`, as in Zanzibar (Pang et al., 2019), §2.1. Everything is of a
 * tenant, and nothing leads from one tenant to another. Nothing is cached: what was removed is gone for the next question.
 *
 * All throw RelationError `rbac.relation_unknown`, `rbac.relation_malformed` (400).
 */
export interface Relations<S extends RelationSchema> {
  /**
   * Writes a tuple.
   * @returns false: it is there already, with this end
   * @throws RelationError `rbac.relation_subject_invalid` (400), `rbac.relations_contended` (503)
   */
  write(
    tuple: RelationTo<S> & { readonly subject: SubjectOf<S> } & WriteRelationOptions,
    context?: EventContext,
  ): Promise<boolean>
  /** Removes a tuple; for the next question it is gone. @returns false: it was not there */
  remove(
    tuple: RelationTo<S> & { readonly subject: SubjectOf<S> } & Pick<WriteRelationOptions, 'by'>,
    context?: EventContext,
  ): Promise<boolean>
  /**
   * Removes every tuple on an object and every one that names it, for when it is deleted: else whatever gets its id next has its
   * relations. What is written meanwhile may stay.
   * @returns how many there were
   */
  forget(
    gone: { readonly tenant: string; readonly object: ObjectRef<TypeOf<S>> } & Pick<WriteRelationOptions, 'by'>,
    context?: EventContext,
  ): Promise<number>
  /** Whether somebody stands in a relation to an object, and by which way. What the bounds cut short is a no, and the event `rbac.relation_bounded`. */
  check(question: RelationTo<S> & { readonly subject: SubjectOf<S> }): Promise<RelationDecision>
  /** Everybody who stands in a relation to an object, as a tree. */
  expand(question: RelationTo<S>): Promise<RelationTree>
  /**
   * The objects to which somebody stands in a relation.
   * @param question `limit`: how many ids at most, 1,000 by default
   */
  list<T extends TypeOf<S>>(question: {
    readonly tenant: string
    readonly type: T
    readonly relation: RelationOf<S, T>
    readonly subject: SubjectOf<S>
    readonly limit?: number
  }): Promise<RelatedObjects>
  /** The tuples on an object, or those that name a subject; what they imply is {@link expand}'s to say. In an order that means nothing. */
  tuples(
    query: { readonly tenant: string } & ({ readonly object: ObjectRef<TypeOf<S>> } | { readonly subject: ObjectRef<TypeOf<S>> }),
    page?: Pick<Page, 'after' | 'limit'>,
  ): AsyncIterable<RelationTuple & { readonly cursor: string }>
  /**
   * A relation as a condition. The tenant is the principal's, and the record must be of it. A principal whose kind is no type of the
   * schema is related to nothing.
   * @param idOf the record's id; by default its `id`
   * @example const mayView = related('document#viewer'); if (!(await mayView(principal, document))) return problem({ status: 404 })
   */
  related<Rec extends RelatedRecord & { readonly id: string | number }>(relation: RelationName<S>): RelatedCondition<Rec>
  related<Rec extends RelatedRecord>(relation: RelationName<S>, idOf: (record: Rec) => string | number): RelatedCondition<Rec>
}

/**
 * Keeps relations between objects, for what roles don't reach: a document shared with a person or a group, a folder's readers.
 *
 * @throws RelationError `rbac.relation_schema_invalid`, `rbac.relations_invalid`
 * @example
 * const relations = createRelations({
 *   store,
 *   schema: {
 *     user: {},
 *     group: { member: { direct: ['user', 'group#member'] } },
 *     folder: { viewer: { direct: ['user', 'group#member'] } },
 *     document: { parent: { direct: ['folder'] }, viewer: { direct: ['user'], anyOf: ['viewer from parent'] } },
 *   },
 * })
 */
export function createRelations<const S extends RelationSchema>(options: RelationsOptions<S>): Relations<S> {
  const { store, schema, clock = systemClock, maxDepth = 10, fanOut = 100, maxReads = 1000, listReads = 10_000 } = options
  const bounds: RelationBounds = { maxDepth, fanOut, maxReads, listReads }
  const most = { maxDepth: [1, 50], fanOut: [1, 1000], maxReads: [10, 100_000], listReads: [10, 1_000_000] } as const
  for (const name of ['maxDepth', 'fanOut', 'maxReads', 'listReads'] as const) checkBound(name, bounds[name], most[name])
  const model = new RelationModel(schema)
  const principals = principalTypes(model, options.principals ?? {})
  const tuples = new Tuples(store, clock)
  const writer = new RelationWriter(model, tuples, clock)

  const checkKey = ({ tenant, object, relation, subject }: TupleKey): void => {
    checkTenant(tenant)
    checkObject(model, object)
    model.get(object.type, relation)
    checkSubject(model, subject)
  }
  const tell = (tenant: string, question: string, code: RelationDecision['reason']['code'] | undefined): void => {
    if (code === undefined || code === 'rbac.related' || code === 'rbac.not_related') return
    relationBounded.publish({ tenant, question, code }, { clock })
  }
  const check = async (key: TupleKey): Promise<RelationDecision> => {
    checkKey(key)
    const decision = await checkRelation(model, tuples, bounds, key)
    tell(key.tenant, `${textOf(key.object, key.relation)}@${textOf(key.subject)}`, decision.reason.code)
    return decision
  }

  return {
    write: (tuple, context) => writer.write(tuple, tuple, context),
    remove: (tuple, context) => writer.remove(tuple, tuple.by, context),
    forget: ({ tenant, object, by }, context) => writer.forget(tenant, object, by, context),
    check: (question) => check(question),
    async expand(question) {
      const { tenant, object, relation } = question
      checkTenant(tenant)
      checkObject(model, object)
      const { tree, code } = await expandRelation(model, tuples, bounds, question)
      tell(tenant, textOf(object, relation), code)
      return tree
    },
    async list({ tenant, type, relation, subject, limit = 1000 }) {
      checkTenant(tenant)
      checkSubject(model, subject)
      checkBound('limit', limit, [1, 1_000_000])
      const listed = await listObjects(model, tuples, bounds, { tenant, type, relation, subject, limit })
      tell(tenant, `${type}#${relation}@${textOf(subject)}`, listed.code)
      return listed
    },
    async *tuples(query, page) {
      checkTenant(query.tenant)
      const object = 'object' in query ? query.object : query.subject
      checkObject(model, object)
      const found = 'object' in query ? tuples.ofObject(query.tenant, object, page) : tuples.ofSubject(query.tenant, object, page)
      for await (const { id, value } of found) if (tuples.isLive(value)) yield { cursor: id, ...tupleOf(value) }
    },
    related<Rec extends RelatedRecord>(
      name: RelationName<S>,
      idOf: (record: Rec) => string | number = (record) => (record as { readonly id?: string | number }).id ?? '',
    ): RelatedCondition<Rec> {
      const [type = '', relation = ''] = name.split('#')
      model.get(type, relation)
      return async (principal, record) => {
        const subjectType = principals[principal.kind]
        const { tenant } = principal
        // The record's tenant comes from the store, the principal's from his credential: none on either side is a no.
        if (subjectType === undefined || tenant === undefined || record.tenant !== tenant) return false
        const object = { type, id: String(idOf(record)) }
        const decision = await check({ tenant, object, relation, subject: { type: subjectType, id: principal.subject } })
        return decision.allowed
      }
    },
  }
}

function principalTypes(
  model: RelationModel,
  given: { readonly [Kind in Principal['kind']]?: string },
): { readonly [Kind in Principal['kind']]: string | undefined } {
  for (const type of Object.values(given)) {
    if (type !== undefined && !model.hasType(type)) {
      throw new RelationError(
        'rbac.relations_invalid',
        `principals names ${JSON.stringify(type)}, which is no type of the schema`,
        [type],
      )
    }
  }
  const typeOf = (kind: Principal['kind']): string | undefined => given[kind] ?? (model.hasType(kind) ? kind : undefined)
  return { user: typeOf('user'), client: typeOf('client') }
}

/** @throws RelationError `rbac.relations_invalid` */
function checkBound(name: string, value: number, [least, most]: readonly [number, number]): void {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw new RelationError('rbac.relations_invalid', `${name} must be a whole number from ${least} to ${most}`)
  }
}
