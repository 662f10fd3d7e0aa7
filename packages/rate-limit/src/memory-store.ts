import { type Clock, systemClock } from '@portcullis/core'
import { BucketTable } from './bucket-table.ts'
import { RateLimitError } from './errors.ts'
import { OVERFLOW } from './key-index.ts'
import { LogTable } from './log-table.ts'
import { meterOf } from './meter.ts'
import { checkCost, requireSameNumbers, type ScopedPolicy } from './policy.ts'
import type { RateLimitStore, RateLimitVerdict } from './store.ts'
import type { Table } from './table.ts'
import { keyOf, lets, resultOf, verdictOf } from './verdict.ts'

/** Options of {@link createMemoryRateLimitStore}. */
export interface MemoryRateLimitStoreOptions {
  readonly clock?: Clock
  /**
   * The most keys that a policy counts at one time, 100,000 by default: some 10 MB by GCRA, 32 MB and more by the other algorithms. Further keys share one bucket of that policy
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
  readonly #tables = new Map<string, Table>()
  readonly #plans = new WeakMap<readonly ScopedPolicy[], readonly Table[]>()
  /** Most stores have one limiter: it need not be looked up. */
  #lastPolicies: readonly ScopedPolicy[] | undefined
  #lastPlan: readonly Table[] = []

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
    const [only] = tables
    if (tables.length === 1 && only instanceof BucketTable) return this.#consumeOne(only, keyOf(keys, 0), now, cost)

    const at = this.#origin + now
    const buckets = tables.map((table, i) => table.look(keyOf(keys, i), now))
    const charged = buckets.every((bucket) => lets(bucket.found(cost, 0), at, cost)) ? cost : 0
    const found = buckets.map((bucket) => bucket.found(cost, charged))
    if (charged > 0) for (const bucket of buckets) bucket.charge(charged)
    return verdictOf(
      found,
      at,
      cost,
      buckets.some(({ overflow }) => overflow),
    )
  }

  /** The common case, where nothing has to be remembered between looking and charging. */
  #consumeOne(table: BucketTable, key: string, now: number, cost: number): RateLimitVerdict {
    const { policy, meter } = table
    const ticks = now * meter.scale
    const slot = table.locate(key, ticks)
    const found = { policy, meter, lead: Math.max(0, table.arrival(slot) - ticks) }
    const at = this.#origin + now
    const allowed = lets(found, at, cost)
    if (allowed && cost > 0) table.write(key, slot, ticks + found.lead + cost * meter.increment)
    return { allowed, at, results: [resultOf(found, at, cost, allowed ? cost : 0)], degraded: slot === OVERFLOW }
  }

  adjust(keys: readonly string[], policies: readonly ScopedPolicy[], units: number, reserved?: RateLimitVerdict): void {
    checkCost(Math.abs(units))
    if (units === 0) return
    const now = this.#now()
    for (const [i, table] of this.#plan(policies).entries()) {
      const before = reserved?.results[i]
      const bucket = table.look(keyOf(keys, i), now)
      if (units > 0) bucket.charge(units)
      else if (before === undefined || before.resetAt > this.#origin + now) {
        bucket.giveBack(-units, before && table.startOf(before))
      }
    }
  }

  /** A clock that goes back, goes on, and goes back must not earn the same second twice: time stands still until it has caught up. */
  #now(): number {
    const now = Math.floor(this.#clock.now()) - this.#origin
    if (now > this.#time) this.#time = now
    return this.#time
  }

  #plan(policies: readonly ScopedPolicy[]): readonly Table[] {
    if (policies === this.#lastPolicies) return this.#lastPlan
    const tables = this.#plans.get(policies) ?? policies.map((policy) => this.#table(policy))
    this.#plans.set(policies, tables)
    this.#lastPolicies = policies
    this.#lastPlan = tables
    return tables
  }

  #table(policy: ScopedPolicy): Table {
    const found = this.#tables.get(policy.scope)
    if (found === undefined) {
      const table = tableOf(policy, this.#maxKeys, this.#origin)
      this.#tables.set(policy.scope, table)
      return table
    }
    requireSameNumbers(found.policy, policy)
    return found
  }
}

function tableOf(policy: ScopedPolicy, maxKeys: number, origin: number): Table {
  const meter = meterOf(policy)
  return meter.kind === 'gcra' ? new BucketTable(policy, meter, maxKeys) : new LogTable(policy, meter, maxKeys, origin)
}
