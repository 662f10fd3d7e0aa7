import { type Clock, systemClock } from '@portcullis/core'
import { BucketTable, OVERFLOW } from './bucket-table.ts'
import { RateLimitError } from './errors.ts'
import { ceilToMs } from './gcra.ts'
import { checkCost, requireSameNumbers, type ScopedPolicy } from './policy.ts'
import type { RateLimitResult, RateLimitStore, RateLimitVerdict } from './store.ts'

/** Options of {@link createMemoryRateLimitStore}. */
export interface MemoryRateLimitStoreOptions {
  readonly clock?: Clock
  /**
   * The most keys that a policy counts at one time, 100,000 by default: some 10 MB. Further keys share one bucket of that policy
   * until others have run out.
   */
  readonly maxKeys?: number
}

/** Counts of this process; answers at once. */
export interface MemoryRateLimitStore extends RateLimitStore {
  declare(policies: readonly ScopedPolicy[]): void
  consume(keys: readonly string[], policies: readonly ScopedPolicy[], cost: number): RateLimitVerdict
  adjust(keys: readonly string[], policies: readonly ScopedPolicy[], units: number, reserved?: RateLimitVerdict): void
  /** Keys held now, over all policies, those whose time has passed but which were not dropped yet included. */
  readonly size: number
}

/**
 * Limits for one process. Bounded, without timers: a bucket whose time has passed is dropped as new keys come in; a live one is never
 * pushed out, however many junk keys arrive.
 * @throws RateLimitError `rate_limit.options_invalid`
 */
export function createMemoryRateLimitStore(options: MemoryRateLimitStoreOptions = {}): MemoryRateLimitStore {
  return new MemoryStore(options)
}

class MemoryStore implements MemoryRateLimitStore {
  readonly #clock: Clock
  readonly #maxKeys: number
  readonly #origin: number
  /** Milliseconds since the origin, the most that the clock has shown. */
  #time = 0
  readonly #tables = new Map<string, BucketTable>()
  readonly #plans = new WeakMap<readonly ScopedPolicy[], readonly BucketTable[]>()
  /** Most stores have one limiter: it need not be looked up. */
  #lastPolicies: readonly ScopedPolicy[] | undefined
  #lastPlan: readonly BucketTable[] = []

  constructor({ clock = systemClock, maxKeys = 100_000 }: MemoryRateLimitStoreOptions) {
    if (!Number.isInteger(maxKeys) || maxKeys < 1 || maxKeys > 2 ** 24) {
      throw new RateLimitError('rate_limit.options_invalid', 'maxKeys is a whole number from 1 to 16,777,216')
    }
    this.#clock = clock
    this.#maxKeys = maxKeys
    this.#origin = Math.floor(clock.now())
  }

  get size(): number {
    let size = 0
    for (const table of this.#tables.values()) size += table.size
    return size
  }

  declare(policies: readonly ScopedPolicy[]): void {
    this.#plan(policies)
  }

  consume(keys: readonly string[], policies: readonly ScopedPolicy[], cost: number): RateLimitVerdict {
    checkCost(cost)
    const tables = this.#plan(policies)
    const now = this.#now()
    if (tables.length === 1) return this.#consumeOne(member(tables, 0), member(keys, 0), now, cost)

    const looks = tables.map((table, i) => look(table, member(keys, i), now))
    const allowed = looks.every(({ table, arrival }) => allows(table, arrival, now, cost))
    const results = looks.map(({ table, key, slot, arrival }) => {
      if (!allowed || cost === 0) return resultOf(table, this.#origin, now, cost, arrival, 0)
      table.write(key, slot, arrival + cost * table.gcra.increment)
      return resultOf(table, this.#origin, now, cost, arrival, cost)
    })
    return { allowed, at: this.#origin + now, results, degraded: looks.some(({ slot }) => slot === OVERFLOW) }
  }

  /** The common case, where nothing has to be remembered between looking and charging. */
  #consumeOne(table: BucketTable, key: string, now: number, cost: number): RateLimitVerdict {
    const nowTicks = now * table.gcra.scale
    const slot = table.locate(key, nowTicks)
    const arrival = Math.max(table.arrival(slot), nowTicks)
    const allowed = allows(table, arrival, now, cost)
    if (allowed && cost > 0) table.write(key, slot, arrival + cost * table.gcra.increment)
    const result = resultOf(table, this.#origin, now, cost, arrival, allowed ? cost : 0)
    return { allowed, at: this.#origin + now, results: [result], degraded: slot === OVERFLOW }
  }

  adjust(keys: readonly string[], policies: readonly ScopedPolicy[], units: number, reserved?: RateLimitVerdict): void {
    checkCost(Math.abs(units))
    const now = this.#now()
    for (const [i, table] of this.#plan(policies).entries()) {
      const before = reserved?.results[i]
      if (units < 0 && before !== undefined && before.resetAt <= this.#origin + now) continue
      const { key, slot, arrival } = look(table, member(keys, i), now)
      // Nothing is known of the key: everything has come back already.
      if (units < 0 && slot < 0) continue
      table.write(key, slot, arrival + units * table.gcra.increment)
    }
  }

  /** A clock that goes back, goes on, and goes back must not earn the same second twice: time stands still until it has caught up. */
  #now(): number {
    const now = this.#clock.now() - this.#origin
    if (now > this.#time) this.#time = now
    return this.#time
  }

  #plan(policies: readonly ScopedPolicy[]): readonly BucketTable[] {
    if (policies === this.#lastPolicies) return this.#lastPlan
    const tables = this.#plans.get(policies) ?? policies.map((policy) => this.#table(policy))
    this.#plans.set(policies, tables)
    this.#lastPolicies = policies
    this.#lastPlan = tables
    return tables
  }

  #table(policy: ScopedPolicy): BucketTable {
    const found = this.#tables.get(policy.scope)
    if (found === undefined) {
      const table = new BucketTable(policy, this.#maxKeys)
      this.#tables.set(policy.scope, table)
      return table
    }
    requireSameNumbers(found.policy, policy)
    return found
  }
}

/** A bucket as a check finds it. Times of the store are milliseconds since its origin. */
interface Look {
  readonly table: BucketTable
  readonly key: string
  readonly slot: number
  /** Ticks; not before now. */
  readonly arrival: number
}

function look(table: BucketTable, key: string, now: number): Look {
  const nowTicks = now * table.gcra.scale
  const slot = table.locate(key, nowTicks)
  return { table, key, slot, arrival: Math.max(table.arrival(slot), nowTicks) }
}

function allows({ gcra }: BucketTable, arrival: number, now: number, cost: number): boolean {
  return arrival + cost * gcra.increment - gcra.tolerance <= now * gcra.scale
}

/** @param charged what was charged of the cost: all or nothing */
function resultOf(
  table: BucketTable,
  origin: number,
  now: number,
  cost: number,
  arrival: number,
  charged: number,
): RateLimitResult {
  const { scale, increment, tolerance } = table.gcra
  const after = arrival + charged * increment
  const passes = after + cost * increment - tolerance
  return {
    policy: table.policy.name,
    allowed: allows(table, arrival, now, cost),
    remaining: Math.max(0, Math.floor((tolerance - (after - now * scale)) / increment)),
    retryAt: cost > table.policy.burst ? Number.POSITIVE_INFINITY : origin + Math.max(Math.ceil(now), ceilToMs(passes, scale)),
    resetAt: origin + ceilToMs(after, scale),
  }
}

function member<T>(list: readonly T[], i: number): T {
  const found = list[i]
  if (found === undefined) throw new RateLimitError('rate_limit.key_missing', 'a check needs one key for each policy')
  return found
}
