import {
  checkCost,
  type Found,
  type Gcra,
  gcra,
  keyOf,
  lets,
  RateLimitError,
  type RateLimitStore,
  type RateLimitVerdict,
  type ScopedPolicy,
  verdictOf,
} from '@portcullis/rate-limit/store'

/** A theoretical arrival time: whole milliseconds since the epoch, and ticks of that millisecond. */
export type Arrival = readonly [ms: number, ticks: number]

/** A bucket that a check looks at. */
export interface Look extends Found {
  readonly bucket: string
}

/** A store as one on a server is made, from the kit. Its parts can be overridden, for mistakes. */
export class KitStore implements RateLimitStore {
  readonly kept: Map<string, Arrival>
  readonly #clock: { now(): number }
  readonly #declared = new Map<string, ScopedPolicy>()

  constructor(clock: { now(): number }, kept: Map<string, Arrival> = new Map()) {
    this.#clock = clock
    this.kept = kept
  }

  async consume(keys: readonly string[], policies: readonly ScopedPolicy[], cost: number): Promise<RateLimitVerdict> {
    this.checkUnits(cost)
    this.declare(policies)
    const now = this.now()
    const looks = this.look(keys, policies, now)
    const allowed = looks.every((look) => lets(look, cost))
    // Nothing is awaited where there is nothing to await: that is what makes it one step.
    const between = this.between(looks)
    if (between !== undefined) await between
    for (const look of looks) {
      const charge = this.charge(look, cost, allowed)
      if (charge !== 0) this.write(look, look.lead + charge * look.gcra.increment, now)
    }
    return this.answer(looks, now, cost)
  }

  async adjust(
    keys: readonly string[],
    policies: readonly ScopedPolicy[],
    units: number,
    reserved?: RateLimitVerdict,
  ): Promise<void> {
    this.checkUnits(Math.abs(units))
    this.declare(policies)
    const now = this.now()
    for (const [i, look] of this.look(keys, policies, now).entries()) {
      if (units < 0 && this.isBack(reserved, i, now)) continue
      this.write(look, this.settled(look, units), now)
    }
  }

  declare(policies: readonly ScopedPolicy[]): void {
    for (const policy of policies) {
      const { scope, quota, window, burst } = policy
      const before = this.#declared.get(scope) ?? policy
      this.#declared.set(scope, before)
      if (quota === before.quota && window === before.window && burst === before.burst) continue
      throw new RateLimitError('rate_limit.policy_conflict', 'declared with other numbers')
    }
  }

  now(): number {
    return this.#clock.now()
  }

  checkUnits(units: number): void {
    checkCost(units)
  }

  look(keys: readonly string[], policies: readonly ScopedPolicy[], now: number): Look[] {
    return policies.map((policy, i) => {
      const bucket = this.bucket(policy.scope, this.key(keys, i))
      const numbers = gcra(policy)
      return { policy, gcra: numbers, bucket, lead: this.lead(bucket, numbers, now) }
    })
  }

  key(keys: readonly string[], i: number): string {
    return keyOf(keys, i)
  }

  bucket(scope: string, key: string): string {
    return `${scope}|${key}`
  }

  lead(bucket: string, { scale }: Gcra, now: number): number {
    const [ms, ticks] = this.kept.get(bucket) ?? [now, 0]
    return Math.max(0, (ms - now) * scale + ticks)
  }

  between(_looks: readonly Look[]): Promise<void> | undefined {
    return undefined
  }

  charge(_look: Look, cost: number, allowed: boolean): number {
    return allowed ? cost : 0
  }

  settled({ lead, gcra: { increment } }: Look, units: number): number {
    return Math.max(0, lead + units * increment)
  }

  isBack(reserved: RateLimitVerdict | undefined, i: number, now: number): boolean {
    const before = reserved?.results[i]
    return before !== undefined && before.resetAt <= now
  }

  write({ bucket, gcra: { scale } }: Look, lead: number, now: number): void {
    const ms = Math.floor(lead / scale)
    this.kept.set(bucket, [now + ms, lead - ms * scale])
  }

  answer(looks: readonly Look[], now: number, cost: number): RateLimitVerdict {
    return verdictOf(looks, now, cost)
  }
}
