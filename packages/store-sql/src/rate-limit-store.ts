import { type Clock, systemClock } from '@portcullis/core'
import {
  checkCost,
  type Found,
  keyDigest,
  keyOf,
  type LogFound,
  type Meter,
  meterOf,
  RateLimitError,
  type RateLimitStore,
  type RateLimitVerdict,
  requireSameNumbers,
  reservedStart,
  type ScopedPolicy,
  verdictOf,
} from '@portcullis/rate-limit/store'
import { type Backend, backendOf } from './backend.ts'
import { type Bucket, type Buckets, type Charged, lockingOrder } from './rate-limit-buckets.ts'
import { postgresBuckets } from './rate-limit-postgres.ts'
import { sqliteBuckets } from './rate-limit-sqlite.ts'
import type { SqlStore } from './sql-store.ts'

/** Options of {@link createSqlRateLimitStore}. */
export interface SqlRateLimitStoreOptions {
  /** What `openPostgres` or `openSqlite` opened; its migrations have been applied. */
  readonly store: SqlStore
  /**
   * What keys are hashed with before they leave this process: at least 16 bytes, random, the same in all processes that count together
   * (a string counts as its UTF-8 bytes).
   */
  readonly secret: string | Uint8Array
  /**
   * Where the time comes from. Default: the clock of the PostgreSQL server, which is one for all; on SQLite the machine's. Which period of
   * a calendar it is goes by the machine's clock on either.
   */
  readonly clock?: Clock
  /** For each check on PostgreSQL, in milliseconds, everything included: 10 to 600,000. Default: 50. */
  readonly timeout?: number
}

/** Limits in an SQL database. */
export interface SqlRateLimitStore extends RateLimitStore {
  declare(policies: readonly ScopedPolicy[]): void
  /** Deletes all buckets that have nothing to tell any more, in small batches. Checks do it by and by: this is for an idle hour. */
  sweep(): Promise<void>
}

/** Of a log that has no entries. */
const NOTHING: LogFound = { last: 0, units: 0, faded: 0, freed: 0 }

/** After this many checks, some buckets are looked at: more of them than that many checks can have made. */
const SWEEP_EVERY = 64

/**
 * Limits that all processes on one database share. One check is one statement on PostgreSQL, one transaction on SQLite. What a crash of
 * the PostgreSQL server takes with it are the counts of its last moments.
 *
 * @throws RateLimitError `rate_limit.options_invalid`
 * @example const limits = createSqlRateLimitStore({ store, secret: process.env.LIMIT_SECRET })
 */
export function createSqlRateLimitStore(options: SqlRateLimitStoreOptions): SqlRateLimitStore {
  const { store, secret, clock, timeout = 50 } = options
  const backend = backendOf(store)
  if (backend === undefined) {
    throw new RateLimitError('rate_limit.options_invalid', 'store must come from openPostgres or openSqlite')
  }
  if (!Number.isSafeInteger(timeout) || timeout < 10 || timeout > 600_000) {
    throw new RateLimitError('rate_limit.options_invalid', 'timeout must be 10 to 600,000 milliseconds')
  }
  return new SqlLimits(bucketsOf(backend, clock, timeout), keyDigest(secret), clock ?? systemClock)
}

function bucketsOf(backend: Backend, clock: Clock | undefined, timeout: number): Buckets {
  if (backend.name === 'sqlite') return sqliteBuckets(backend.dialect, backend.access, clock)
  return postgresBuckets(backend.dialect, backend.backend.channel('rate_limit', timeout), clock)
}

/** What is known of an array of policies once and for all. */
interface Plan {
  readonly parts: readonly Part[]
  /** Positions of the policies, in the order of locking. */
  readonly order: readonly number[]
}

interface Part {
  readonly policy: ScopedPolicy
  readonly meter: Meter
}

class SqlLimits implements SqlRateLimitStore {
  readonly #buckets: Buckets
  readonly #digest: (key: string) => string
  readonly #plans = new WeakMap<readonly ScopedPolicy[], Plan>()
  readonly #declared = new Map<string, ScopedPolicy>()
  readonly #clock: Clock
  #checks = 0

  constructor(buckets: Buckets, digest: (key: string) => string, clock: Clock) {
    this.#buckets = buckets
    this.#digest = digest
    this.#clock = clock
  }

  declare(policies: readonly ScopedPolicy[]): void {
    this.#plan(policies)
  }

  consume(
    keys: readonly string[],
    policies: readonly ScopedPolicy[],
    cost: number,
  ): RateLimitVerdict | Promise<RateLimitVerdict> {
    checkCost(cost)
    const plan = this.#plan(policies)
    const buckets = plan.order.map((i) => this.#bucket(plan, keys, i))
    const charged = this.#buckets.charge(buckets, cost)
    this.#sweepSometimes()
    const answer = (found: Charged): RateLimitVerdict => verdictOf(foundIn(plan, buckets, found), found.at, cost)
    return charged instanceof Promise ? charged.then(answer) : answer(charged)
  }

  async adjust(
    keys: readonly string[],
    policies: readonly ScopedPolicy[],
    units: number,
    reserved?: RateLimitVerdict,
  ): Promise<void> {
    checkCost(Math.abs(units))
    const plan = this.#plan(policies)
    if (units === 0) return
    const buckets = plan.order.map((i) => {
      const bucket = { ...this.#bucket(plan, keys, i), limit: Number.POSITIVE_INFINITY }
      const before = units < 0 ? reserved?.results[i] : undefined
      if (before === undefined) return bucket
      const from = bucket.meter.kind === 'log' ? reservedStart(bucket.meter, before) : undefined
      return { ...bucket, reset: before.resetAt, from }
    })
    await this.#buckets.charge(buckets, units)
  }

  async sweep(): Promise<void> {
    // From wherever checks have got to, to the end, and once round.
    for (let rounds = 0; rounds < 2; ) if (await this.#buckets.sweep()) rounds += 1
  }

  #sweepSometimes(): void {
    this.#checks += 1
    if (this.#checks % SWEEP_EVERY !== 0) return
    // Beside the check, which it must not fail. What could not be swept now will be later.
    this.#buckets.sweep().catch(() => undefined)
  }

  #plan(policies: readonly ScopedPolicy[]): Plan {
    const known = this.#plans.get(policies)
    if (known !== undefined) return known
    for (const policy of policies) this.#declare(policy)
    const plan: Plan = {
      parts: policies.map((policy) => ({ policy, meter: meterOf(policy) })),
      order: lockingOrder(policies),
    }
    this.#plans.set(policies, plan)
    return plan
  }

  #declare(policy: ScopedPolicy): void {
    requireSameNumbers(this.#declared.get(policy.scope) ?? policy, policy)
    this.#declared.set(policy.scope, policy)
  }

  #bucket({ parts }: Plan, keys: readonly string[], i: number): Bucket {
    const part = parts[i]
    if (part === undefined) throw new RateLimitError('rate_limit.key_missing', 'a check needs one key for each policy')
    const { policy, meter } = part
    return {
      scope: policy.scope,
      key: this.#digest(keyOf(keys, i)),
      meter,
      limit: meter.kind === 'gcra' ? meter.tolerance : meter.quota,
      reset: Number.POSITIVE_INFINITY,
      from: undefined,
      period: meter.kind === 'log' ? meter.calendar?.at(this.#clock.now()) : undefined,
    }
  }
}

/** What was found, in the order of the policies. */
function foundIn({ parts, order }: Plan, buckets: readonly Bucket[], { found }: Charged): readonly Found[] {
  return parts.map(({ policy, meter }, i) => {
    const position = order.indexOf(i)
    const of = found[position]
    if (meter.kind === 'gcra') return { policy, meter, lead: typeof of === 'number' ? of : 0 }
    return { policy, meter, log: typeof of === 'object' ? of : NOTHING, from: buckets[position]?.period?.from }
  })
}
