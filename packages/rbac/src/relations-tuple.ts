import type { WriteOptions } from '@portcullis/core'
import { keyOf, type Party } from './assignments-holder.ts'
import { malformedRelation, RelationError } from './relations-errors.ts'
import type { RelationModel, RelationOf, RelationSchema, TypeOf } from './relations-schema.ts'

/** An object by type and id. Never one string: an id that holds `#` or `:` must not become another object. */
export interface ObjectRef<Type extends string = string> {
  readonly type: Type
  /** 1 to 255 characters. */
  readonly id: string
}

/** Whoever stands in a relation to an object: the members of a group. */
export interface UsersetRef<Type extends string = string, Relation extends string = string> extends ObjectRef<Type> {
  readonly relation: Relation
}

/** Everybody of a type, in the tenant. */
export interface EveryoneRef<Type extends string = string> {
  readonly type: Type
  readonly everyone: true
}

/** What a tuple says stands in a relation. */
export type SubjectRef = ObjectRef | UsersetRef | EveryoneRef

/** A subject of a schema. */
export type SubjectOf<S extends RelationSchema> = {
  [T in TypeOf<S>]: ObjectRef<T> | UsersetRef<T, RelationOf<S, T>> | EveryoneRef<T>
}[TypeOf<S>]

/** A relation to one object of a schema: which relations there are depends on the object's type. */
export type RelationTo<S extends RelationSchema> = {
  [T in TypeOf<S>]: { readonly tenant: string; readonly object: ObjectRef<T>; readonly relation: RelationOf<S, T> }
}[TypeOf<S>]

/** A tuple, `object#relation@subject`, in a tenant. */
export interface RelationTuple {
  readonly tenant: string
  readonly object: ObjectRef
  readonly relation: string
  readonly subject: SubjectRef
  /** Milliseconds since the epoch; `undefined`: for good. */
  readonly expiresAt: number | undefined
  /** Who wrote it, and when: milliseconds since the epoch. */
  readonly by: Party | undefined
  readonly at: number
}

/** A tuple as it is kept. */
export type KeptTuple = {
  readonly tenant: string
  readonly object: { readonly type: string; readonly id: string }
  readonly relation: string
  readonly subject: { readonly type: string; readonly id?: string; readonly relation?: string; readonly everyone?: true }
  readonly expiresAt?: number
  readonly by?: Party
  readonly at: number
}

/** Which tuple. */
export interface TupleKey {
  readonly tenant: string
  readonly object: ObjectRef
  readonly relation: string
  readonly subject: SubjectRef
}

/** What a tuple is kept under: there is one of each. */
export function tupleId({ tenant, object, relation, subject }: TupleKey): string {
  return keyOf(tenant, object.type, object.id, relation, ...partsOf(subject))
}

/** How a tuple is written: found by its object, by object and relation, among the usersets of these, and by its subject's object. */
export function tupleOptions({ tenant, object, relation, subject }: TupleKey, expiresAt: number | undefined): WriteOptions {
  const index = {
    object: objectKey(tenant, object),
    relation: relationKey(tenant, object, relation),
    subject: subjectKey(tenant, subject),
    ...('relation' in subject ? { userset: relationKey(tenant, object, relation) } : {}),
  }
  return expiresAt === undefined ? { index } : { index, expiresAt }
}

export function objectKey(tenant: string, { type, id }: ObjectRef): string {
  return keyOf(tenant, type, id)
}

export function relationKey(tenant: string, { type, id }: ObjectRef, relation: string): string {
  return keyOf(tenant, type, id, relation)
}

/** A userset is found by its object, so that everything that names an object is found at once. */
export function subjectKey(tenant: string, subject: SubjectRef): string {
  const [type, id] = partsOf(subject)
  return keyOf(tenant, type, id)
}

/** As subjects are compared. An id is never empty, so everybody is nobody in particular. */
function partsOf(subject: SubjectRef): readonly [type: string, id: string, relation: string] {
  if ('everyone' in subject) return [subject.type, '', '*']
  return [subject.type, subject.id, 'relation' in subject ? subject.relation : '']
}

export function keepSubject(subject: SubjectRef): KeptTuple['subject'] {
  if ('everyone' in subject) return { type: subject.type, everyone: true }
  const { type, id } = subject
  return 'relation' in subject ? { type, id, relation: subject.relation } : { type, id }
}

export function subjectOf({ type, id = '', relation, everyone }: KeptTuple['subject']): SubjectRef {
  if (everyone) return { type, everyone }
  return relation === undefined ? { type, id } : { type, id, relation }
}

export function tupleOf(kept: KeptTuple): RelationTuple {
  const { tenant, object, relation, subject, expiresAt, by, at } = kept
  return { tenant, object, relation, subject: subjectOf(subject), expiresAt, by, at }
}

/** For people: `document:readme#viewer`. What would be ambiguous in an id is percent-encoded. */
export function textOf(ref: SubjectRef, relation?: string): string {
  const { type } = ref
  if ('everyone' in ref) return `${type}:*`
  const name = 'relation' in ref ? ref.relation : relation
  const id = ref.id.replace(/[%#:@*\s]/g, (character) => encodeURIComponent(character).replace('*', '%2A'))
  return name === undefined ? `${type}:${id}` : `${type}:${id}#${name}`
}

/** @throws RelationError `rbac.relation_malformed` (400) */
export function checkTenant(tenant: unknown): void {
  if (!isFit(tenant)) throw malformedRelation('a tenant must be text of 1 to 255 characters without control characters')
}

/** @throws RelationError `rbac.relation_malformed`, `rbac.relation_unknown` (400) */
export function checkObject(model: RelationModel, { type, id }: ObjectRef): void {
  if (!model.hasType(type)) {
    throw new RelationError('rbac.relation_unknown', `the schema has no type ${JSON.stringify(type)}`, [String(type)], 400)
  }
  if (!isFit(id)) throw malformedRelation('an id must be text of 1 to 255 characters without control characters')
}

/** @throws RelationError `rbac.relation_malformed`, `rbac.relation_unknown` (400) */
export function checkSubject(model: RelationModel, subject: SubjectRef): void {
  const id = 'everyone' in subject ? '*' : subject.id
  checkObject(model, { type: subject.type, id })
  if ('relation' in subject) model.get(subject.type, subject.relation)
}

function isFit(text: unknown): boolean {
  return typeof text === 'string' && text.length > 0 && text.length <= 255 && !/[\p{Cc}\p{Surrogate}\u2028\u2029]/u.test(text)
}
