import { PortcullisError } from '@portcullis/core'

/** The codes of {@link RelationError}. */
export type RelationErrorCode =
  /** The schema is wrong: an unknown name, or a relation that nobody could have. */
  | 'rbac.relation_schema_invalid'
  /** An option that cannot be meant so. */
  | 'rbac.relations_invalid'
  /** A type or relation that the schema does not have; status 400, since names may come from a client. */
  | 'rbac.relation_unknown'
  /** A subject that the schema does not let stand in this relation; status 400. */
  | 'rbac.relation_subject_invalid'
  /** A tenant, id or expiry that is not one; status 400. */
  | 'rbac.relation_malformed'
  /** A tuple could not be written in many attempts; status 503. */
  | 'rbac.relations_contended'

/** Relations were set up or called wrongly. Who is not related is never an error: that is a decision. */
export class RelationError extends PortcullisError<RelationErrorCode> {
  /** Every name the error is about. */
  readonly names: readonly string[]

  constructor(code: RelationErrorCode, message: string, names: readonly string[] = [], status?: number) {
    super(code, message, status === undefined ? {} : { status })
    this.names = Object.freeze([...names])
  }
}

/** Something that came with a call, and so may have come from a client. */
export function malformedRelation(message: string): RelationError {
  return new RelationError('rbac.relation_malformed', message, [], 400)
}
