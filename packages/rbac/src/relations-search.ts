import type { Stored } from '@portcullis/core'
import type { RelationReasonCode } from './relations-decision.ts'
import type { CompiledRelation } from './relations-schema.ts'
import { type KeptTuple, type SubjectRef, subjectOf } from './relations-tuple.ts'

/** How far a question is followed. */
export interface RelationBounds {
  /** Steps from group to group, and from parent to parent. */
  readonly maxDepth: number
  /** Groups, or parents, of one object. */
  readonly fanOut: number
  /** Tuples that one `check` or `expand` may read. */
  readonly maxReads: number
  /** Tuples that one `list` may read. */
  readonly listReads: number
}

/** What one question has cost, and the first bound that it ran into. */
export class Search {
  #left: number
  #code: RelationReasonCode | undefined

  constructor(reads: number) {
    this.#left = reads
  }

  /** `undefined`: it was followed to its end. */
  get code(): RelationReasonCode | undefined {
    return this.#code
  }

  get isSpent(): boolean {
    return this.#left <= 0
  }

  cut(code: RelationReasonCode): void {
    this.#code ??= code
  }

  /** Takes one read; false: there is none left. */
  spend(): boolean {
    if (this.#left > 0) {
      this.#left -= 1
      return true
    }
    this.cut('rbac.relation_too_costly')
    return false
  }

  /** Pays for the search itself, and for each tuple. @param limit the most that are looked at */
  async collect(tuples: AsyncIterable<Stored<KeptTuple>>, limit: number = Number.POSITIVE_INFINITY): Promise<KeptTuple[]> {
    const all: KeptTuple[] = []
    if (!this.spend()) return all
    for await (const { value } of tuples) {
      if (all.length >= limit) {
        this.cut('rbac.relation_too_wide')
        return all
      }
      if (!this.spend()) return all
      all.push(value)
    }
    return all
  }
}

/** How many reads of one question are under way at once. */
const atOnce = 8

/** Does it for all of them, some at a time, until one gives an answer. @returns what each that was done gave, in order */
export async function inBatches<T, R>(
  items: readonly T[],
  act: (item: T) => Promise<R>,
  isEnough: (result: R) => boolean = () => false,
): Promise<R[]> {
  const results: R[] = []
  for (let from = 0; from < items.length; from += atOnce) {
    const batch = await Promise.all(items.slice(from, from + atOnce).map(act))
    results.push(...batch)
    if (batch.some(isEnough)) return results
  }
  return results
}

/** Whether the schema lets a tuple of this relation name the subject: tuples that are older than the schema don't count. */
export function mayName(relation: CompiledRelation, subject: SubjectRef): boolean {
  if ('everyone' in subject) return relation.everyone.has(subject.type)
  if ('relation' in subject) return relation.usersets.has(`${subject.type}#${subject.relation}`)
  return relation.objects.has(subject.type)
}

/** As {@link mayName}, for a tuple as it is kept. */
export function isAllowed(relation: CompiledRelation | undefined, tuple: KeptTuple): boolean {
  return relation !== undefined && mayName(relation, subjectOf(tuple.subject))
}
