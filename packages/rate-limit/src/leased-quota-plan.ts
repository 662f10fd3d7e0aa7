import { RateLimitError } from './errors.ts'
import { requireSameNumbers, type ScopedPolicy } from './policy.ts'

/** Policies that are leased together: one unit of a lease is one unit of each. */
export interface LeaseGroup {
  readonly id: number
  readonly size: number
}

/**
 * Which checks may be leased. A policy is leased in one company only, that of the first check of it: were a bucket in two leases of one
 * process, each could hold as much as the bound allows for both.
 */
export class LeasePlans {
  readonly #exact: readonly string[]
  readonly #plans = new WeakMap<readonly ScopedPolicy[], LeaseGroup | 'exact'>()
  readonly #policies = new Map<string, ScopedPolicy>()
  readonly #groups = new Map<string, LeaseGroup>()
  readonly #companies = new Map<string, LeaseGroup>()

  /** @param exact limiters, or scopes, that are never leased */
  constructor(exact: readonly string[]) {
    this.#exact = exact
  }

  /** @throws RateLimitError `rate_limit.options_invalid`, `rate_limit.policy_conflict` */
  of(policies: readonly ScopedPolicy[]): LeaseGroup | 'exact' {
    const known = this.#plans.get(policies)
    if (known !== undefined) return known
    const plan = this.#plan(policies)
    this.#plans.set(policies, plan)
    return plan
  }

  /** The company in which a policy is leased, if it is. */
  groupOf(policy: ScopedPolicy): LeaseGroup | undefined {
    return this.#groups.get(policy.scope)
  }

  /**
   * @returns whether they may be leased
   * @throws RateLimitError `rate_limit.options_invalid`
   */
  check(policies: readonly ScopedPolicy[]): boolean {
    if (policies.some((policy) => policy.together !== undefined || this.#isExact(policy))) return false
    for (const policy of policies) requireLeasable(policy)
    return true
  }

  #plan(policies: readonly ScopedPolicy[]): LeaseGroup | 'exact' {
    if (!this.check(policies)) return 'exact'
    for (const policy of policies) {
      requireSameNumbers(this.#policies.get(policy.scope) ?? policy, policy)
      this.#policies.set(policy.scope, policy)
    }
    const company = policies.map(({ scope }) => scope).join(' ')
    const group = this.#companies.get(company) ?? { id: this.#companies.size, size: policies.length }
    if (policies.some(({ scope }) => (this.#groups.get(scope) ?? group) !== group)) return 'exact'
    this.#companies.set(company, group)
    for (const { scope } of policies) this.#groups.set(scope, group)
    return group
  }

  #isExact({ scope }: ScopedPolicy): boolean {
    return this.#exact.some((name) => scope === name || scope.startsWith(`${name}:`))
  }
}

/**
 * What was charged up to `lease` ago is used now. GCRA charges at most `burst + rate × time` in any stretch, so that a stretch longer by a
 * lease is worth `rate × lease` more. A fixed window, a calendar quota and `strict` may charge a whole limit at the end of one window: what
 * is leased then would be used in the next one, which promised to let no more than the limit through.
 */
function requireLeasable(policy: ScopedPolicy): void {
  const algorithm: unknown = 'algorithm' in policy ? policy.algorithm : undefined
  if (algorithm === undefined || algorithm === 'gcra') return
  throw new RateLimitError(
    'rate_limit.options_invalid',
    `${policy.scope} is counted by ${String(algorithm)}: only gcra can be leased; name the policy in \`exact\``,
  )
}
