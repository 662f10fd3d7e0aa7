import { PortcullisError } from '@portcullis/core'

/** The codes of {@link AssignmentError}. */
export type AssignmentErrorCode =
  /** An option that cannot be meant so. */
  | 'rbac.assignments_invalid'
  /** A set of roles that exclude each other and could not be kept: unknown, too small, or broken by one role alone. */
  | 'rbac.separation_invalid'
  /** A role that the access definition does not have; status 400, since names may come from a client. */
  | 'rbac.role_unknown'
  /** A tenant, holder, reason, duration or expiry that is not one; status 400. */
  | 'rbac.assignment_malformed'
  /** The application gave more groups for one holder than are looked at. */
  | 'rbac.groups_too_many'
  /** A record could not be written in many attempts; status 503. */
  | 'rbac.assignments_contended'

/** Assignments were set up or called wrongly. What somebody may not assign is never an error: that is a refusal. */
export class AssignmentError extends PortcullisError<AssignmentErrorCode> {
  /** Every name the error is about, for example each unknown role. */
  readonly names: readonly string[]

  constructor(code: AssignmentErrorCode, message: string, names: readonly string[] = [], status?: number) {
    super(code, message, status === undefined ? {} : { status })
    this.names = Object.freeze([...names])
  }
}

/** An option that cannot be meant so. */
export function invalidOption(message: string): AssignmentError {
  return new AssignmentError('rbac.assignments_invalid', message)
}

/** Something that came with a call, and so may have come from a client. */
export function malformed(message: string): AssignmentError {
  return new AssignmentError('rbac.assignment_malformed', message, [], 400)
}

/** @throws AssignmentError `rbac.assignments_invalid` */
export function checkSeconds(name: string, value: number, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw invalidOption(`${name} must be whole seconds from ${least} to ${most}`)
  }
}
