import type { Clock } from '@portcullis/core'
import { RateLimitError } from './errors.ts'
import { whenAnswered } from './leased-quota-answer.ts'
import { type LeaseTerms, QuotaLease } from './leased-quota-lease.ts'
import { type LeaseGroup, LeasePlans } from './leased-quota-plan.ts'
import { LeaseTable } from './leased-quota-table.ts'
import { checkCost, type ScopedPolicy } from './policy.ts'
import { shortKey } from './short-key.ts'
import type { RateLimitStore } from './store.ts'

/** Options of {@link leaseQuota}. */
export interface LeaseQuotaOptions {
  /** How many processes share the store: a whole number from 1 to 10,000. Rather too many than too few. */
  readonly processes: number
  /** q: a process holds at most q − 1 units of a key that nobody has asked for yet. A whole number from 1 to 10,000. Default: 32. */
  readonly most?: number
  /** Milliseconds after which units that were not used are dropped: above 0, at most 3,600,000. Default: 1,000. */
  readonly lease?: number
  /** Limiters, or policies as `limiter:policy`, that are never leased: every check of them is charged in the store. */
  readonly exact?: readonly string[]
  /** The most keys of which something is held: a whole number from 1 to 1,000,000. Default: 10,000. The one unused for longest goes. */
  readonly maxKeys?: number
  /** For tests. Default: the machine's monotonic clock; only what passes on it counts. */
  readonly clock?: Clock
}

const SCOPE = /^[A-Za-z0-9._:-]+$/
const MONOTONIC: Clock = { now: () => performance.now() }

/**
 * A store that takes units of another ahead, and serves checks from them at once and without a trip. What is over when the lease has passed
 * is dropped, never returned; a process that dies returns nothing.
 *
 * **Total.** Each unit came out of the store: what all processes let through is never more than the store charged, `burst + rate × time`.
 *
 * **In any window**, n processes let through at most min(n(q − 1), ⌈rτ⌉) units more than the policies alone would, q being `most`, r the
 * policy's rate, τ `lease`.
 * - n(q − 1): what passes in a window was charged in it, or was in hand when it began. A process takes ahead only where its hand is empty,
 *   in one trip at a time, and at most q − 1 beyond what is asked for.
 * - ⌈rτ⌉: a unit is used within τ of when it was asked for, and was charged no earlier. So all were charged in a stretch that is longer
 *   than the window by less than τ, for which GCRA charges at most rτ more, and ⌈rτ⌉ in whole units.
 *
 * **Near exhaustion** q falls to 1. A trip takes ahead only if the store has told within τ that R units were left, and then less than
 * ⌊(R − what is asked for) ÷ n⌋.
 * - All n may take so much at once, and all of it was there: n⌊R ÷ n⌋ ≤ R. What others take ahead leaves as much for him who comes last.
 * - Below 2n that is 1, and nothing is taken ahead. Once the store has had less than 2n left for 2τ, no process holds anything, and
 *   each check is answered by the store: whoever takes ahead was told of 2n or more by a question that was sent before; he takes within τ of
 *   it, and what he takes is dropped within τ.
 *
 * **With demand** q doubles, from 1 up to `most`, as long as twice as much would be used within the lease; a key that nobody asked for
 * during a lease begins with 1, so that a rare one costs nothing beyond its own trip. Checks of a key that arrive during a trip wait for
 * it, and those that it left hungry share one more.
 *
 * **Exact** are, besides what `exact` names: checks of cost 0; checks that cost `most` or more; checks with several keys, of which a common
 * one would be in the hands of each of its partners; policies declared `together`, as all of `createBruteForceGuard` are; and a policy that
 * is leased in the company of others already. Other algorithms than `gcra` must be named in `exact`: the second bound does not hold for them.
 *
 * What is left, in a verdict from the hand, is what the store said last and what is in hand; `resetAt` is that of the charge. `adjust` with a
 * negative number gives back in the store; a charge that is settled (`reserved`) with a positive one is paid with what is in hand first. A
 * positive one without `reserved`, as a block, empties this process's hand at once; others have emptied theirs after τ. Errors of the store
 * go through; what is in hand may be used meanwhile.
 *
 * @throws RateLimitError `rate_limit.options_invalid`, also by `declare` and `consume` for a policy that can't be leased
 * @example const store = leaseQuota(createRedisRateLimitStore({ client, secret }), { processes: 4 })
 */
export function leaseQuota(store: RateLimitStore, options: LeaseQuotaOptions): RateLimitStore {
  const { exact = [], maxKeys = 10_000 } = options
  const terms = termsOf(store, options)
  checkWhole('maxKeys', maxKeys, 1_000_000)
  if (!exact.every((name) => SCOPE.test(name))) throw invalid('exact holds limiters, or policies as limiter:policy')
  const plans = new LeasePlans(exact)
  const leases = new LeaseTable<QuotaLease>(maxKeys)

  const leaseOf = (keys: readonly string[], policies: readonly ScopedPolicy[]): QuotaLease | undefined => {
    const plan = plans.of(policies)
    const key = plan === 'exact' ? undefined : commonKey(keys, policies)
    if (plan === 'exact' || key === undefined) return undefined
    const name = nameOf(plan, key)
    const found = leases.get(name)
    if (found !== undefined) return found
    const made = new QuotaLease(
      terms,
      policies.map(() => key),
      policies,
    )
    return leases.add(name, made) ? made : undefined
  }

  /** What is held of any bucket of these. */
  const touched = (keys: readonly string[], policies: readonly ScopedPolicy[]): Set<QuotaLease> => {
    const found = new Set<QuotaLease>()
    for (const [i, policy] of policies.entries()) {
      const [group, key] = [plans.groupOf(policy), keys[i]]
      const lease = group === undefined || key === undefined ? undefined : leases.peek(nameOf(group, key))
      if (lease !== undefined) found.add(lease)
    }
    return found
  }

  /** Settles what can be settled in hand. @returns units that are left to settle */
  const payInHand = (keys: readonly string[], policies: readonly ScopedPolicy[], units: number): number => {
    const [lease, ...others] = touched(keys, policies)
    const whole = policies.every((policy) => plans.groupOf(policy)?.size === policies.length)
    const alone = lease !== undefined && others.length === 0 && whole && commonKey(keys, policies) !== undefined
    return alone ? units - lease.pay(units) : units
  }

  return {
    declare(policies) {
      plans.check(policies)
      store.declare?.(policies)
    },
    consume(keys, policies, cost) {
      checkCost(cost)
      const lease = cost === 0 ? undefined : leaseOf(keys, policies)
      return lease === undefined ? store.consume(keys, policies, cost) : lease.consume(cost)
    },
    adjust(keys, policies, units, reserved) {
      checkCost(Math.abs(units))
      if (units <= 0) return store.adjust(keys, policies, units, reserved)
      const due = reserved === undefined ? units : payInHand(keys, policies, units)
      if (due === 0) return
      const drop = (): void => {
        for (const lease of touched(keys, policies)) lease.drop()
      }
      // Before it, for whoever does not wait for it; after it, what was taken of the time before it.
      drop()
      return whenAnswered(() => store.adjust(keys, policies, due, reserved), drop)
    },
  }
}

/** @throws RateLimitError `rate_limit.options_invalid` */
function termsOf(store: RateLimitStore, options: LeaseQuotaOptions): LeaseTerms {
  const { processes, most = 32, lease = 1000, clock = MONOTONIC } = options
  checkWhole('processes', processes, 10_000)
  checkWhole('most', most, 10_000)
  if (!(lease > 0 && lease <= 3_600_000)) throw invalid('lease is a number of milliseconds above 0, at most 3,600,000')
  return { store, clock, lease, most, processes }
}

/** The key of all policies, where they have the same. */
function commonKey(keys: readonly string[], policies: readonly ScopedPolicy[]): string | undefined {
  const key = keys[0]
  for (let i = 1; i < policies.length; i++) if (keys[i] !== key) return undefined
  return key
}

function nameOf({ id }: LeaseGroup, key: string): string {
  return `${id} ${shortKey(key)}`
}

function checkWhole(name: string, value: number, most: number): void {
  if (!Number.isInteger(value) || value < 1 || value > most) throw invalid(`${name} is a whole number from 1 to ${most}`)
}

function invalid(why: string): RateLimitError {
  return new RateLimitError('rate_limit.options_invalid', why)
}
