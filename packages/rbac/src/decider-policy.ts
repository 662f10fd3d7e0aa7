import {
  type Clock,
  type Decision,
  type Principal,
  problem,
  type RequestView,
  type RoutePolicy,
  requirePrincipal,
  type StepUp,
  stepUpRefusal,
  systemClock,
} from '@portcullis/core'
import { optionsInvalid } from './decider-errors.ts'
import { publishDecision } from './decider-events.ts'
import type { AccessDecider, DeciderDecision } from './decider-port.ts'
import { type Action, type Properties, type Resource, subjectOf } from './decider-question.ts'

/** Options of {@link permitBy}. */
export interface PermitByOptions {
  readonly action: string | Action
  /**
   * What the route is about, before any record is known: what the thing will belong to, or the route itself. A function may look at
   * the request; `undefined` refuses. Never match paths in it (see `docs/architecture.md`), and never take it from the body.
   */
  readonly resource: Resource | ((req: RequestView, principal: Principal) => Resource | undefined | Promise<Resource | undefined>)
  readonly context?: Properties | ((req: RequestView, principal: Principal) => Properties)
  /** What stands in listings and events. Default: `<resource type>:<action>`; required where `resource` is a function. */
  readonly label?: string
  /** How sure, and how recently sure, we must be of the person (RFC 9470): asked last. */
  readonly stepUp?: StepUp
  /** The time by which step-up is judged. */
  readonly clock?: Clock
}

const FORBIDDEN = Object.freeze(problem({ status: 403, detail: 'The caller may not do this.' }))
const UNDECIDED = Object.freeze(problem({ status: 503, detail: 'Whether the caller may do this can not be found out now.' }))

/**
 * The rule of a route that a decider is asked about: 403 when it denies, 503 when it has not decided.
 *
 * It lists no permissions: those are an `Access`'s own, and who holds what is not known here.
 * @throws DeciderError `rbac.decider_options_invalid`
 * @example permitBy(decider, { action: 'create_invoice', label: 'tenant:create_invoice', resource: (_, { tenant = '' }) => ({ type: 'tenant', id: tenant }) })
 */
export function permitBy(decider: AccessDecider, options: PermitByOptions): RoutePolicy {
  const { resource, context, stepUp, clock = systemClock } = options
  const action = typeof options.action === 'string' ? { name: options.action } : options.action
  if (typeof action?.name !== 'string' || action.name === '') throw optionsInvalid('action has no name')
  const label = options.label ?? (typeof resource === 'function' ? undefined : `${resource.type}:${action.name}`)
  if (label === undefined || label === '') throw optionsInvalid('a policy whose resource is a function takes a label')

  return {
    kind: 'permission',
    label: `${label} (${decider.name})`,
    permissions: [],
    ...(stepUp === undefined ? {} : { stepUp }),
    async guard(req: RequestView): Promise<Decision> {
      const principal = requirePrincipal(req)
      const target = typeof resource === 'function' ? await resource(req, principal) : resource
      if (target === undefined) {
        return {
          type: 'reply',
          reply: FORBIDDEN,
          cause: { code: 'rbac.record_unknown', message: 'the request names no resource' },
        }
      }
      const question = {
        subject: subjectOf(principal),
        action,
        resource: target,
        ...(context === undefined ? {} : { context: typeof context === 'function' ? context(req, principal) : context }),
      }
      const { allowed, failed, reason } = await decider.decide(question, { caller: principal, signal: req.signal })
      // A decider may be somebody else's: only `true` allows.
      if (allowed !== true || failed) return { type: 'reply', reply: failed ? UNDECIDED : FORBIDDEN, cause: reason }
      return (stepUp && stepUpRefusal(principal, stepUp, clock)) ?? { type: 'continue', reason }
    },
  }
}

/**
 * "May this one", for a handler: asks about the caller of a request, and publishes `rbac.decider_decision` with the request's
 * correlation id.
 * @throws CoreError `core.principal_missing` when no guard of the route authenticates
 * @example if (!(await checkBy(decider, req, 'read', { type: 'invoice', id: invoice.id })).allowed) return problem({ status: 404 })
 */
export async function checkBy(
  decider: AccessDecider,
  req: RequestView,
  action: string | Action,
  resource: Resource,
  options: { readonly context?: Properties; readonly clock?: Clock } = {},
): Promise<DeciderDecision> {
  const caller = requirePrincipal(req)
  const { context, clock } = options
  const question = {
    subject: subjectOf(caller),
    action: typeof action === 'string' ? { name: action } : action,
    resource,
    ...(context === undefined ? {} : { context }),
  }
  const decision = await decider.decide(question, { caller, signal: req.signal })
  publishDecision(decider.name, question, decision, caller, { request: req, clock })
  return decision
}
