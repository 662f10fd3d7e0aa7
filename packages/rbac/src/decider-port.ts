import type { Principal, Reason } from '@portcullis/core'
import type { Properties, Question } from './decider-question.ts'

/** A decider's answer. Always an object, so always truthy: read `allowed`. */
export interface DeciderDecision {
  readonly allowed: boolean
  /** For the log; a client is never told more than that it may not. */
  readonly reason: Reason
  /** Nobody has decided: the decider did not answer, or not so that it can be understood. Then `allowed` is `false`. */
  readonly failed: boolean
  /** What the decider says besides (AuthZEN §5.5.1): advice, obligations. Nothing here acts on it. */
  readonly context?: Properties
}

/** What comes with a question. */
export interface AskOptions {
  /** Whom the request that leads to the question speaks for, as a guard found out. */
  readonly caller?: Principal
  /** Nobody waits for the answer any more. */
  readonly signal?: AbortSignal
}

/** What comes with several questions. */
export interface AskAllOptions extends AskOptions {
  /**
   * Ask one after the other, and no further after the first denial (`&&`), or the first permit (`||`). By default all are asked.
   */
  readonly stopOn?: 'denial' | 'permit'
}

/**
 * Decides who may do what. `Access` is one by `deciderOf`; OpenFGA, SpiceDB, Cerbos and others are by `createDecider`, an AuthZEN
 * policy decision point by `createAuthzenDecider`. It answers in bounded time and never rejects: what goes wrong is a refusal with
 * `failed`.
 */
export interface AccessDecider {
  /** What events and messages call it. */
  readonly name: string
  /** @example if (!(await decider.decide({ subject, action: { name: 'read' }, resource })).allowed) return problem({ status: 404 }) */
  decide(question: Question, options?: AskOptions): Promise<DeciderDecision>
  /** Answers in the order of the questions; with `stopOn`, up to the one that decides. */
  decideAll(questions: readonly Question[], options?: AskAllOptions): Promise<readonly DeciderDecision[]>
}
