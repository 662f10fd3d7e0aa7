import { createHash } from 'node:crypto'
import { malformed } from './assignments-errors.ts'

/** Who holds roles. A principal is one: its `kind` and `subject` are read, and nothing else. */
export interface Holder {
  /** A person, a program acting for itself, or a group whose members have its roles. */
  readonly kind: 'user' | 'client' | 'group'
  /** At most 255 characters. The same text of another kind is another holder. */
  readonly subject: string
}

/**
 * Who asks for a change: the caller's principal. `system` is for what no person did, such as the first administrator of a new tenant.
 */
export interface Actor {
  readonly kind: 'user' | 'client' | 'system'
  readonly subject: string
  /** The tenant that he acts in, from his principal and from nowhere else. Of `system` it is not looked at. */
  readonly tenant?: string | undefined
}

/** A holder or an actor by name, as it is kept and published. */
export type Party<Kind extends string = string> = { readonly kind: Kind; readonly subject: string }

/** What stands behind a change is kept by name alone: a principal has more than anybody needs to read later. */
export function nameOf<Kind extends string>({ kind, subject }: Party<Kind>): Party<Kind> {
  return { kind, subject }
}

export function isSame(one: Party, other: Party): boolean {
  return one.kind === other.kind && one.subject === other.subject
}

/** @throws AssignmentError `rbac.assignment_malformed` */
export function checkHolder(holder: Holder): void {
  checkParty('a holder', holder, ['user', 'client', 'group'])
}

/** @throws AssignmentError `rbac.assignment_malformed` */
export function checkActor(actor: Actor): void {
  checkParty('an actor', actor, ['user', 'client', 'system'])
}

/** @throws AssignmentError `rbac.assignment_malformed` */
export function checkText(what: string, text: unknown, longest = 255): void {
  // Control characters would let a reason write lines of its own into a log; a lone surrogate has no UTF-8.
  if (typeof text !== 'string' || text.length === 0 || text.length > longest || /[\p{Cc}\p{Surrogate}\u2028\u2029]/u.test(text)) {
    throw malformed(`${what} must be text of 1 to ${longest} characters without control characters`)
  }
}

/** One key of several texts of any form: a digest of their JSON, so that no two lists of texts meet in one key. */
export function keyOf(...texts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('base64url')
}

function checkParty(what: string, party: Party, kinds: readonly string[]): void {
  if (typeof party !== 'object' || party === null || !kinds.includes(party.kind)) {
    throw malformed(`${what} has the kind ${kinds.join(' or ')}`)
  }
  checkText(`the subject of ${what}`, party.subject)
}
