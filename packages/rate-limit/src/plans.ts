import type { RequestView } from '@portcullis/core'
import { RateLimitError } from './errors.ts'
import { type Policy, type ScopedPolicy, scopePolicies } from './policy.ts'

/** A policy of a {@link limit}. */
export type LimitPolicy = Policy & {
  /**
   * Whether it is only tried out: it counts what passes, says in an event what it would have refused, and refuses nothing. Clients are not
   * told of it.
   */
  readonly shadow?: boolean
}

/** Policies that depend on the caller; made by {@link plans}. */
export interface Plans {
  readonly table: Readonly<Record<string, readonly LimitPolicy[]>>
  readonly choose: (req: RequestView) => string | undefined
}

/**
 * Several sets of policies, of which each request has one. All are declared, so that what is wrong with one fails at start-up, and there
 * are as many counts as plans. A caller whose plan changes starts afresh in the new one.
 *
 * @param choose a request's plan, from what an authenticating guard found out; where it names none that is declared, the request is not
 *   let through
 * @example plans({ free: [{ name: 'daily', quota: 100, window: 86_400 }], pro: [...] }, (req) => planOf(principalOf(req)))
 */
export function plans<Name extends string>(
  table: Readonly<Record<Name, readonly LimitPolicy[]>>,
  choose: (req: RequestView) => NoInfer<Name> | undefined,
): Plans {
  return { table, choose }
}

/** A set of policies, ready to be asked for. */
export interface Plan {
  /** `undefined`: there is one for all. */
  readonly name: string | undefined
  /** Those that refuse; empty where all are shadows. */
  readonly enforced: readonly ScopedPolicy[]
  /** Each by itself, so that none keeps another from counting. */
  readonly shadows: readonly (readonly ScopedPolicy[])[]
  /** Each of the enforced by itself. */
  readonly singles: readonly (readonly ScopedPolicy[])[]
}

/** The plans of a limiter, and how to find a request's. */
export interface PlanBook {
  readonly all: readonly Plan[]
  /** @throws RateLimitError `rate_limit.plan_missing` */
  of(req: RequestView): Plan
}

/** @throws RateLimitError `rate_limit.policy_invalid`, `rate_limit.options_invalid` */
export function planBook(limiter: string, policies: readonly LimitPolicy[] | Plans): PlanBook {
  if (!isPlans(policies)) {
    const plan = makePlan(limiter, undefined, policies)
    return { all: [plan], of: () => plan }
  }
  // A map: what a token says of its plan may be `constructor`.
  const made = new Map(Object.entries(policies.table).map(([name, own]) => [name, makePlan(limiter, name, own)]))
  if (made.size === 0) throw new RateLimitError('rate_limit.options_invalid', 'plans need at least one')
  return {
    all: [...made.values()],
    of(req) {
      const name = policies.choose(req)
      const plan = name === undefined ? undefined : made.get(name)
      if (plan === undefined) throw new RateLimitError('rate_limit.plan_missing', 'a request has none of the declared plans')
      return plan
    },
  }
}

function isPlans(policies: readonly LimitPolicy[] | Plans): policies is Plans {
  return !Array.isArray(policies)
}

function makePlan(limiter: string, name: string | undefined, policies: readonly LimitPolicy[]): Plan {
  const full = name === undefined ? limiter : `${limiter}:${name}`
  // All at once first: names must not occur twice among both sorts.
  scopePolicies(full, policies)
  const enforced = policies.filter(({ shadow }) => shadow !== true)
  const alone = (policy: LimitPolicy): readonly ScopedPolicy[] => scopePolicies(full, [policy])
  return {
    name,
    enforced: enforced.length === 0 ? [] : scopePolicies(full, enforced),
    shadows: policies.filter(({ shadow }) => shadow === true).map(alone),
    singles: enforced.map(alone),
  }
}
