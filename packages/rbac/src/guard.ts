import {
  type Continue,
  challenge,
  type Decision,
  type Guard,
  type Principal,
  problem,
  type Refusal,
  type RequestView,
  type RoutePolicy,
  requirePrincipal,
  type StepUp,
  stepUpRefusal,
} from '@portcullis/core'
import type { Held } from './bound.ts'
import { type AccessReason, reason } from './decision.ts'
import { AccessError } from './errors.ts'
import type { Answer } from './grants.ts'
import type { ResolvedPermission } from './permission.ts'
import type { RulesInForce } from './questions.ts'

/** Options of `access.permit`. */
export interface PermitOptions {
  /** How sure, and how recently sure, we must be of the person (RFC 9470): asked last, when everything else allows. */
  readonly stepUp?: StepUp
}

/** The rule of a route; see `Access.permit`. */
export function permitPolicy(
  inForce: RulesInForce,
  names: readonly (string | ResolvedPermission)[],
  options: PermitOptions,
): RoutePolicy {
  const permissions = names.map((name) => inForce.rules.table.resolve(name))
  if (permissions.length === 0) throw new AccessError('rbac.permission_unknown', 'permit was given no permission')
  const stepUp = options.stepUp && checkStepUp(options.stepUp)
  const label = permissions.map(({ name }) => name).join(', ')
  return {
    kind: 'permission',
    label,
    permissions: Object.freeze(permissions.map(({ name }) => name)),
    ...(stepUp === undefined ? {} : { stepUp }),
    guard: permitGuard(inForce, permissions, stepUp),
  }
}

function permitGuard(inForce: RulesInForce, permissions: readonly ResolvedPermission[], stepUp: StepUp | undefined): Guard {
  const scope = [...new Set(permissions.map((permission) => permission.scope))].join(' ')
  const [only, ...others] = permissions
  if (only !== undefined && others.length === 0) {
    return function permit(req: RequestView): Decision {
      const principal = requirePrincipal(req)
      if (inForce.age?.() === 'unusable') return UNKNOWN
      const { rules } = inForce
      const bound = rules.bind(principal)
      const { proceed } = bound.answer(only)
      if (proceed === undefined) return refusal(principal, bound, permissions, only, scope)
      return (stepUp && stepUpRefusal(principal, stepUp, rules.clock)) ?? proceed
    }
  }
  return function permitAll(req: RequestView): Decision {
    const principal = requirePrincipal(req)
    if (inForce.age?.() === 'unusable') return UNKNOWN
    const { rules } = inForce
    const bound = rules.bind(principal)
    for (const permission of permissions) {
      if (!bound.has(permission)) return refusal(principal, bound, permissions, permission, scope)
    }
    const more = stepUp && stepUpRefusal(principal, stepUp, rules.clock)
    return more ?? proceedOnAll(permissions.map((permission) => bound.answer(permission)))
  }
}

/** The client learns that it may not, never which role or rule was missing. */
const FORBIDDEN = Object.freeze(problem({ status: 403, detail: 'The caller may not do this.' }))

/** Why everything is refused while nobody can tell what the rules are. */
export const RULES_STALE: AccessReason = reason(
  'rbac.rules_stale',
  () => 'the rules could not be read from their store within their bound',
)

/** It is not the caller who is wrong, and the same request may do later. */
const UNKNOWN: Refusal = Object.freeze({
  type: 'reply',
  reply: Object.freeze(problem({ status: 503, detail: 'It can’t be told at the moment whether the caller may do this.' })),
  cause: RULES_STALE,
})

function refusal(
  principal: Principal,
  bound: Held,
  permissions: readonly ResolvedPermission[],
  missing: ResolvedPermission,
  scope: string,
): Refusal {
  const lacking = permissions.find((permission) => !bound.grants(permission))
  if (lacking !== undefined) {
    return { type: 'reply', reply: FORBIDDEN, cause: bound.answer(lacking).some.reason }
  }
  // RFC 6750 §3.1: a credential with these scopes would do, so the answer may name them
  const headers = challenge(principal, { error: 'insufficient_scope', scope })
  const reply = { ...FORBIDDEN, headers: [...(FORBIDDEN.headers ?? []), ...headers] }
  return { type: 'reply', reply, cause: bound.answer(missing).some.reason }
}

function proceedOnAll(answers: readonly Answer[]): Continue {
  const reasons = answers.map((answer) => answer.some.reason)
  return {
    type: 'continue',
    reason: {
      code: reasons[0]?.code ?? 'rbac.role_grants_permission',
      get message() {
        return reasons.map((why) => why.message).join('; ')
      },
    },
  }
}

function checkStepUp({ acr, maxAge }: StepUp): StepUp {
  // RFC 9470 §3: values are listed with spaces between; they stand in a quoted string
  const wellFormed = acr?.every((value) => typeof value === 'string' && /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(value)) ?? true
  if (!wellFormed || acr?.length === 0) {
    throw new AccessError('rbac.step_up_invalid', 'stepUp.acr is not a list of one or more acr values')
  }
  if (maxAge !== undefined && !(Number.isSafeInteger(maxAge) && maxAge >= 0)) {
    throw new AccessError('rbac.step_up_invalid', 'stepUp.maxAge is not a number of whole seconds')
  }
  if (acr === undefined && maxAge === undefined) {
    throw new AccessError('rbac.step_up_invalid', 'stepUp names neither acr nor maxAge')
  }
  return Object.freeze({
    ...(acr === undefined ? {} : { acr: Object.freeze([...acr]) }),
    ...(maxAge === undefined ? {} : { maxAge }),
  })
}
