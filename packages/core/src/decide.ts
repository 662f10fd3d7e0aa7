import type { Continue, Decision, Guard, HeaderList, Outcome, Reason, Refusal, Reply } from './decision.ts'
import { CoreError, PortcullisError } from './errors.ts'
import { defineEvent, type EventType } from './events.ts'
import { type RequestState, stateOf } from './facts.ts'
import type { RoutePolicy } from './policy.ts'
import type { Principal } from './principal.ts'
import { problem } from './problem.ts'
import type { RequestView } from './view.ts'

/** What all guards together decided. */
export type Verdict =
  | { readonly type: 'continue'; readonly headers: readonly HeaderList[] }
  | { readonly type: 'reply'; readonly headers: readonly HeaderList[]; readonly reply: Reply }

/** Data of `core.decision`: one for each request that reached a route's rule. */
export interface DecisionEvent {
  /** `failed`: a guard threw, and the request was refused for that. */
  readonly outcome: 'allowed' | 'refused' | 'failed'
  readonly method: string
  /** The route's pattern, never the path that was sent: paths may hold secrets. */
  readonly route: string | undefined
  readonly policy: { readonly kind: RoutePolicy['kind']; readonly label: string } | undefined
  readonly status: number | undefined
  readonly principal:
    | { readonly subject: string; readonly kind: Principal['kind']; readonly tenant: string | undefined }
    | undefined
  readonly clientId: string | undefined
  /** Why; for the log alone. */
  readonly reason: { readonly code: string; readonly message: string } | undefined
}

/** A rule was applied to a request, or a guard of the entrance refused it. */
export const decisionEvent: EventType<'core.decision', DecisionEvent> = defineEvent('core.decision')

/** Data of `core.guard_failed`. */
export interface GuardFailedEvent {
  readonly guard: string
  readonly route: string | undefined
  /** The error's class and code. Its message stays out: an application's error may hold anything. */
  readonly error: string
  readonly code: string | undefined
}

/** A guard or a `settle` threw. */
export const guardFailedEvent: EventType<'core.guard_failed', GuardFailedEvent> = defineEvent('core.guard_failed')

const none: readonly HeaderList[] = []
const passed: Verdict = { type: 'continue', headers: none }

/**
 * Asks guards in order; the first reply wins. Stays synchronous as long as no guard awaits, and then makes no promise.
 * A guard that throws fails closed: 503 when its error has that status, since something is down for a while, otherwise 500; nothing of
 * the error reaches the client.
 *
 * @param policy the route's rule, asked last; the entrance has none
 */
export function decide(req: RequestView, guards: readonly Guard[], policy?: RoutePolicy): Verdict | Promise<Verdict> {
  return resume(req, stateOf(req), guards, policy, 0, none, undefined)
}

/** @param late what the guard at `from` answered, when it was awaited */
function resume(
  req: RequestView,
  state: RequestState,
  guards: readonly Guard[],
  policy: RoutePolicy | undefined,
  from: number,
  headers: readonly HeaderList[],
  late: Decision | undefined,
): Verdict | Promise<Verdict> {
  let reason: Reason | undefined
  const count = policy === undefined ? guards.length : guards.length + 1
  for (let at = from; at < count; at++) {
    const guard = at < guards.length ? guards[at] : policy?.guard
    if (guard === undefined) continue
    try {
      const decision: Decision | Promise<Decision> = at === from && late !== undefined ? late : guard(req)
      if (isPromise(decision)) {
        return decision.then(
          (awaited) => resume(req, state, guards, policy, at, headers, awaited),
          (error: unknown) => failed(req, state, guard, policy, error, headers),
        )
      }
      if (decision.type === 'reply') return refused(req, state, policy, decision, headers)
      take(req, state, guard, decision)
      if (decision.headers !== undefined) headers = headers.length === 0 ? [decision.headers] : [...headers, decision.headers]
      reason = decision.reason
    } catch (error) {
      return failed(req, state, guard, policy, error, headers)
    }
    // The client has left while a guard was awaited: nobody is there to answer, so nothing further is asked.
    if (state.outcome !== undefined) return abandoned
  }
  try {
    return allowed(req, state, policy, reason, headers)
  } catch (error) {
    // A reason's message may be a getter, and this one threw: the route's rule has not been told, so it has not been applied.
    return failed(req, state, policy?.guard ?? unnamed, policy, error, headers)
  }
}

const unnamed: Guard = () => ({ type: 'continue' })

const abandoned: Verdict = { type: 'reply', headers: none, reply: { status: 499 } }

/** Whether something has to be waited for. */
export function isPromise<T extends object>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as { then?: unknown }).then === 'function'
}

/** Takes in what a guard let through. */
function take(req: RequestView, state: RequestState, guard: Guard, decision: Continue): void {
  if (decision.type !== 'continue') {
    throw new CoreError('core.decision_invalid', `guard ${nameOf(guard)} answered neither continue nor reply`)
  }
  if (decision.settle !== undefined) keepSettle(req, state, guard, decision.settle)
  if (decision.facts !== undefined) {
    state.facts ??= new Map()
    state.facts.set(guard as Guard<never>, decision.facts)
  }
  if (decision.principal !== undefined) {
    if (state.principal !== undefined && !isSame(state.principal, decision.principal)) {
      throw new CoreError('core.principal_conflict', 'two guards name different principals for one request')
    }
    state.principal = decision.principal
  }
}

function isSame(a: Principal, b: Principal): boolean {
  return a.subject === b.subject && a.kind === b.kind && a.tenant === b.tenant
}

function allowed(
  req: RequestView,
  state: RequestState,
  policy: RoutePolicy | undefined,
  reason: Reason | undefined,
  headers: readonly HeaderList[],
): Verdict {
  if (policy !== undefined) {
    state.decidedBy = policy
    if (decisionEvent.observed) report(req, state, policy, 'allowed', undefined, reason)
  }
  return headers.length === 0 ? passed : { type: 'continue', headers }
}

function refused(
  req: RequestView,
  state: RequestState,
  policy: RoutePolicy | undefined,
  { reply, cause }: Refusal,
  headers: readonly HeaderList[],
): Verdict {
  state.decidedBy = policy ?? refusedAtEntrance
  if (decisionEvent.observed) report(req, state, policy, 'refused', reply.status, cause)
  return { type: 'reply', headers, reply }
}

const refusedAtEntrance: RoutePolicy = {
  kind: 'open',
  label: 'refused at the entrance',
  permissions: [],
  guard: () => ({ type: 'continue' }),
}

function failed(
  req: RequestView,
  state: RequestState,
  guard: Guard,
  policy: RoutePolicy | undefined,
  error: unknown,
  headers: readonly HeaderList[],
): Verdict {
  reportFailure(req, guard, error)
  const code = error instanceof PortcullisError ? error.code : 'core.guard_failed'
  // What is down for a while is not what is broken: clients and balancers try the former again.
  const status = error instanceof PortcullisError && error.status === 503 ? 503 : 500
  const reply = problem({ status })
  state.decidedBy = policy ?? refusedAtEntrance
  if (decisionEvent.observed) report(req, state, policy, 'failed', status, { code, message: `guard ${nameOf(guard)} threw` })
  return { type: 'reply', headers, reply }
}

function keepSettle(req: RequestView, state: RequestState, guard: Guard, settle: (outcome: Outcome) => void): void {
  const guarded = (outcome: Outcome): void => {
    try {
      settle(outcome)
    } catch (error) {
      reportFailure(req, guard, error)
    }
  }
  if (state.outcome !== undefined) guarded(state.outcome)
  else if (state.settles === undefined) state.settles = [guarded]
  else state.settles.push(guarded)
}

/** Tells every guard that asked how the request ended. Only the first call counts. */
export function settle(req: RequestView, outcome: Outcome): void {
  const state = stateOf(req)
  if (state.outcome !== undefined) return
  state.outcome = outcome
  const settles = state.settles
  state.settles = undefined
  if (settles !== undefined) for (const each of settles) each(outcome)
}

function reportFailure(request: RequestView, guard: Guard, error: unknown): void {
  guardFailedEvent.publish(
    {
      guard: nameOf(guard),
      route: request.route?.pattern,
      error: error instanceof Error ? error.name : typeof error,
      code: error instanceof PortcullisError ? error.code : undefined,
    },
    { request },
  )
}

function report(
  request: RequestView,
  state: RequestState,
  policy: RoutePolicy | undefined,
  outcome: DecisionEvent['outcome'],
  status: number | undefined,
  reason: Reason | undefined,
): void {
  const who = state.principal
  decisionEvent.publish(
    {
      outcome,
      method: request.method,
      route: request.route?.pattern,
      policy: policy && { kind: policy.kind, label: policy.label },
      status,
      principal: who && { subject: who.subject, kind: who.kind, tenant: who.tenant },
      clientId: who?.clientId,
      reason: reason && { code: reason.code, message: reason.message },
    },
    { request },
  )
}

function nameOf(guard: Guard): string {
  return guard.name || '(anonymous)'
}
