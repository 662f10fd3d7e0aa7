import type { Principal, Reason } from '@portcullis/core'
import { createBatchedDecider, type Opinion } from './decider-create.ts'
import { optionsInvalid } from './decider-errors.ts'
import type { AccessDecider, AskOptions } from './decider-port.ts'
import { isSubject, type Question, type Resource, type Subject } from './decider-question.ts'

/** The part of `Access` that decides about records. */
export interface DecidingAccess<Permission extends string, Target> {
  readonly permissions: readonly Permission[]
  decide(
    principal: Principal,
    permission: NoInfer<Permission>,
    record: Target,
  ): { readonly allowed: boolean; readonly reason: Reason } | Promise<{ readonly allowed: boolean; readonly reason: Reason }>
}

/** What a loader is told besides. */
export interface Asked extends AskOptions {
  readonly question: Question
  /** Nobody waits any more, or time is up. */
  readonly signal: AbortSignal
}

/** Options of {@link deciderOf}. */
export interface AccessDeciderOptions<Target> {
  /** What events and messages call it. Default: `access`. */
  readonly name?: string
  /**
   * Finds the principal of a subject, with tenant and roles; `undefined`: there is none, and nothing is allowed. Default: the caller,
   * when the question is about himself, and nobody else. Load it from where it is kept: `subject.properties` is what the asker says.
   */
  readonly principal?: (subject: Subject, asked: Asked) => Principal | undefined | Promise<Principal | undefined>
  /**
   * Finds the record of a resource; `undefined`: there is none, and nothing is allowed. Load it by `type` and `id`:
   * `resource.properties` is what the asker says.
   */
  readonly record: (resource: Resource, asked: Asked) => Target | undefined | Promise<Target | undefined>
  /** Which permission a question is about. Default: `<resource type>:<action name>`. */
  readonly permission?: (question: Question) => string
  /** Milliseconds for an answer, loaders included. Default: 1000. */
  readonly timeout?: number
}

/**
 * An `Access` as {@link AccessDecider}. A permission, subject or record that there is not is a denial with a reason, never an error.
 * @throws DeciderError `rbac.decider_options_invalid`
 * @example deciderOf(access, { principal: ({ id }) => people.find(id), record: ({ id }) => invoices.find(id) })
 */
export function deciderOf<Permission extends string, Target>(
  access: DecidingAccess<Permission, Target>,
  options: AccessDeciderOptions<Target>,
): AccessDecider {
  const { name = 'access', principal = callerAlone, record, permission = permissionOf, timeout } = options
  if (typeof record !== 'function') throw optionsInvalid('record is not a function')
  const permissions: ReadonlyMap<string, Permission> = new Map(access.permissions.map((name) => [name, name]))

  const batch = (): ((question: Question, asked: AskOptions & { readonly signal: AbortSignal }) => Promise<Opinion>) => {
    // Questions of one batch are mostly about one subject, which is then loaded once.
    const principals = new Map<string, Promise<Principal | undefined>>()
    return async (question, options) => {
      const asked: Asked = { ...options, question }
      const needed = permissions.get(permission(question))
      if (needed === undefined) return deny('rbac.permission_unknown', 'the definition has no such permission')
      const { subject } = question
      const key = JSON.stringify(subject)
      const loading = principals.get(key) ?? Promise.resolve(principal(subject, asked))
      principals.set(key, loading)
      const found = await loading
      if (found === undefined) return deny('rbac.subject_unknown', 'the subject is nobody who is known here')
      const target = await record(question.resource, asked)
      if (target === undefined || target === null) return deny('rbac.record_unknown', 'there is no such record')
      const { allowed, reason } = await access.decide(found, needed, target)
      return { allowed, reason }
    }
  }
  return createBatchedDecider({ name, batch, ...(timeout === undefined ? {} : { timeout }) })
}

function callerAlone(subject: Subject, { caller }: Asked): Principal | undefined {
  return caller !== undefined && isSubject(subject, caller) ? caller : undefined
}

function permissionOf({ resource, action }: Question): string {
  return `${resource.type}:${action.name}`
}

function deny(code: string, message: string): Opinion {
  return { allowed: false, reason: { code, message } }
}
