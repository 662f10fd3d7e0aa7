import { RateLimitError } from './errors.ts'
import type { Plan } from './plans.ts'
import { checkCost, type ScopedPolicy } from './policy.ts'
import type { RateLimitResult, RateLimitStore } from './store.ts'

/** What can be done to a key besides counting its requests. Keys are as the limiter's `key` gives them. */
export interface Steering {
  /**
   * Charges a key, beyond its limit if need be: the requests that follow pay for it. In every plan.
   * @param units a whole number from 1 to 1,000,000,000
   * @throws RateLimitError `rate_limit.cost_invalid`, `rate_limit.key_missing`; what the store throws
   * @example if (isScan(req)) await flood.penalize(byAddress()(req), 20)
   */
  penalize(key: string | undefined, units: number): Promise<void>
  /** Gives a key units back: never more than were charged. Otherwise as {@link penalize}. */
  reward(key: string | undefined, units: number): Promise<void>
  /**
   * Refuses all requests of a key for at least so long, and for at most two units of the finest policy longer. It is a charge like any
   * other, of the policy whose units come back fastest, and that policy is empty when it ends: whoever was blocked goes on slowly.
   * A key that is blocked for longer already stays blocked as long as it was. It takes a policy by GCRA: a window forgets with its end.
   * @param seconds from 0.001 to 366 days
   * @throws RateLimitError `rate_limit.options_invalid`, also where no policy that is not a shadow is by GCRA; `rate_limit.key_missing`; what the store throws
   */
  block(key: string | undefined, seconds: number): Promise<void>
  /** Gives a key everything back, blocks included. @throws RateLimitError `rate_limit.key_missing`; what the store throws */
  forgive(key: string | undefined): Promise<void>
}

const LONGEST_BLOCK = 366 * 86_400
const MOST_UNITS = 1_000_000_000

/** @param plans all of the limiter: whichever the key is in, it is in that one that it is charged */
export function steering(store: RateLimitStore, plans: readonly Plan[]): Steering {
  const enforced = plans.filter((plan) => plan.enforced.length > 0)

  const adjust = async (key: string | undefined, units: number): Promise<void> => {
    const own = requireKey(key)
    checkCost(Math.abs(units))
    await Promise.all(
      enforced.map(({ enforced }) =>
        store.adjust(
          enforced.map(() => own),
          enforced,
          units,
        ),
      ),
    )
  }

  const charge = async (key: string, plan: Plan, i: number, units: number): Promise<void> => {
    const policy = plan.singles[i]
    if (policy !== undefined && units !== 0) await store.adjust([key], policy, units)
  }

  const blockIn = async (key: string, plan: Plan, ms: number): Promise<void> => {
    const leads = await leadsOf(store, key, plan)
    const charges = plan.enforced
      .map((policy, i) => ({ i, policy, step: stepOf(policy), units: unitsTo(ms, policy, leads[i] ?? 0) }))
      .filter(({ policy }) => policy.algorithm === 'gcra')
    if (charges.length === 0) throw invalid('a block is a charge that takes its time to come back: it needs a policy by gcra')
    // The finest that can say it: a unit of a microsecond can't be charged often enough for a day.
    const [finest] = charges.filter(({ units }) => units <= MOST_UNITS).sort((a, b) => a.step - b.step)
    if (finest === undefined) throw invalid('no policy is coarse enough for so long a block')
    await charge(key, plan, finest.i, Math.max(0, finest.units))
  }

  const forgiveIn = async (key: string, plan: Plan): Promise<void> => {
    const leads = await leadsOf(store, key, plan)
    await Promise.all(plan.enforced.map((policy, i) => charge(key, plan, i, -unitsIn(policy, leads[i] ?? 0))))
  }

  return {
    penalize: (key, units) => adjust(key, positive(units)),
    reward: (key, units) => adjust(key, -positive(units)),
    async block(key, seconds) {
      const own = requireKey(key)
      if (!(seconds >= 0.001 && seconds <= LONGEST_BLOCK)) throw invalid('a block is from 0.001 seconds to 366 days')
      if (enforced.length === 0) throw invalid('all policies are shadows, and refuse nothing')
      await Promise.all(enforced.map((plan) => blockIn(own, plan, seconds * 1000)))
    },
    async forgive(key) {
      const own = requireKey(key)
      await Promise.all(enforced.map((plan) => forgiveIn(own, plan)))
    },
  }
}

/** Milliseconds by which each bucket is ahead of now, rounded up. */
async function leadsOf(store: RateLimitStore, key: string, { enforced }: Plan): Promise<number[]> {
  const { at, results } = await store.consume(
    enforced.map(() => key),
    enforced,
    0,
  )
  return results.map(({ resetAt }: RateLimitResult) => Math.max(0, resetAt - at))
}

/** Units that carry a bucket so far that nothing passes for so many milliseconds, not even what costs nothing. */
function unitsTo(ms: number, policy: ScopedPolicy, lead: number): number {
  return Math.ceil((ms + policy.burst * stepOf(policy) - lead) / stepOf(policy))
}

/** Units to give back so that nothing is left that was charged. */
function unitsIn(policy: ScopedPolicy, lead: number): number {
  // A log does not say how far it is beyond its quota; more than was charged is never given back.
  return policy.algorithm === 'gcra' ? Math.min(MOST_UNITS, Math.ceil(lead / stepOf(policy))) : MOST_UNITS
}

/** Milliseconds in which a unit comes back. */
function stepOf({ window, quota }: ScopedPolicy): number {
  return (window * 1000) / quota
}

function positive(units: number): number {
  if (units > 0) return units
  throw new RateLimitError('rate_limit.cost_invalid', 'units are a whole number from 1')
}

function requireKey(key: string | undefined): string {
  if (key !== undefined && key !== '') return key
  throw new RateLimitError('rate_limit.key_missing', 'there is no key')
}

function invalid(why: string): RateLimitError {
  return new RateLimitError('rate_limit.options_invalid', why)
}
