import type { Reason } from '@portcullis/core'

/** Why somebody is related or not. */
export type RelationReasonCode =
  /** There is a path: see `path`. */
  | 'rbac.related'
  /** There is none. */
  | 'rbac.not_related'
  /** None was found; groups or parents go deeper than is looked. */
  | 'rbac.relation_too_deep'
  /** None was found; an object has more groups or parents than are looked at. */
  | 'rbac.relation_too_wide'
  /** None was found within the number of reads that a question may cost. */
  | 'rbac.relation_too_costly'

/** For the log; a client is never told more than that it may not. */
export interface RelationReason extends Reason {
  readonly code: RelationReasonCode
}

/** Whether a subject stands in a relation to an object. Always an object, so always truthy: read `allowed`. */
export interface RelationDecision {
  readonly allowed: boolean
  readonly reason: RelationReason
  /** From the object to the subject: `document:readme#viewer`, `folder:a#viewer`, `user:grace`. Empty when there is no path. */
  readonly path: readonly string[]
  /** When a tuple on the path ends: milliseconds since the epoch. `undefined`: none does. */
  readonly until: number | undefined
}

const messages: Readonly<Record<RelationReasonCode, string>> = {
  'rbac.related': 'is related by',
  'rbac.not_related': 'is not related',
  'rbac.relation_too_deep': 'not found within the depth that is looked at',
  'rbac.relation_too_wide': 'not found among the groups and parents that are looked at',
  'rbac.relation_too_costly': 'not found within the reads that a question may cost',
}

/** @param question `document:readme#viewer@user:grace` */
export function relationReason(code: RelationReasonCode, question: string, path: readonly string[] = []): RelationReason {
  const way = path.length === 0 ? '' : ` ${path.join(' → ')}`
  return { code, message: `${question}: ${messages[code]}${way}` }
}
