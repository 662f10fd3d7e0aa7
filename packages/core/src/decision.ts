import type { Principal } from './principal.ts'
import type { RequestView } from './view.ts'

/** Header lines in order; a name may occur more than once. */
export type HeaderList = readonly (readonly [name: string, value: string])[]

/** A whole answer. */
export interface Reply {
  readonly status: number
  readonly headers?: HeaderList
  readonly body?: string | Uint8Array
}

/** Why a guard decided as it did: a stable code, and a text for the log that the client never sees. Every `PortcullisError` is one. */
export interface Reason {
  readonly code: string
  readonly message: string
}

/** How a request ended. */
export interface Outcome {
  /** The status that went out; `undefined` when the client left before there was one. */
  readonly status: number | undefined
  /** Whether the whole answer was handed to the network. */
  readonly completed: boolean
}

/** What a guard answers. */
export type Decision<F = unknown> = Continue<F> | Refusal

/** Let the request go on. */
export interface Continue<F = unknown> {
  readonly type: 'continue'
  /** Lines for the eventual answer, whoever gives it. */
  readonly headers?: HeaderList
  /** What the guard found out; read it with `facts(carrier, guard)`. */
  readonly facts?: F
  /**
   * Who is calling, from a guard that authenticates. It is part of the decision, and not of somebody's facts, because
   * `permit`, `limit` and the audit log need it without importing the package that found it out.
   */
  readonly principal?: Principal
  /** What allowed it; its `message` may be a getter, and is read only when somebody listens. */
  readonly reason?: Reason
  /** Called exactly once, when the answer is out, the client has left, or a later guard refused or threw. */
  settle?(outcome: Outcome): void
}

/** Answer now; no later guard and no handler runs. */
export interface Refusal {
  readonly type: 'reply'
  readonly reply: Reply
  /** Why, for the log. A plain {@link Reason} will do: an expected refusal need not pay for a stack. */
  readonly cause?: Reason
}

/** Sees a request through a view and decides. Stays synchronous when it can: a promise per guard is what makes guards slow. */
export type Guard<F = unknown> = (req: RequestView) => Decision<F> | Promise<Decision<F>>

/** Answers a request by itself. */
export type Endpoint = (req: RequestView) => Promise<Reply>
