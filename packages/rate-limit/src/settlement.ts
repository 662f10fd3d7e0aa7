import type { Outcome, RequestView } from '@portcullis/core'
import { RateLimitError } from './errors.ts'
import { checkCost, type ScopedPolicy } from './policy.ts'
import type { RateLimitStore, RateLimitVerdict } from './store.ts'

/**
 * What a request turned out to cost, in whole units. `told`: what the handler says with `LimitFacts.spent`. A function is asked when the
 * request has ended, unless the handler said so; `undefined`: as was estimated.
 */
export type ActualCost = 'told' | ((req: RequestView, outcome: Outcome) => number | undefined)

/** A charge that was made before anybody knew the cost; `undefined`: there is none after all. */
export type Charge = MadeCharge | undefined | Promise<MadeCharge | undefined>

/** What was charged, and where. */
export interface MadeCharge {
  readonly store: RateLimitStore
  readonly key: string
  readonly policies: readonly ScopedPolicy[]
  readonly verdict: RateLimitVerdict
}

/** Puts an estimate right: beyond the limit if need be, and never giving back what time has given back already. */
export class Settlement {
  readonly #actual: ActualCost
  readonly #estimate: number
  readonly #charges: readonly Charge[]
  #told: number | undefined

  constructor(actual: ActualCost, estimate: number, charges: readonly Charge[]) {
    this.#actual = actual
    this.#estimate = estimate
    this.#charges = charges
  }

  /** @throws RateLimitError `rate_limit.cost_invalid` */
  tell(units: number): void {
    checkCost(units)
    this.#told = units
  }

  /** @throws RateLimitError `rate_limit.cost_invalid`; what the store throws */
  async settle(req: RequestView, outcome: Outcome): Promise<void> {
    const units = this.#told ?? (typeof this.#actual === 'function' ? this.#actual(req, outcome) : undefined)
    if (units === undefined) return
    checkCost(units)
    const difference = units - this.#estimate
    if (difference === 0) return
    await Promise.all(
      this.#charges.map(async (made) => {
        const charge = await made
        if (charge === undefined) return
        const { store, key, policies, verdict } = charge
        await store.adjust(
          policies.map(() => key),
          policies,
          difference,
          verdict,
        )
      }),
    )
  }
}

/** What `LimitFacts.spent` is where nothing is settled. */
export function unsettled(): never {
  throw new RateLimitError('rate_limit.options_invalid', 'spent() needs `actual` in the options of the limit')
}
