import type { Clock, EventContext } from '@portcullis/core'
import type { Party } from './assignments-holder.ts'
import { malformedRelation, RelationError } from './relations-errors.ts'
import { relationRemoved, relationWritten } from './relations-events.ts'
import type { RelationModel } from './relations-schema.ts'
import { mayName } from './relations-search.ts'
import {
  checkObject,
  checkSubject,
  checkTenant,
  type KeptTuple,
  keepSubject,
  type ObjectRef,
  subjectOf,
  type TupleKey,
  textOf,
  tupleId,
} from './relations-tuple.ts'
import type { Tuples } from './relations-tuples.ts'

/** Who writes, and until when it counts. */
export interface WriteRelationOptions {
  /** Milliseconds since the epoch; left out: for good. */
  readonly expiresAt?: number
  /** The caller's principal; kept by kind and subject. */
  readonly by?: Party
}

/** How many tuples of an object that goes are removed before it is looked again. */
const pageSize = 100

/** Writes and removes tuples. */
export class RelationWriter {
  readonly #model: RelationModel
  readonly #tuples: Tuples
  readonly #clock: Clock

  constructor(model: RelationModel, tuples: Tuples, clock: Clock) {
    this.#model = model
    this.#tuples = tuples
    this.#clock = clock
  }

  async write(key: TupleKey, { expiresAt, by }: WriteRelationOptions, context?: EventContext): Promise<boolean> {
    this.#check(key)
    const { tenant, object, relation, subject } = key
    const at = this.#clock.now()
    if (!mayName(this.#model.get(object.type, relation), subject)) {
      const names = [`${object.type}#${relation}`, textOf('id' in subject ? { ...subject, id: '…' } : subject)]
      throw new RelationError('rbac.relation_subject_invalid', `${names.join(' takes no ')}`, names, 400)
    }
    if (expiresAt !== undefined && !(Number.isSafeInteger(expiresAt) && expiresAt > at)) {
      throw malformedRelation('expiresAt must be whole milliseconds since the epoch, and not past')
    }
    const writer = by && { kind: by.kind, subject: by.subject }
    const kept: KeptTuple = {
      tenant,
      object: { type: object.type, id: object.id },
      relation,
      subject: keepSubject(subject),
      at,
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(writer === undefined ? {} : { by: writer }),
    }
    const changed = await this.#tuples.put(key, kept)
    if (changed) relationWritten.publish({ ...eventOf(kept, writer), expiresAt }, { clock: this.#clock, ...context })
    return changed
  }

  async remove(key: TupleKey, by: Party | undefined, context?: EventContext): Promise<boolean> {
    this.#check(key)
    const removed = await this.#tuples.remove(tupleId(key))
    const kept = { ...key, subject: keepSubject(key.subject) }
    if (removed) relationRemoved.publish(eventOf(kept, by), { clock: this.#clock, ...context })
    return removed
  }

  async forget(tenant: string, object: ObjectRef, by: Party | undefined, context?: EventContext): Promise<number> {
    checkTenant(tenant)
    checkObject(this.#model, object)
    let count = 0
    for (;;) {
      const page: KeptTuple[] = []
      const limit = { limit: pageSize }
      for await (const { value } of this.#tuples.ofObject(tenant, object, limit)) page.push(value)
      for await (const { value } of this.#tuples.ofSubject(tenant, object, limit)) page.push(value)
      if (page.length === 0) return count
      for (const kept of page) {
        const { relation, subject } = kept
        if (!(await this.#tuples.remove(tupleId({ tenant, object: kept.object, relation, subject: subjectOf(subject) }))))
          continue
        relationRemoved.publish(eventOf(kept, by), { clock: this.#clock, ...context })
        count += 1
      }
    }
  }

  #check({ tenant, object, relation, subject }: TupleKey): void {
    checkTenant(tenant)
    checkObject(this.#model, object)
    checkSubject(this.#model, subject)
    this.#model.get(object.type, relation)
  }
}

function eventOf(
  { tenant, object, relation, subject }: Pick<KeptTuple, 'tenant' | 'object' | 'relation' | 'subject'>,
  by: Party | undefined,
): { tenant: string; object: string; relation: string; subject: string; by: Party | undefined } {
  const writer = by && { kind: by.kind, subject: by.subject }
  return { tenant, object: textOf(object), relation, subject: textOf(subjectOf(subject)), by: writer }
}
