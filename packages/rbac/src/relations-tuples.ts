import { randomInt } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Clock, Collection, Page, Store, Stored } from '@portcullis/core'
import { RelationError } from './relations-errors.ts'
import {
  type KeptTuple,
  type ObjectRef,
  objectKey,
  relationKey,
  type SubjectRef,
  subjectKey,
  type TupleKey,
  tupleId,
  tupleOptions,
} from './relations-tuple.ts'

// Every round that is lost was won by another caller, so this many in a row mean a store whose replace never succeeds.
const rounds = 100

/** Tuples in a store: a record each. */
export class Tuples {
  readonly #tuples: Collection<KeptTuple>
  readonly #clock: Clock

  constructor(store: Store, clock: Clock) {
    this.#tuples = store.collection<KeptTuple>({
      name: 'rbac.relations',
      indexes: ['object', 'relation', 'subject', 'userset'],
    })
    this.#clock = clock
  }

  /** Not one that has expired, swept or not. */
  async get(key: TupleKey): Promise<KeptTuple | undefined> {
    const found = await this.#tuples.get(tupleId(key))
    return found && this.isLive(found.value) ? found.value : undefined
  }

  /** Whoever stands in a relation to an object by a tuple. */
  ofRelation(tenant: string, object: ObjectRef, relation: string, page?: Page): AsyncIterable<Stored<KeptTuple>> {
    return this.#tuples.find('relation', relationKey(tenant, object, relation), page)
  }

  /** As {@link ofRelation}, usersets alone: a document with a thousand readers is not read through for its three groups. */
  usersetsOf(tenant: string, object: ObjectRef, relation: string, page?: Page): AsyncIterable<Stored<KeptTuple>> {
    return this.#tuples.find('userset', relationKey(tenant, object, relation), page)
  }

  ofObject(tenant: string, object: ObjectRef, page?: Page): AsyncIterable<Stored<KeptTuple>> {
    return this.#tuples.find('object', objectKey(tenant, object), page)
  }

  /** Tuples that name a subject, or a userset of the same object. */
  ofSubject(tenant: string, subject: SubjectRef, page?: Page): AsyncIterable<Stored<KeptTuple>> {
    return this.#tuples.find('subject', subjectKey(tenant, subject), page)
  }

  isLive({ expiresAt }: KeptTuple): boolean {
    return expiresAt === undefined || expiresAt > this.#clock.now()
  }

  /**
   * @returns false: it was there already, with this end
   * @throws RelationError `rbac.relations_contended` (503)
   */
  async put(key: TupleKey, value: KeptTuple): Promise<boolean> {
    const id = tupleId(key)
    const options = tupleOptions(key, value.expiresAt)
    for (let round = 0; round < rounds; round++) {
      const was = await this.#tuples.get(id)
      if (was !== undefined && this.isLive(was.value) && was.value.expiresAt === value.expiresAt) return false
      const written = was ? this.#tuples.replace(id, was.version, value, options) : this.#tuples.create(id, value, options)
      if (await written) return true
      // Whoever lost waits a little, and not all of them for the same time.
      await pause(randomInt(2 ** Math.min(round, 5)))
    }
    throw new RelationError('rbac.relations_contended', `a tuple could not be written in ${rounds} attempts`, [], 503)
  }

  /** @returns false: it was not there */
  remove(id: string): Promise<boolean> {
    return this.#tuples.remove(id)
  }
}
