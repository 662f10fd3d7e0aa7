import type { Principal } from '@portcullis/core'

/** Attributes of an entity, or of the circumstances: any JSON object. */
export type Properties = Readonly<Record<string, unknown>>

/** Who wants to do something (AuthZEN Authorization API 1.0 §5.1). */
export interface Subject {
  /** `user` or `client` for a {@link Principal}; whatever else the decider knows. */
  readonly type: string
  /** Unique within the type. */
  readonly id: string
  readonly properties?: Properties
}

/** What it is to be done to (§5.2). */
export interface Resource {
  readonly type: string
  /** Unique within the type. */
  readonly id: string
  readonly properties?: Properties
}

/** What is to be done (§5.3). */
export interface Action {
  readonly name: string
  readonly properties?: Properties
}

/** "May this one do that to this one?": what every decider is asked (§6.1). */
export interface Question {
  readonly subject: Subject
  readonly action: Action
  readonly resource: Resource
  /** The circumstances (§5.4). */
  readonly context?: Properties
}

/** A principal as a subject: its kind is the type. Roles and scopes are not told: a decider has its own. */
export function subjectOf({ kind, subject }: Principal): Subject {
  return { type: kind, id: subject }
}

/** Whether a subject is this very principal. */
export function isSubject(subject: { readonly type: string; readonly id?: string }, principal: Principal): boolean {
  return subject.type === principal.kind && subject.id === principal.subject
}
